/** A thread that plays against a real target: frames out and replies in, in this process. */
import { assert } from '../../base/assert.ts';
import { type LocalIo, openLocal } from '../../io/open-local.ts';
import { Counter } from '../../measure/counters.ts';
import { LatencyRecorder } from '../../measure/histograms.ts';
import { IntervalRecorder, rehearseInterval } from '../../measure/intervals.ts';
import { octetsNeeded } from '../../replay/octets-needed.ts';
import { packetsAtOnce } from '../../replay/packets-at-once.ts';
import { Replay } from '../../replay/replay.ts';
import type { ReplayPlan } from '../../replay/replay-plan.ts';
import type { ProtocolModule } from '../../rewrite/module.ts';
import { CaptureBlocks } from '../../session/script/capture-blocks.ts';
import type { CaptureBytes } from '../../transport/ports.ts';
import { ChannelTotal } from '../channel/channel-job.ts';
import { enginePlan } from '../plan/engine-plan.ts';
import type { NetworkWay } from '../plan/network-way.ts';
import { announcedAddresses, describeWay, macText, nextHopText } from '../plan/network-way.ts';
import { type RunPlan, rowsOf } from '../plan/run-plan.ts';
import { localPlanOf } from './local-plan.ts';
import { networkTurns } from './network-loop.ts';
import type { ThreadJob } from './thread-job.ts';
import { failuresOf, modulePartsOf, writtenBytesOf } from './thread-modules.ts';
import type { ThreadRun } from './thread-run.ts';

/**
 * Opens the thread's sockets and prepares its users.
 * @throws ReplayError as openLocal does
 */
export function openNetworkThread(
  job: ThreadJob,
  way: NetworkWay,
  capture: CaptureBytes,
  modules: readonly ProtocolModule[],
  onWarning: (text: string) => void,
): ThreadRun {
  const { plan, prepared, shard, shards, socket, counters, control } = job;
  const sharing = { users: plan.users, shard, shards };
  const io = openLocal({
    ...localPlanOf(plan, way, shard, shards),
    answersNeighbours: shard === 0 ? way.answersNeighbours : 'nobody',
    announcedAddresses: shard === 0 ? announcedAddresses(way, plan) : 0,
    captureBytes: way.sender === 'xdp' ? inBlocks(plan, capture) : capture,
    prefixBytes: octetsNeeded(prepared.exchanges, plan.rewriting?.readsAnswers),
    packetsAtOnce: packetsAtOnce(rowsOf(plan, sharing), prepared.answerPackets),
    arenaBytes: writtenBytesOf(job),
    ...(socket === null ? {} : { socket }),
  });
  // What intercepts dropped counts once, whichever thread it was for.
  const totals = shard === 0 ? way.channel?.totals : undefined;
  try {
    const links = way.path.routes.map(({ linkHeader }) => linkHeader);
    assert(links.length === plan.targets.length, 'every target has a route');
    const latency = new LatencyRecorder();
    const engine = enginePlan(plan, shard, shards, links);
    const replay = engineOf(job, engine, io, capture, latency, modules);
    io.followNextHops((target, link) => {
      replay.setLink(target, link);
      if (shard === 0) onWarning(warnOfMove(way, plan, target, link));
    });
    // Before the start: the columns that it keeps are large.
    const intervals = new IntervalRecorder(latency, counters);
    rehearseInterval();
    return {
      latency,
      notes: describeWay(way, plan),
      moduleFailures: failuresOf(replay),
      *turns(start) {
        io.clock.restart(start);
        const endNs = yield* networkTurns({
          replay,
          receiver: io.receiver,
          intervals,
          control,
          clock: io.clock,
          wait: io.wait,
          wakeupNs: way.wakeupNs,
          pause: io.pause,
          answerNeighbours: io.answerNeighbours,
          readCounts: () => readCounts(io, counters, totals),
        });
        counters[Counter.CLOCK_NS] = endNs;
        warnOfRefusals(io, onWarning);
        return intervals.finish(endNs);
      },
      close: io.close,
    };
  } catch (fault) {
    io.close();
    throw fault;
  }
}

/** For who copies each frame: a read is a system call. */
const inBlocks = ({ scripts }: RunPlan, capture: CaptureBytes): CaptureBytes =>
  new CaptureBlocks(scripts.files, (offset, into) => capture.read(offset, into));

function engineOf(
  job: ThreadJob,
  plan: ReplayPlan,
  { sender, receiver, arena }: LocalIo,
  capture: CaptureBytes,
  latency: LatencyRecorder,
  modules: readonly ProtocolModule[],
): Replay {
  const { counters, prepared, figures } = job;
  const parts = arena === null ? null : modulePartsOf(job, modules, arena);
  return new Replay(plan, sender, receiver, capture, latency, counters, prepared, figures, parts);
}

function readCounts(io: LocalIo, counters: Float64Array, totals?: Float64Array): void {
  const { faults } = io.sender;
  counters[Counter.UNSENT_NO_BUFFERS] = faults.noBuffers;
  counters[Counter.UNSENT_NOT_PERMITTED] = faults.notPermitted;
  counters[Counter.UNSENT_TOO_LONG] = faults.tooLong;
  counters[Counter.UNSENT_INTERFACE_DOWN] = faults.interfaceDown;
  counters[Counter.UNSENT_OTHER] = faults.other;
  counters[Counter.RING_DROPPED] = io.readDropped();
  if (totals === undefined) return;
  counters[Counter.RING_DROPPED] +=
    totals[ChannelTotal.DROPPED] + totals[ChannelTotal.KERNEL_DROPPED];
}

function warnOfMove(way: NetworkWay, plan: RunPlan, target: number, link: Uint8Array): string {
  const { nextHop } = way.path.routes[target];
  const hop = nextHop === null ? plan.targets[target].address : nextHopText(nextHop);
  return `${hop} has another MAC since now, ${macText(link)}: frames go there`;
}

function warnOfRefusals({ sender }: LocalIo, onWarning: (text: string) => void): void {
  const { other, lastOther } = sender.faults;
  if (other > 0 && lastOther !== null) onWarning(`${other} frames were not sent: ${lastOther}`);
}
