/** What is put into recorded captures and is none of them leaves their sessions as they are. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import {
  captureOf,
  framesOf,
  keepAlives,
  type Mix,
  padding,
  reuse,
  skew,
  synAcks,
} from '../helpers/mixing.ts';
import { messagesOf, readCapture } from '../helpers/recording.ts';

const FILES = [
  'http-keepalive',
  'http-short',
  'http-post-20k',
  'redis',
  'redis-pipelined',
  'mysql',
  'smtp',
  'greeting',
];
const captures = new Map(
  FILES.map((name) => {
    const path = new URL(`../../fixtures/${name}.pcap`, import.meta.url);
    return [name, framesOf(readFileSync(path))] as const;
  }),
);

const digestOf = (text: string): string =>
  `${text.length} ${createHash('sha256').update(text, 'latin1').digest('hex').slice(0, 8)}`;

/** What each session says and in which order, by its client's port; twice where it was there twice. */
function sessionsOf(file: Uint8Array): string[] {
  const recording = readCapture(file);
  const { catalog } = recording;
  const scripts = recording.scripts();
  const reasons = recording.reasons();
  let played = 0;
  const sessions = reasons.map((reason, session) => {
    const server = catalog.serverSideOf(session);
    const client = server === 0 ? 1 : 0;
    const told = {
      port: catalog.endpoint(session, client).port,
      reason,
      turns: [catalog.turnsOf(session, client), catalog.turnsOf(session, server)],
      isServerFirst: catalog.firstSpeakerOf(session) === server,
    };
    if (reason !== null) return JSON.stringify(told);
    const row = played++;
    const script = (['client', 'server'] as const).map((side) => ({
      text: digestOf(recording.text(side, row)),
      messages: messagesOf(scripts[side], row).map(({ end, awaits }) => [end, awaits]),
      end: [scripts[side].end[row], scripts[side].endAwait[row], scripts[side].endAfterPeer[row]],
    }));
    return JSON.stringify({ ...told, script });
  });
  return sessions.sort();
}

function expectUnchanged(name: string, mixes: readonly Mix[], seed: number): void {
  const frames = captures.get(name) ?? [];
  const prng = new Prng(seed);
  const mixed = mixes.reduce((before, mix) => mix(before, prng), [...frames]);
  const clean = sessionsOf(captureOf(frames));
  const expected = mixes.includes(reuse) ? [...clean, ...clean].sort() : clean;
  expect(sessionsOf(captureOf(mixed))).toEqual(expected);
}

const seeds = fc.integer({ min: 1, max: 0x7fff_ffff });
const skewsNs = fc.oneof(
  fc.integer({ min: -3_000_000_000, max: 3_000_000_000 }),
  fc.integer({ min: -2_000_000, max: 2_000_000 }),
);

describe.each(FILES)('%s', (name) => {
  const kinds: Record<string, Mix> = { padding, keepAlives, synAcks, reuse };
  test.each(Object.entries(kinds))('with %s', (_, mix) => {
    fc.assert(
      fc.property(seeds, (seed) => expectUnchanged(name, [mix], seed)),
      { numRuns: 4 },
    );
  });

  test('with clocks that differ', () => {
    fc.assert(
      fc.property(skewsNs, (ns) => expectUnchanged(name, [skew(ns)], 1)),
      { numRuns: 8 },
    );
  });

  test('with all of it', () => {
    fc.assert(
      fc.property(seeds, skewsNs, (seed, ns) =>
        expectUnchanged(name, [keepAlives, synAcks, padding, reuse, skew(ns)], seed),
      ),
      { numRuns: 5 },
    );
  });
});
