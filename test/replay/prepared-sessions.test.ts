import { describe, expect, test } from 'vitest';
import { NS_PER_MS } from '../../src/base/time.ts';
import { LatencyRecorder } from '../../src/measure/histograms.ts';
import { type PreparedSessions, prepareSessions } from '../../src/replay/prepared-sessions.ts';
import { Replay } from '../../src/replay/replay.ts';
import type { ReplayPlan } from '../../src/replay/replay-plan.ts';
import { Stages } from '../../src/replay/stages.ts';
import { StreamEnd } from '../../src/session/script/scripts.ts';
import { SegmentPlan } from '../../src/session/script/segment-plan.ts';
import { StreamView } from '../../src/session/script/stream-view.ts';
import { type RecordedSession, randomOctets, said } from '../helpers/recorded.ts';
import { makeEnds } from '../sim/simulation.ts';

const SESSIONS = 8;
/** Larger than a block, so that no other session's octets lie beside it. */
const UPLOAD_BYTES = 600_000;

const SMALL: RecordedSession = {
  messages: [said('client', 'GET', NS_PER_MS), said('server', 'answer', NS_PER_MS)],
  clientEnd: { how: StreamEnd.FIN },
  serverEnd: { how: StreamEnd.FIN, afterPeer: true },
};
const LARGE: RecordedSession = {
  ...SMALL,
  messages: [
    { from: 'client', octets: randomOctets(UPLOAD_BYTES, 1) },
    said('server', 'answer', NS_PER_MS),
  ],
};

function endsOf(users: number, iterations = 1) {
  const sessions = [SMALL, ...Array.from({ length: SESSIONS - 1 }, () => LARGE)];
  return makeEnds({ sessions, users, seed: 1, plan: { iterations } });
}

/** How many exchanges each session's script holds. */
function exchangesOf({ scripts }: ReplayPlan, prepared: PreparedSessions): number[] {
  const stages = new Stages({ scripts }, prepared.stages, prepared.exchanges);
  return Array.from({ length: scripts.sessions }, (_, session) => stages.exchangesOf(session));
}

describe('what is made of sessions before a run', () => {
  test('is made of those alone that will be played', () => {
    const { plan, recorded } = endsOf(1);
    const prepared = prepareSessions(plan, recorded.capture);
    const { segments } = prepared;
    expect(exchangesOf(plan, prepared)).toEqual([1, 0, 0, 0, 0, 0, 0, 0]);
    expect([...segments.segmentEnd]).toEqual([3]);
    expect(recorded.capture.reads).toBeLessThan(5);
  });

  test.each([
    [3, 1, 3],
    [2, 3, 6],
    [5, 9, SESSIONS],
  ])('%i users, %i times each: %i sessions', (users, iterations, sessions) => {
    const { plan, recorded } = endsOf(users, iterations);
    const exchanges = exchangesOf(plan, prepareSessions(plan, recorded.capture));
    expect(exchanges.filter((each) => each > 0)).toHaveLength(sessions);
  });

  test('serves an engine in another thread as if it had made it', () => {
    const played = [false, true].map((isPosted) => {
      const { plan, target, recorded, counters } = endsOf(20, 2);
      const prepared = structuredClone(prepareSessions(plan, recorded.capture));
      const { capture } = recorded;
      const latency = new LatencyRecorder();
      const replay = isPosted
        ? new Replay(plan, target, target, capture, latency, counters, prepared)
        : new Replay(plan, target, target, capture, latency, counters);
      for (let nowNs = 0; !replay.isDone; ) {
        nowNs = Math.max(nowNs, Math.min(replay.nextDueNs(), target.nextDueNs()));
        target.onTimeout(nowNs);
        target.receive(4_096, replay);
        replay.onTimeout(nowNs);
        replay.flush();
      }
      return { counters: [...counters], latency: [...latency.columns] };
    });
    expect(played[0]).toEqual(played[1]);
  });
});

describe('cuts that threads share', () => {
  test('stay as they are when a thread needs a session that is not among them', () => {
    const { plan, recorded } = endsOf(1);
    const { segments } = prepareSessions(plan, recorded.capture);
    const before = structuredClone({ ...segments, first: [...segments.first] });
    const view = new StreamView(plan.scripts.client, (at, into) => recorded.capture.read(at, into));
    const { sendMss } = segments;
    const shared = new SegmentPlan(view, SESSIONS, sendMss, segments);
    const own = new SegmentPlan(view, SESSIONS, sendMss);
    for (const session of [0, 3, 0, 5]) {
      for (const offset of session === 0 ? [0, 2] : [0, 1, 100_000, UPLOAD_BYTES - 1]) {
        const rows = [shared.find(session, offset), own.find(session, offset)];
        const cuts = [shared, own].map((each, i) => [
          each.segmentStart[rows[i]],
          each.segmentEnd[rows[i]],
          each.segmentSum[rows[i]],
          each.segmentExtent[rows[i]],
        ]);
        expect(cuts[0]).toEqual(cuts[1]);
      }
    }
    expect([...segments.first]).toEqual(before.first);
    expect([...segments.segmentEnd]).toEqual([...before.segmentEnd]);
  });
});
