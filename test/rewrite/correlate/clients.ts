/** Recorded clients written down by hand, shown to the correlator as if they had been captured. */
import {
  type Correlation,
  type CorrelationRow,
  correlationOf,
} from '../../../src/rewrite/correlate/correlation.ts';
import { type ClientSession, Correlator } from '../../../src/rewrite/correlate/correlator.ts';
import type { PlayedSession } from '../http/play.ts';

/** Sessions begin so long after each other, and each thing in them is said so much later than the last. */
const SESSION_NS = 1e9;
const SAID_NS = 1e6;

const octets = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'));

/** A session; sessions begin one after the other. */
const timed = (of: PlayedSession, row: number): ClientSession => ({
  session: {
    session: row,
    clientAddress: of.clientAddress ?? '10.0.0.7',
    server: '192.0.2.1:80',
    protocol: 'http1',
    messages: of.messages.length,
    message: (i) => octets(of.messages[i] ?? ''),
    stage: (i) => {
      const text = of.stages[i];
      return text === undefined ? undefined : octets(text);
    },
  },
  messageNs: (i) => row * SESSION_NS + 2 * i * SAID_NS,
  stageNs: (i) => row * SESSION_NS + (2 * i - 1) * SAID_NS,
});

/** What correlates in sessions, by their client addresses. */
export function correlated(sessions: readonly PlayedSession[]): Correlation {
  const clients = new Map<string, ClientSession[]>();
  for (const [row, session] of sessions.entries()) {
    const each = timed(session, row);
    const { clientAddress } = each.session;
    clients.set(clientAddress, [...(clients.get(clientAddress) ?? []), each]);
  }
  const correlator = new Correlator();
  for (const [name, of] of clients) correlator.find(name, of);
  for (const [name, of] of clients) correlator.check(name, of);
  return correlationOf(correlator.finish());
}

/** The same sessions, as other clients with other values had them. */
export const asClient = (address: string, sessions: readonly PlayedSession[]): PlayedSession[] =>
  sessions.map((each) => ({ ...each, clientAddress: address }));

/** A row without what most tests do not look at. */
export const brief = ({ by, in: place, name, sent, rule }: CorrelationRow) => ({
  by: by.join(', '),
  in: `${place} ${name}`,
  sent: sent.map(({ part, name: of, as }) => `${part} ${of}${as === 'raw' ? '' : ` as ${as}`}`),
  rule,
});
