/** The way of a run whose replies come from intercepts: connected, and tried once. */

import { keyOfToken } from '../../io/channel/channel-secret.ts';
import { openCaptureBytes } from '../../io/files/capture-file.ts';
import { ChannelThread } from '../channel/channel-thread.ts';
import type { NetworkWay } from '../plan/network-way.ts';
import type { ChannelToken } from '../plan/options.ts';
import type { RunPlan } from '../plan/run-plan.ts';
import { probePath } from './probe.ts';

/** A way to the target whose replies come by intercepts. */
export interface InterceptedWay {
  readonly way: NetworkWay;
  /** `advanced`, `nfqueue`, `sink`; with intercepts of several modes joined by `+`. */
  readonly mode: string;
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
    onWarning(text: string): void;
  },
): Promise<InterceptedWay | null> {
  if (network === null || network.intercepts.length === 0) return null;
  const { token, shards, version, onWarning } = options;
  const key = token === null ? null : keyOfToken(token.text, token.where);
  const { intercepts } = network;
  const channel = await ChannelThread.open(plan, { intercepts, key, version, shards, onWarning });
  try {
    const { inboxes, totals, mode } = channel;
    const way: NetworkWay = { ...network, channel: { inboxes, totals } };
    const captureBytes = openCaptureBytes(plan.scripts.files);
    try {
      await probePath(plan, way, { ...options, mode, captureBytes });
    } finally {
      captureBytes.close();
    }
    return {
      way,
      mode,
      gone: channel.gone,
      silentNs: () => channel.silentNs,
      close: () => channel.close(),
    };
  } catch (error) {
    await channel.close();
    throw error;
  }
}
