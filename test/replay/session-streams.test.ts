/** Exchanges of a recording in compressed packets are those of the same one without. */
import { deflateSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { prepareSessions } from '../../src/replay/prepared-sessions.ts';
import { Check } from '../../src/replay/replay-plan.ts';
import { planRewrites } from '../../src/replay/rewrite-columns.ts';
import { mysqlModule } from '../../src/rewrite/databases/mysql.ts';
import {
  Capability,
  logInResponseText,
  numberText,
  packetText,
} from '../../src/rewrite/databases/mysql-packets.ts';
import { enginePlan } from '../../src/run/plan/engine-plan.ts';
import { playThrough } from '../../src/run/threads/thread-run.ts';
import { planOf } from '../helpers/plan.ts';
import { record } from '../helpers/recorded.ts';
import { zstdFrame } from '../helpers/zstd.ts';
import { account, sessionOf } from '../rewrite/databases/dialogues.ts';
import { OPTIONS } from './play.ts';

type Turn = readonly ['client' | 'server', string];

const AGREED = Capability.PROTOCOL_41 | Capability.SECURE_CONNECTION;
const GREETING = packetText(
  0,
  `\x0a10.11.2\0${numberText(7, 4)}12345678\0\xff\xff\x2d\x02\0\xff\xff\x15${'\0'.repeat(10)}123456789012\0`,
);
const logIn = (capabilities: number): string =>
  packetText(
    1,
    logInResponseText({
      ...{ capabilities, limits: '\0\0\0\x01\x2d', extended: 0, user: 'al', proof: '' },
      ...{ database: null, plugin: '', attributes: '' },
    }),
  );
const command = (code: number, rest = ''): string =>
  packetText(0, String.fromCharCode(code) + rest);
const told = (text: string): string => packetText(1, `\0\0\0\x02\0\0\0${text}`);
const refused = packetText(1, `\xff${numberText(1146, 2)}#42S02there is no such table anywhere`);

/** Compressed packets of so many octets each, whatever packets of the protocol those are. */
function packed(plain: string, bytes: number, isZstd: boolean): string {
  let text = '';
  for (let at = 0; at < plain.length; at += bytes) {
    const part = plain.slice(at, at + bytes);
    const isStored = part.length < 50;
    const octets = Buffer.from(part, 'latin1');
    const packing = isZstd ? zstdFrame(octets) : deflateSync(octets);
    const content = isStored ? part : packing.toString('latin1');
    text += `${numberText(content.length, 3)}\0${numberText(isStored ? 0 : part.length, 3)}${content}`;
  }
  return text;
}

const TURNS: readonly Turn[] = [
  ['client', command(3, 'select 1')],
  ['server', told('x'.repeat(500))],
  ['client', command(3, `insert into t values ('${'a'.repeat(700)}')`) + command(0x0e)],
  ['server', refused + told('')],
  ['client', command(0x16, 'select ? from t')],
  ['server', packetText(1, `\0${numberText(5, 4)}\0\0\0\0\0\0\0`)],
  ['client', command(0x17, `${numberText(5, 4)}\0\x01\0\0\0`)],
  ['server', told('y'.repeat(20))],
  ['client', command(1)],
];

/** Octets of what the client says in one go. */
const LONGEST = Math.max(...TURNS.map(([from, text]) => (from === 'client' ? text.length : 0)));

/** What is found of the session; null: without compression. */
function foundIn(bytes: number | null, turns = TURNS, isZstd = false) {
  const wish = isZstd ? Capability.ZSTD : Capability.COMPRESS;
  const compressing = bytes === null ? 0 : wish;
  const recorded = record([
    sessionOf(
      ['server', GREETING],
      ['client', logIn(AGREED | compressing)],
      ['server', packetText(2, '\0\0\0\x02\0\0\0')],
      ...turns.map(
        ([from, text]): Turn => [from, bytes === null ? text : packed(text, bytes, isZstd)],
      ),
    ),
  ]);
  const { capture, scripts } = recorded;
  const plain = planOf(scripts, OPTIONS);
  const module = mysqlModule({ accounts: [account('bob', '')], readOnly: false });
  const read = (offset: number, into: Uint8Array) => capture.read(offset, into);
  const { columns, facts } = playThrough(planRewrites(scripts, plain.played, [module], read));
  expect(facts.refused.size).toBe(0);
  const rewriting = { columns, readsAnswers: true, bindTimeoutNs: 0, answerBytesMax: 0 };
  const links = plain.targets.map(() => new Uint8Array(0));
  const { exchanges, answerPackets } = prepareSessions(
    { ...enginePlan(plain, 0, 1, links), saysRecorded: false, check: Check.BODY, rewriting },
    capture,
  );
  const { first: _, protocols: __, ...found } = exchanges;
  const { longestBytes } = facts;
  const room = { longestBytes, turnBytes: columns.turnBytes[0] };
  return { found, answerPackets, room, isInflated: columns.inflatedFrom?.[0] };
}

test.each([1 << 20, 300, 60, 9])('in packets of %i octets', (bytes) => {
  const plain = foundIn(null);
  expect(plain.isInflated).toBeUndefined();
  for (const isZstd of [false, true]) {
    const compressed = foundIn(bytes, TURNS, isZstd);
    expect(compressed.isInflated).toBe(1);
    expect(compressed.found).toEqual(plain.found);
    expect(compressed.room).toEqual({ longestBytes: LONGEST, turnBytes: LONGEST });
  }
});

test('what comes without compression has room as if it had been recorded so', () => {
  const turns: readonly Turn[] = [
    ['client', command(3, 'select 1')],
    ['server', told('x'.repeat(300_000))],
    ['client', command(1)],
  ];
  const plain = foundIn(null, turns);
  const compressed = foundIn(1 << 20, turns);
  expect(plain.answerPackets).toBeGreaterThan(300_000 / 1_500);
  expect(compressed.answerPackets).toBeGreaterThan(300_000 / 1_500);
});
