/** The way of a run whose replies come from intercepts: connected, and tried once. */

import { PREFIX_BYTES_MAX } from '../../base/prefix-bytes.ts';
import type { ChannelClock } from '../../doctor/observations.ts';
import { keyOfToken } from '../../io/channel/channel-secret.ts';
import { openCaptureBytes } from '../../io/files/capture-file.ts';
import type { ExchangeColumns } from '../../replay/exchange-columns.ts';
import { octetsNeeded } from '../../replay/octets-needed.ts';
import type { PreparedSessions } from '../../replay/prepared-sessions.ts';
import { ChannelThread } from '../channel/channel-thread.ts';
import type { NetworkWay } from '../plan/network-way.ts';
import type { ChannelToken } from '../plan/options.ts';
import { prepare } from '../plan/prepare.ts';
import type { RunPlan } from '../plan/run-plan.ts';
import { inSlices } from './in-slices.ts';
import { probePath } from './probe.ts';

/** A way to the target whose replies come by intercepts. */
export interface InterceptedWay {
  readonly way: NetworkWay;
  /** `advanced`, `nfqueue`, `sink`; with intercepts of several modes joined by `+`. */
  readonly mode: string;
  /** The run's sessions, which say how much of each packet is needed. */
  readonly prepared: PreparedSessions;
  /** Aborted when no more replies will come (`ChannelThread.gone`). */
  readonly gone: AbortSignal;
  /** Nanoseconds in which an intercept stood still or was lost, so far. */
  silentNs(): number;
  /** After the threads that play have ended. @returns lines for the summary */
  close(): Promise<readonly string[]>;
}

/**
 * Connects to the way's intercepts and sends a probe over the whole path; null when it has none.
 * @throws ReplayError as ChannelThread.open and probePath do
 */
export async function openIntercepts(
  plan: RunPlan,
  network: NetworkWay | null,
  options: {
    readonly token: ChannelToken | null;
    readonly shards: number;
    readonly version: string;
    readonly interrupted: AbortSignal;
    /** Of the probe, in place of the usual time. */
    readonly patienceMs?: number;
    /** Told before the probe. */
    onClocks?(clocks: readonly ChannelClock[]): void;
    onWarning(text: string): void;
  },
): Promise<InterceptedWay | null> {
  if (network === null || network.intercepts.length === 0) return null;
  const { token, shards, version, onWarning } = options;
  const key = token === null ? null : keyOfToken(token.text, token.where);
  const { intercepts } = network;
  const captureBytes = openCaptureBytes(plan.scripts.files);
  let channel: ChannelThread | null = null;
  try {
    const prepared = await inSlices(prepare(plan, captureBytes));
    const asked = askedFor(prepared.exchanges, plan.rewriting?.readsAnswers);
    const opened = { intercepts, key, version, shards, onWarning, ...asked };
    channel = await ChannelThread.open(plan, opened);
    options.onClocks?.(channel.clocks);
    const { inboxes, totals, mode } = channel;
    const way: NetworkWay = { ...network, channel: { inboxes, totals } };
    await probePath(plan, way, { ...options, mode, captureBytes });
    return interceptedBy(channel, way, prepared);
  } catch (error) {
    await channel?.close();
    throw error;
  } finally {
    captureBytes.close();
  }
}

/** How much of each packet an intercept is asked for, and for which protocols. */
function askedFor(exchanges: ExchangeColumns, isReadByModules = false) {
  const prefixBytes = Math.min(octetsNeeded(exchanges, isReadByModules), PREFIX_BYTES_MAX);
  return { prefixBytes, followed: [...new Set(exchanges.protocols)].join(', ') };
}

const interceptedBy = (
  channel: ChannelThread,
  way: NetworkWay,
  prepared: PreparedSessions,
): InterceptedWay => ({
  way,
  mode: channel.mode,
  prepared,
  gone: channel.gone,
  silentNs: () => channel.silentNs,
  close: () => channel.close(),
});
