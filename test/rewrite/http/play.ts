/** A naive twin of the engine: plans a module's sessions and plays them, one client after the other. */

import { type HttpSettings, httpModule } from '../../../src/rewrite/http/http-module.ts';
import type { HttpRules } from '../../../src/rewrite/http/rules.ts';
import type { Feed } from '../../../src/rewrite/http/values.ts';
import {
  type ClientInfo,
  type ProtocolModule,
  RewriteOutcome,
} from '../../../src/rewrite/module.ts';

/** A session as tests write it. */
export interface PlayedSession {
  readonly messages: readonly string[];
  /** Stage 0 first; one more than messages; undefined where it was not captured. */
  readonly stages: readonly (string | undefined)[];
  readonly clientAddress?: string;
  readonly protocol?: string;
}

/** What was sent, and how it ended. */
export interface Played {
  /** By message; null: left out. */
  readonly sent: readonly (string | null)[];
  readonly failed: string | null;
  readonly waits: number;
  readonly refused: string | undefined;
}

/** What the server says before message `stage`, when these have been sent. */
export type LiveServer = (stage: number, sent: readonly (string | null)[]) => string;

const octets = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'));

/** Settings with nothing but rules. */
export const settingsOf = (rules: HttpRules, more: Partial<HttpSettings> = {}): HttpSettings => ({
  ...{ rules, feeds: {}, environment: {}, perClient: false },
  ...more,
});

/** A feed of these rows. */
export const feedOf = (pick: Feed['pick'], columns: string[], ...rows: string[][]): Feed => ({
  ...{ pick, columns, rows },
});

/** Plans sessions, all of them surveyed before. */
export function planAll<Plan, Client, Connection>(
  module: ProtocolModule<Plan, Client, Connection>,
  sessions: readonly PlayedSession[],
) {
  const recorded = sessions.map((session, i) => ({
    session: i,
    clientAddress: session.clientAddress ?? '10.0.0.7',
    server: '192.0.2.1:80',
    protocol: session.protocol ?? 'http1',
    messages: session.messages.length,
    message: (at: number) => octets(session.messages[at] ?? ''),
    stage: (at: number) => {
      const text = session.stages[at];
      return text === undefined ? undefined : octets(text);
    },
  }));
  for (const each of recorded) module.survey?.(each);
  return recorded.map((each) => module.plan(each));
}

/** Plays sessions for one client, one after the other. */
export function play(
  rules: HttpRules,
  sessions: readonly PlayedSession[],
  servers: readonly LiveServer[],
  more: Partial<HttpSettings> & { readonly info?: Partial<ClientInfo> } = {},
): readonly Played[] {
  const { info, ...settings } = more;
  const module = httpModule(settingsOf(rules, settings));
  const plans = planAll(module, sessions);
  const client = module.client({
    ...{ client: 0, clients: 10, iteration: 0, seed: 1, nowMs: () => 0 },
    ...info,
  });
  return sessions.map((session, i) => {
    const planned = plans[i];
    const sent: (string | null)[] = [];
    const done = (failed: string | null, waits = 0): Played => ({
      ...{ sent, failed, waits, refused: planned?.refused },
    });
    if (planned === undefined) sent.push(...session.messages);
    if (planned === undefined || planned.refused !== undefined) return done(null);
    const connection = module.connection(client, planned.plan);
    let waits = 0;
    for (const [message, text] of session.messages.entries()) {
      if (planned.reads.includes(message)) {
        const answer = servers[i]?.(message, sent) ?? session.stages[message] ?? '';
        module.onAnswer?.(connection, message, octets(answer), true);
      }
      if (!planned.rewrites.includes(message)) {
        sent.push(text);
        continue;
      }
      let written = '';
      let failed = '';
      const write = (isLate: boolean) => {
        written = '';
        return module.rewrite?.(connection, message, {
          recorded: octets(text),
          isLate,
          copy: (from, to) => {
            if (from > to || from < 0 || to > text.length) throw new RangeError(`${from} to ${to}`);
            written += text.slice(from, to);
          },
          put: (each) => {
            written += Buffer.from(each).toString('latin1');
          },
          fail: (reason) => {
            failed = reason;
          },
        });
      };
      let outcome = write(false);
      if (outcome === RewriteOutcome.WAIT) {
        waits++;
        outcome = write(true);
      }
      if (outcome === RewriteOutcome.FAIL) return done(failed, waits);
      sent.push(outcome === RewriteOutcome.SKIP || written === '' ? null : written);
    }
    const last = session.messages.length;
    if (planned.reads.includes(last)) {
      const answer = servers[i]?.(last, sent) ?? session.stages[last] ?? '';
      module.onAnswer?.(connection, last, octets(answer), true);
    }
    return done(null, waits);
  });
}

/** An answer with a body. */
export const answer = (body: string, fields = '', status = 200): string =>
  `HTTP/1.1 ${status} X\r\n${fields}Content-Length: ${body.length}\r\n\r\n${body}`;

/** A request without a body. */
export const get = (target: string, fields = ''): string =>
  `GET ${target} HTTP/1.1\r\nHost: www.example.com\r\n${fields}\r\n`;

/** A request with a body. */
export const post = (target: string, type: string, body: string, fields = ''): string =>
  `POST ${target} HTTP/1.1\r\nHost: www.example.com\r\n${fields}Content-Type: ${type}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

/** A session in which each message is answered. */
export const session = (...exchanges: readonly (readonly [string, string])[]): PlayedSession => ({
  messages: exchanges.map(([message]) => message),
  stages: ['', ...exchanges.map(([, stage]) => stage)],
});
