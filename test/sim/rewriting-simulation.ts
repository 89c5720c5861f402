/** As `simulate`, with modules that change what clients say; the wire is IPv4. */
import { NS_PER_SECOND } from '../../src/base/time.ts';
import { LatencyRecorder } from '../../src/measure/histograms.ts';
import { Replay } from '../../src/replay/replay.ts';
import type { RewritingPlan } from '../../src/replay/replay-plan.ts';
import { planRewrites } from '../../src/replay/rewrite-columns.ts';
import type { ProtocolModule } from '../../src/rewrite/module.ts';
import { playThrough } from '../../src/run/threads/thread-run.ts';
import { ledgerFaults } from '../helpers/ledger.ts';
import { record } from '../helpers/recorded.ts';
import { FaultyLink } from './faulty-link.ts';
import { SentCopies, ServerTap } from './rewritten-wire.ts';
import { makeEnds, run, type SimulationOptions } from './simulation.ts';

export interface RewritingOptions extends SimulationOptions {
  readonly modules: readonly ProtocolModule[];
  readonly rewriting?: Partial<RewritingPlan>;
  readonly arenaBytes?: number;
}

/** Plays everything; throws where the sums do not come out even. */
export function simulateRewriting(options: RewritingOptions) {
  const { seed, users, modules, toServer = {}, toClient = {} } = options;
  const { limitNs = 24 * 3600 * NS_PER_SECOND } = options;
  const arena = new Uint8Array(options.arenaBytes ?? 1 << 20);
  const copies = new SentCopies();
  const sent = copies.behind(record(options.sessions, options.layout).capture);
  const ends = makeEnds({ ...options, target: { ...options.target, capture: sent } });
  const { plan, target, recorded, counters } = ends;
  const tap = new ServerTap(target, sent);
  const link = new FaultyLink(tap, seed, toServer, toClient);
  const read = (offset: number, into: Uint8Array): void => recorded.capture.read(offset, into);
  const { columns, facts } = playThrough(planRewrites(plan.scripts, plan.played, modules, read));
  const rewriting: RewritingPlan = {
    columns,
    readsAnswers: facts.stages + facts.dialogues > 0,
    bindTimeoutNs: 5 * NS_PER_SECOND,
    answerBytesMax: 1 << 16,
    ...options.rewriting,
  };
  const latency = new LatencyRecorder();
  const replay = new Replay(
    { ...plan, rewriting },
    copies.before(link, arena),
    link,
    recorded.capture,
    latency,
    counters,
    undefined,
    undefined,
    { modules, arena, nowMs: () => 1_700_000_000_000 },
  );
  if (replay.rewriting !== null) target.followTexts(replay.rewriting.stream);
  ends.presentOf = (user) => replay.connections.numberOf(user);
  const endNs = run(replay, target, link, limitNs, seed);
  const faults = ledgerFaults(counters, users * plan.iterations);
  if (faults.length > 0) throw new Error(`seed ${seed}: ${faults.join('; ')}`);
  const { pool } = plan;
  return {
    counters,
    endNs,
    target,
    replay,
    link,
    latency,
    facts,
    recorded,
    /** Octets that came again and were others than before. */
    changed: tap.changed,
    /** What the server has got of a connection, by its number. */
    streamOf: (connection: number): Uint8Array =>
      tap.streamOf(pool.lowBitsOf(connection) >>> 0, pool.portOf(connection)),
  };
}
