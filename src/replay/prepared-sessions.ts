/**
 * What is made of the sessions' octets before a run: once for all threads, of those sessions alone
 * that will be played, and in their order, which is nearly that of the capture.
 */
import { plannedPlays } from '../schedule/connections.ts';
import { CaptureBlocks } from '../session/script/capture-blocks.ts';
import { type SegmentColumns, SegmentPlan } from '../session/script/segment-plan.ts';
import { type ReadOctets, StreamView } from '../session/script/stream-view.ts';
import type { CaptureBytes } from '../transport/ports.ts';
import { expectedMss } from '../transport/transport-plan.ts';
import type { ExchangeColumns } from './exchange-columns.ts';
import { answerPacketsOf } from './packets-at-once.ts';
import { RecordedBodies } from './recorded-bodies.ts';
import { RecordedExchanges } from './recorded-exchanges.ts';
import { Check, type ReplayPlan } from './replay-plan.ts';
import { ScriptSteps } from './script-steps.ts';
import { SessionStreams } from './session-streams.ts';
import type { StageColumns } from './stage-columns.ts';

/** In shared memory; it can be posted to threads. */
export interface PreparedSessions {
  readonly stages: StageColumns;
  readonly exchanges: ExchangeColumns;
  /** Cut for the segment size that the target most likely agrees to. */
  readonly segments: SegmentColumns;
  /** The most packets in which one of the servers may say what it says at once (`packetsAtOnce`). */
  readonly answerPackets: number;
}

/** The part of the plan that says what is to be prepared. */
export type PreparePlan = Pick<
  ReplayPlan,
  | 'scripts'
  | 'protocols'
  | 'saysRecorded'
  | 'rewriting'
  | 'played'
  | 'share'
  | 'users'
  | 'iterations'
  | 'pace'
  | 'tcp'
  | 'perClient'
  | 'check'
  | 'checkIgnore'
>;

/** As `RunBlanking`, over a recorded body of a session. */
export type RunBlankingOf = (session: number, blank: () => void) => void;

/** Prepares sessions, some a step: between steps the caller may do something else. */
export function* prepareTurns(
  plan: PreparePlan,
  capture: CaptureBytes,
  runBlanking: RunBlankingOf = (_session, blank) => blank(),
): Generator<void, PreparedSessions> {
  const { scripts, tcp } = plan;
  const sessions = sessionsOf(plan);
  const blocks = new CaptureBlocks(scripts.files, (offset, into) => capture.read(offset, into));
  const read: ReadOctets = (offset, into) => blocks.read(offset, into);
  const streams = new SessionStreams(plan, read);
  const found = new RecordedExchanges(plan, streams);
  const segments = new SegmentPlan(
    new StreamView(scripts.client, read),
    scripts.sessions,
    expectedMss(tcp),
  );
  const steps = new ScriptSteps(scripts);
  let answerPackets = 0;
  for (const session of sessions) {
    found.find(session);
    segments.prepare(session);
    answerPackets = Math.max(answerPackets, answerPacketsOf(plan, steps, streams, session));
    yield;
  }
  const { stages, exchanges } = found.finish();
  const prepared = { stages, exchanges, segments: segments.toShared(), answerPackets };
  if (plan.check !== Check.BODY) return prepared;
  const bodyIgnored = plan.checkIgnore ?? [];
  let reading = 0;
  const bodies = new RecordedBodies(plan, exchanges, read, bodyIgnored, (blank) =>
    runBlanking(reading, blank),
  );
  for (const session of sessions) {
    reading = session;
    bodies.add(session);
    yield;
  }
  return { ...prepared, exchanges: { ...exchanges, bodyDigests: bodies.digests, bodyIgnored } };
}

/** As `prepareTurns`, all at once. */
export function prepareSessions(plan: PreparePlan, capture: CaptureBytes): PreparedSessions {
  const turns = prepareTurns(plan, capture);
  for (;;) {
    const step = turns.next();
    if (step.done === true) return step.value;
  }
}

/** Rows of the sessions that will be played, ascending: not all where there are fewer connections. */
function sessionsOf(plan: PreparePlan): Uint32Array {
  const { played, share, perClient } = plan;
  // A share's connections are not the run's first ones.
  if (share.of > 1) return played.slice().sort();
  if (perClient !== undefined) {
    const { firstOf } = perClient;
    return played.slice(0, firstOf[Math.min(firstOf.length - 1, plannedPlays(plan))]).sort();
  }
  return played.slice(0, Math.min(played.length, plannedPlays(plan))).sort();
}
