/** How long answers took by somebody else's account: stamps of the kernel at the server, read by tshark. */
import { packetFields } from './capture.ts';

/** From each HTTP request to the end of its answer, in ascending milliseconds. */
export async function answerTimesMs(path: string): Promise<number[]> {
  const rows = await packetFields(path, ['http.time'], 'http.response');
  // Of answers that lie in one packet there are several in one cell.
  const cells = rows.flatMap(([cell = '']) => cell.split(','));
  return cells.map((seconds) => Number(seconds) * 1_000).sort((a, b) => a - b);
}

/**
 * The same of any protocol whose clients wait for each answer: from the packet that brought a request to the last one
 * before the next request.
 * @param port the server's
 */
export async function turnTimesMs(path: string, port: number): Promise<number[]> {
  return (await turnsOf(path, port)).turnsMs;
}

/** Who waited for whom in a capture, all times in ascending milliseconds. */
export interface TurnTimes {
  /** As `turnTimesMs` has them. */
  readonly turnsMs: number[];
  /** From the last packet of each of those answers to the next request: what clients think. */
  readonly pausesMs: number[];
  readonly connections: number;
}

/**
 * @param port the server's
 * @param filter which packets are parts of requests and answers, in tshark's language
 */
export async function turnsOf(
  path: string,
  port: number,
  filter = 'tcp.len > 0',
): Promise<TurnTimes> {
  const fields = ['tcp.stream', 'tcp.dstport', 'frame.time_epoch'];
  const rows = await packetFields(path, fields, `(${filter}) && !tcp.analysis.retransmission`);
  const turns = new Map<string, { readonly askedMs: number; answeredMs: number }>();
  const turnsMs: number[] = [];
  const pausesMs: number[] = [];
  const streams = new Set(rows.map(([stream]) => stream));
  const settle = (stream: string): void => {
    const turn = turns.get(stream);
    if (turn !== undefined && turn.answeredMs > 0) turnsMs.push(turn.answeredMs - turn.askedMs);
    turns.delete(stream);
  };
  for (const [stream = '', toPort, seconds] of rows) {
    const atMs = Number(seconds) * 1_000;
    const turn = turns.get(stream);
    if (toPort === `${port}`) {
      if (turn !== undefined && turn.answeredMs > 0) pausesMs.push(atMs - turn.answeredMs);
      settle(stream);
      turns.set(stream, { askedMs: atMs, answeredMs: 0 });
    } else if (turn !== undefined) turn.answeredMs = atMs;
  }
  for (const stream of [...turns.keys()]) settle(stream);
  const ascending = (a: number, b: number): number => a - b;
  return {
    turnsMs: turnsMs.sort(ascending),
    pausesMs: pausesMs.sort(ascending),
    connections: streams.size,
  };
}

/** The value that so many percent do not exceed. @param sorted ascending */
export const percentileOf = (sorted: readonly number[], percent: number): number =>
  sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? Number.NaN;

/** Packets with payload, of IPv4: what `evenAnswerTimesMs` needs. */
export const PAYLOAD_FILTER =
  'tcp port 80 and (ip[2:2] - ((ip[0] & 0xf) << 2) - ((tcp[12] & 0xf0) >> 2)) != 0';

/**
 * The same of a capture that holds heads of packets only, where all requests are of one length and all
 * answers of another: then octets tell which answer is whose.
 */
export async function evenAnswerTimesMs(
  path: string,
  { requestBytes, answerBytes }: { readonly requestBytes: number; readonly answerBytes: number },
): Promise<number[]> {
  const fields = ['tcp.stream', 'tcp.dstport', 'frame.time_epoch', 'tcp.len'];
  const rows = await packetFields(path, fields, '!tcp.analysis.retransmission');
  const found: number[] = [];
  const open = new Map<string, { said: number; heard: number; askedMs: number[] }>();
  for (const [stream = '', port, seconds, bytes] of rows) {
    const each = open.get(stream) ?? { said: 0, heard: 0, askedMs: [] };
    open.set(stream, each);
    const atMs = Number(seconds) * 1_000;
    if (port === '80') {
      const before = Math.floor(each.said / requestBytes);
      each.said += Number(bytes);
      for (let i = before; i < Math.floor(each.said / requestBytes); i++) each.askedMs.push(atMs);
      continue;
    }
    each.heard += Number(bytes);
    for (; each.heard >= answerBytes; each.heard -= answerBytes) {
      found.push(atMs - (each.askedMs.shift() ?? Number.NaN));
    }
  }
  return found.sort((a, b) => a - b);
}
