/**
 * Cutting recorded idle gaps: the client's think times and the gaps between the arrivals of
 * clients, never the server's latencies.
 */
import type { Scripts, StreamColumns } from './scripts.ts';

/**
 * The same scripts with no client think time above `maxGapNs` (recorded time). What is cut out of a
 * session moves everything after it forward.
 */
export function capGaps(scripts: Scripts, maxGapNs: number): Scripts {
  const { client } = scripts;
  const messageThinkNs = client.messageThinkNs.slice();
  const messageOffsetNs = client.messageOffsetNs.slice();
  const endThinkNs = client.endThinkNs.slice();
  const endOffsetNs = client.endOffsetNs.slice();
  const durationNs = scripts.durationNs.slice();
  for (let session = 0; session < scripts.sessions; session++) {
    let cutNs = 0;
    const last = client.firstMessage[session + 1];
    for (let row = client.firstMessage[session]; row < last; row++) {
      cutNs += Math.max(0, messageThinkNs[row] - maxGapNs);
      messageThinkNs[row] = Math.min(messageThinkNs[row], maxGapNs);
      messageOffsetNs[row] -= cutNs;
    }
    cutNs += Math.max(0, endThinkNs[session] - maxGapNs);
    endThinkNs[session] = Math.min(endThinkNs[session], maxGapNs);
    endOffsetNs[session] -= cutNs;
    durationNs[session] = Math.max(0, durationNs[session] - cutNs);
  }
  const capped: StreamColumns = {
    ...client,
    messageThinkNs,
    messageOffsetNs,
    endThinkNs,
    endOffsetNs,
  };
  return { ...scripts, durationNs, client: capped };
}

/**
 * The same arrivals with none later than `maxGapNs` after the one before it: what is cut out moves
 * everything after it forward.
 * @param startsNs in order
 */
export function capArrivals(startsNs: Float64Array, maxGapNs: number): Float64Array {
  const capped = startsNs.slice();
  for (let i = 1; i < capped.length; i++) {
    capped[i] = capped[i - 1] + Math.min(startsNs[i] - startsNs[i - 1], maxGapNs);
  }
  return capped;
}
