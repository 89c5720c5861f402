/**
 * Whether a replay sends what the capture says, by the word of others: what crosses the link on the
 * way to the embedded target, put together by a reader of its own, against the digests that tshark
 * found (fixtures/public/index.json). The embedded target itself compares with the engine's own
 * scripts, so that a wrong script would be wrong on both sides.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { EmbeddedTarget } from '../../src/embedded/embedded-target.ts';
import { Counter, createCounters } from '../../src/measure/counters.ts';
import { LatencyRecorder } from '../../src/measure/histograms.ts';
import { IntervalRecorder } from '../../src/measure/intervals.ts';
import { Replay } from '../../src/replay/replay.ts';
import { type CaptureIndex, indexCaptures } from '../../src/run/captures/index-captures.ts';
import { enginePlan } from '../../src/run/plan/engine-plan.ts';
import { embeddedTurns } from '../../src/run/threads/embedded-loop.ts';
import { clientDirectory } from '../../src/run/threads/embedded-thread.ts';
import { CONTROL_WORDS } from '../../src/run/threads/thread-job.ts';
import { playThrough } from '../../src/run/threads/thread-run.ts';
import { ledgerFaults } from '../helpers/ledger.ts';
import { planOf } from '../helpers/plan.ts';
import { OPTIONS } from '../replay/play.ts';
import { WireTap } from './wire-tap.ts';

interface CaptureRow {
  readonly file: string;
  readonly ports: readonly { readonly port: number }[];
  /** Sessions of the busiest port, the first 60 of them. */
  readonly detail: readonly {
    readonly clientSha256: string | null;
    readonly differs?: { readonly clientSha256?: { readonly value: string } };
  }[];
}

const FOLDER = new URL('../../fixtures/public/', import.meta.url);
const ROWS = (
  JSON.parse(readFileSync(new URL('index.json', FOLDER), 'utf8')) as CaptureRow[]
).filter(({ detail }) => detail.some(({ clientSha256 }) => clientSha256 !== null));

/** What tshark says the replayable sessions of the busiest port said, as far as it was asked. */
function toldByTshark(row: CaptureRow, port: number, index: CaptureIndex): (string | null)[] {
  const sessions = [...index.sessionList({ digests: false })].filter(
    ({ serverPort }) => serverPort === port,
  );
  return row.detail
    .map(({ clientSha256, differs }) => differs?.clientSha256?.value ?? clientSha256)
    .filter((_, i) => sessions.at(i)?.replayable === true);
}

/** Plays every session once. @returns the tap that read along */
function playThroughTap(index: CaptureIndex, file: Buffer): WireTap {
  const plan = planOf(index.scripts(), { ...OPTIONS, timeoutNs: 3600e9 });
  const capture = {
    read: (offset: number, into: Uint8Array) =>
      into.set(file.subarray(offset, offset + into.length)),
  };
  const counters = createCounters();
  const latency = new LatencyRecorder();
  const target = new EmbeddedTarget({
    scripts: plan.scripts,
    capture,
    clients: clientDirectory(plan),
    users: plan.users,
    accel: plan.accel,
    seed: 1,
    counters,
  });
  const tap = new WireTap(target, file);
  const links = plan.targets.map(() => new Uint8Array(0));
  const engine = enginePlan(plan, 0, 1, links);
  const replay = new Replay(engine, tap, target, capture, latency, counters);
  const control = new Int32Array(new SharedArrayBuffer(CONTROL_WORDS * 4));
  const intervals = new IntervalRecorder(latency, counters);
  playThrough(embeddedTurns({ replay, target, intervals, control, nowNs: null }));
  expect(counters[Counter.COMPLETED]).toBe(plan.users);
  expect(counters[Counter.EMBEDDED_BAD_OCTETS] + counters[Counter.EMBEDDED_BAD_CHECKSUM]).toBe(0);
  expect(counters[Counter.EMBEDDED_OCTETS_CHECKED]).toBe(counters[Counter.OCTETS_PLANNED]);
  expect(ledgerFaults(counters, plan.users)).toEqual([]);
  return tap;
}

describe('what is sent is what tshark finds in the capture', () => {
  test.each(ROWS)('$file', async (row) => {
    const path = new URL(row.file, FOLDER).pathname;
    const index = await indexCaptures([path], { seed: 1 });
    try {
      const port = row.ports[0].port;
      const wanted = toldByTshark(row, port, index);
      if (index.sessions.replayable === 0) {
        expect(wanted).toEqual([]);
        return;
      }
      const sent = playThroughTap(index, readFileSync(path)).digestsTo(port);
      for (const digest of wanted) {
        const at = sent.indexOf(digest ?? '');
        expect([digest, at]).toEqual([digest, expect.any(Number)]);
        expect(at, `nobody sent ${digest}`).toBeGreaterThanOrEqual(0);
        sent.splice(at, 1);
      }
    } finally {
      index.close();
    }
  });
});
