/** The way of a run whose replies come to this machine: its clients claimed, and tried once. */
import { undoAfter } from '../../base/errors.ts';
import { formatCount } from '../../base/units.ts';
import { openCaptureBytes } from '../../io/files/capture-file.ts';
import { openReplyDrop, type ReplyDrop } from '../../io/rules/reply-drop.ts';
import { claimClients } from '../../io/way/client-claims.ts';
import type { NetworkWay } from '../plan/network-way.ts';
import { warnOfNeighbours } from '../plan/network-way.ts';
import type { RunPlan } from '../plan/run-plan.ts';
import { type ProbeAnswer, probePath } from './probe.ts';
import { ruleText, silenceHint } from './probe-faults.ts';
import { SilenceWatch } from './silence-watch.ts';

/** A way to the target whose replies come to this machine. */
export interface LocalWay {
  /** Lines for the summary. */
  readonly notes: readonly string[];
  /** Says once when users begin to wait for the target in vain; a few times a second. */
  watch(counters: Float64Array): void;
  /**
   * Gives the clients free for other replays, and takes the rule for own addresses away; harmless when called again.
   * @throws ReplayError ERR_IO_LEFT_BEHIND (internal), with the command that removes it
   */
  close(): void;
}

/**
 * Keeps other replays of this machine from the run's clients, and sends a probe over the whole way;
 * null where there is none, or intercepts take the replies.
 * @throws ReplayError as claimClients and probePath do
 */
export async function openLocalWay(
  plan: RunPlan,
  way: NetworkWay | null,
  options: {
    readonly interrupted: AbortSignal;
    /** Of the probe, in place of the usual time. */
    readonly patienceMs?: number;
    onWarning(text: string): void;
  },
): Promise<LocalWay | null> {
  if (way === null || way.intercepts.length > 0) return null;
  const { clients, ports, targets } = plan;
  const { onWarning } = options;
  const claim = await claimClients({ pid: process.pid, ranges: clients.ranges, ports, targets });
  let drop: ReplyDrop | null = null;
  const close = (): void => {
    claim.close();
    drop?.close();
  };
  try {
    drop = keepFromKernel(way, onWarning);
    const { questions } = await probe(plan, way, options);
    const isAsked = questions > 0 && way.answersNeighbours === 'next-hops';
    if (isAsked) for (const warning of warnOfNeighbours(plan)) onWarning(warning);
    const asks = plan.clients.family === 4 ? 'ARP' : 'NDP';
    const note = `the next hop asks its link for clients (${asks}): answered on ${way.path.device.name}`;
    const silence = new SilenceWatch();
    return {
      notes: [
        ...(isAsked ? [note] : []),
        ...(drop === null ? [] : [`the rule was made by ${drop.tool}`]),
      ],
      watch: (counters) => {
        const connecting = silence.onCounters(counters);
        if (connecting > 0) onWarning(warnOfSilence(connecting, plan, way));
      },
      close,
    };
  } catch (fault) {
    throw undoAfter(fault, close);
  }
}

/** Own addresses: their replies must not reach the kernel, which would reset the connections. */
function keepFromKernel({ own }: NetworkWay, onWarning: (text: string) => void): ReplyDrop | null {
  if (own === null) return null;
  if (own.makesRule) return openReplyDrop(own.drop);
  onWarning(`--no-firewall-rules: what has to be in force is ${ruleText(own.drop)}`);
  return null;
}

async function probe(
  plan: RunPlan,
  way: NetworkWay,
  options: { readonly interrupted: AbortSignal; readonly patienceMs?: number },
): Promise<ProbeAnswer> {
  const captureBytes = openCaptureBytes(plan.scripts.files);
  try {
    return await probePath(plan, way, { ...options, mode: null, captureBytes });
  } finally {
    captureBytes.close();
  }
}

const warnOfSilence = (connecting: number, plan: RunPlan, way: NetworkWay): string =>
  `no SYN-ACK has come for 3 s, though ${formatCount(connecting)} users are connecting; ` +
  silenceHint(plan, way);
