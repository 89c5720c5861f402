/** Two taps, one for each direction, whose clocks differ: order by acknowledgments, times mended. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { inspectCaptures } from '../../src/run/inspect-captures.ts';
import { FIN, PCAP_NANOSECONDS, PSH, pcap } from '../helpers/packets.ts';
import { frameOf, handshake, messagesOf, record, type SentSegment } from '../helpers/recording.ts';

/** Three questions, each after 200 ms, each answered after 10 ms; answers arrive after 1 ms. */
const talk = (clientPort: number, startMs: number): SentSegment[] => {
  const turns = [0, 1, 2].flatMap((i): SentSegment[] => {
    const atMs = 220 + i * 211;
    const [asked, said] = [4 * i, 9 * i];
    return [
      { from: 'client', atMs, at: asked, acked: said, flags: PSH, payload: 'ask!' },
      { from: 'server', atMs: atMs + 0.1, at: said, acked: asked + 4 },
      {
        from: 'server',
        atMs: atMs + 10,
        at: said,
        acked: asked + 4,
        flags: PSH,
        payload: 'answered!',
      },
      { from: 'client', atMs: atMs + 11, at: asked + 4, acked: said + 9 },
    ];
  });
  const end: SentSegment[] = [
    { from: 'client', atMs: 900, at: 12, acked: 27, flags: FIN },
    { from: 'server', atMs: 901, at: 27, acked: 13, flags: FIN },
    { from: 'client', atMs: 902, at: 13, acked: 28 },
  ];
  return [...handshake(), ...turns, ...end].map((segment) => ({
    ...segment,
    clientPort,
    atMs: segment.atMs + startMs,
  }));
};

const sessions = [0, 1, 2, 3].flatMap((i) => talk(50_000 + i, 50 * i));
const skewed = (segments: readonly SentSegment[], ms: number): SentSegment[] =>
  segments
    .map((segment) =>
      segment.from === 'server' ? { ...segment, atMs: segment.atMs + ms } : segment,
    )
    .sort((a, b) => a.atMs - b.atMs);

describe.each([2000, 30, -30, -2000, -10_000])('a clock that is %i ms ahead', (ms) => {
  const recording = record(skewed(sessions, ms));

  test('is found, within what a round trip leaves open', () => {
    const { found } = recording.catalog.skews;
    expect(found).toHaveLength(1);
    const [{ skewNs, errorNs }] = found;
    expect(Math.abs(skewNs / 1e6 - ms)).toBeLessThanOrEqual(errorNs / 1e6);
    expect(errorNs / 1e6).toBeLessThanOrEqual(10);
  });

  test('neither makes nor takes turns', () => {
    for (const session of [0, 1, 2, 3]) {
      const server = recording.catalog.serverSideOf(session);
      expect(recording.catalog.turnsOf(session, 1 - server)).toBe(3);
      expect(recording.catalog.firstSpeakerOf(session)).toBe(1 - server);
    }
  });

  test('is taken out of think and server times', () => {
    const scripts = recording.scripts();
    const errorMs = recording.catalog.skews.found[0].errorNs / 1e6;
    const near = (value: number, wanted: number) =>
      expect(Math.abs(value - wanted)).toBeLessThanOrEqual(errorMs + 0.001);
    for (const { thinkMs } of messagesOf(scripts.client).slice(1)) near(thinkMs, 201);
    for (const { thinkMs } of messagesOf(scripts.server)) near(thinkMs, 10);
    near(scripts.connectNs[0] / 1e6, 10);
    near(scripts.durationNs[0] / 1e6, 901.5);
  });
});

test.each([0, 0.05, -0.05])('clocks that are %f ms apart may be one', (ms) => {
  expect(record(skewed(sessions, ms)).catalog.skews.found).toEqual([]);
});

test('one session whose packets overtook one another proves nothing', () => {
  const early = sessions.map((segment) =>
    segment.clientPort === 50_001 && segment.from === 'server'
      ? { ...segment, atMs: segment.atMs - 20 }
      : segment,
  );
  const { catalog } = record(early.sort((a, b) => a.atMs - b.atMs));
  expect(catalog.skews.found).toEqual([]);
  expect(catalog.turnsOf(1, 1 - catalog.serverSideOf(1))).toBe(3);
});

test('captures of both are read as one, and told of', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gryphon-taps-'));
  try {
    const paths = (['client', 'server'] as const).map((side) => {
      const frames = skewed(sessions, 2000).filter(({ from }) => from === side);
      const path = join(folder, `${side}.pcap`);
      writeFileSync(path, pcap(frames.map(frameOf), { magic: PCAP_NANOSECONDS }));
      return path;
    });
    const warnings: string[] = [];
    const onWarning = (text: string) => warnings.push(text);
    const document = await inspectCaptures(paths, { seed: 1, sessions: false, onWarning });
    expect(document.servers).toMatchObject([{ sessions: 4, replayable: 4, clientTurns: 12 }]);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(
      /the clock of .*server\.pcap is 2 s \(± .*\) ahead of that of .*client\.pcap/,
    );
    const alone = await inspectCaptures(paths.slice(1), { seed: 1, sessions: false, onWarning });
    expect(alone.sessions.skipped).toEqual({ 'server-only': 4 });
    expect(warnings).toHaveLength(1);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
