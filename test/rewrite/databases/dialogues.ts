/** Sessions of log-ins, and servers that note what they heard, played by the engine without packets. */
import { NS_PER_MS } from '../../../src/base/time.ts';
import type { Account } from '../../../src/rewrite/databases/accounts.ts';
import type { ProtocolModule } from '../../../src/rewrite/module.ts';
import { StreamEnd } from '../../../src/session/script/scripts.ts';
import type { RecordedSession } from '../../helpers/recorded.ts';
import { type TalkOptions, talk } from '../../replay/talking.ts';

const FIN = { how: StreamEnd.FIN } as const;

/** What both sides said, in turn: `['client', text]`, one character an octet. */
export const sessionOf = (
  ...lines: readonly (readonly ['client' | 'server', string])[]
): RecordedSession => ({
  messages: lines.map(([from, text]) => ({
    ...{ from, thinkNs: NS_PER_MS },
    octets: Buffer.from(text, 'latin1'),
  })),
  clientEnd: FIN,
  serverEnd: { ...FIN, afterPeer: true },
});

/** An account for everybody. */
export const account = (user: string | null, password: string): Account => ({
  recorded: null,
  user,
  password,
});

/** What each connection said, and what became of all. */
export function playLogIns(
  module: ProtocolModule,
  sessions: readonly RecordedSession[],
  answer: (heard: string, connection: number) => readonly string[],
  more: Partial<TalkOptions> = {},
) {
  const heard = new Map<number, string[]>();
  const result = talk({
    ...{ sessions, modules: [module] },
    server: (text, connection) => {
      const all = heard.get(connection) ?? [];
      if (text !== '') heard.set(connection, [...all, text]);
      return answer(text, connection);
    },
    ...more,
  });
  const { failures, counters } = result;
  return { heard: [...heard.values()], failures: [...failures.keys()], counters, result };
}
