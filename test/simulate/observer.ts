/**
 * The oracles: what may be seen on the wire, judged by what crossed it alone. It knows neither the engine's
 * state nor the servers', only the frames that left the client and the packets that were handed to it.
 */
import { OctetSet } from './intervals.ts';
import { keyOf } from './model-server.ts';
import type { Session, SessionMessage } from './scenario.ts';
import { ACK, FIN, lengthOf, RST, readSegment, type SegmentRead, SYN } from './segment.ts';

const BACKOFF_LEAST = 1.9;
const TIMEOUT_NS_MAX = 59e9;
/** After so much quiet at least an answer may count as over. */
const QUIET_NS_LEAST = 10e6;

/** What the observer is told of the run. */
export interface ObserverOptions {
  /** Octets that a client may have outstanding towards it. */
  readonly windowBytes: number;
  /** Whether timers can be late: the generator stands still now and then. */
  readonly isPunctual: boolean;
  /** Whether clients think between messages as recorded, and servers say what was recorded. */
  readonly checksTimes: (key: string) => boolean;
  readonly sessionOf: (
    key: string,
  ) => { session: Session; expected: Uint8Array; startNs: number } | null;
  /** Whether the connection was over when the turn began. */
  readonly wasOver: (key: string) => boolean;
  readonly report: (what: string) => void;
}

/** One connection, as seen from the wire at the client's end. */
class Watched {
  readonly session: Session;
  readonly expected: Uint8Array;
  readonly received = new OctetSet();
  readonly iss: number;
  irs = -1;
  /** Offsets in the client's stream: -1 is its SYN. */
  sentMax = 0;
  ackedMax = -1;
  edge = 0;
  peerShift = 0;
  finAt = -1;
  peerFinAt = -1;
  lastAck = 0;
  tsSent = 0;
  hasTimestamps = false;
  /** The peer's, as RFC 7323, section 4.3, keeps it. */
  tsRecent = 0;
  /** Timestamps that may be echoed. */
  readonly tsSeen = new Set<number>();
  isReset = false;
  /** When the server's octets up to there had come, by what the client's messages await. */
  readonly arrivals: { readonly prefix: number; readonly atNs: number }[] = [];
  connectedNs = 0;
  /** When the first octet that is not acknowledged left, since anything came in. */
  repeats: number[] = [];
  framesInTurn = 0;

  constructor(iss: number, found: { session: Session; expected: Uint8Array }) {
    this.iss = iss;
    this.session = found.session;
    this.expected = found.expected;
  }
}

export class Observer {
  /** Frames that left, by what they bore; and packets that came. */
  frames = 0;
  repeated = 0;
  readonly #options: ObserverOptions;
  readonly #watched = new Map<string, Watched>();

  constructor(options: ObserverOptions) {
    this.#options = options;
  }

  beginTurn(): void {
    for (const each of this.#watched.values()) each.framesInTurn = 0;
  }

  /** A frame leaves the client. */
  onSent(packet: Uint8Array, nowNs: number): void {
    this.frames++;
    const segment = readSegment(packet);
    if (typeof segment === 'string') {
      this.#options.report(`a frame with a wrong header: ${segment}`);
      return;
    }
    const key = keyOf(segment.src, segment.srcPort);
    const fault = this.#judge(key, segment, nowNs);
    if (fault !== '') this.#options.report(`${key} at ${nowNs / 1e6} ms: ${fault}`);
  }

  /** A packet, or its first octets, is handed to the client. */
  onDelivered(octets: Uint8Array, arrivedNs: number): void {
    const segment = readSegment(octets, false);
    if (typeof segment === 'string') return;
    const watched = this.#watched.get(keyOf(segment.dst, segment.dstPort));
    if (watched === undefined) return;
    watched.repeats = [];
    const ack = (segment.ack - watched.iss - 1) | 0;
    if (segment.flags & SYN) {
      if (!(segment.flags & ACK) || ack !== 0 || watched.irs >= 0 || segment.flags & RST) return;
      watched.irs = segment.seq;
      if (segment.timestamps !== undefined) {
        watched.tsSeen.add(segment.timestamps.value);
        watched.tsRecent = segment.timestamps.value;
      }
      watched.connectedNs = arrivedNs;
      watched.ackedMax = 0;
      watched.edge = segment.window;
      watched.hasTimestamps = segment.timestamps !== undefined;
      watched.peerShift = segment.windowScale ?? 0;
      return;
    }
    if (watched.irs < 0 || segment.flags & RST || !(segment.flags & ACK)) return;
    this.#take(watched, segment, ack, arrivedNs);
  }

  #take(watched: Watched, segment: SegmentRead, ack: number, arrivedNs: number): void {
    const from = (segment.seq - watched.irs - 1) | 0;
    // RFC 7323, section 4.3: what begins behind the last acknowledgement is not to be echoed.
    const { timestamps } = segment;
    if (timestamps !== undefined && from <= watched.lastAck) watched.tsSeen.add(timestamps.value);
    const before = watched.received.prefix;
    const bytes = lengthOf(segment);
    const isAcceptable = bytes === 0 ? from >= before : from + bytes > before || from === before;
    if (!isAcceptable || from >= before + this.#options.windowBytes + 1) return;
    // RFC 7323, section 5.3: an old duplicate says nothing any more, neither text nor window.
    if (timestamps !== undefined && ((timestamps.value - watched.tsRecent) | 0) < 0) return;
    if (ack > watched.sentMax + 1) return;
    if (timestamps !== undefined && from <= watched.lastAck) watched.tsRecent = timestamps.value;
    if (ack > watched.ackedMax) {
      watched.ackedMax = ack;
      watched.edge = 0;
    }
    if (ack === watched.ackedMax) {
      watched.edge = Math.max(watched.edge, ack + segment.window * 2 ** watched.peerShift);
    }
    const end = from + segment.payloadBytes;
    watched.received.add(Math.max(0, from), end);
    if (segment.flags & FIN) watched.peerFinAt = end;
    const { prefix } = watched.received;
    if (prefix > before) watched.arrivals.push({ prefix, atNs: arrivedNs });
  }

  #judge(key: string, segment: SegmentRead, nowNs: number): string {
    const { flags } = segment;
    const watched = this.#watched.get(key);
    if (flags & RST) {
      if (segment.payloadBytes > 0) return 'a reset with payload';
      if (watched !== undefined && this.#options.wasOver(key) === false) watched.isReset = true;
      return '';
    }
    if (flags & SYN) return this.#judgeSyn(key, segment, watched, nowNs);
    if (watched === undefined) return 'a segment without a SYN before it';
    if (watched.irs < 0) return 'a segment before the SYN was answered';
    if (!(flags & ACK)) return 'a segment without ACK';
    return (
      this.#judgeAck(watched, segment) ||
      this.#judgeText(key, watched, segment, nowNs) ||
      this.#judgeBackOff(watched, (segment.seq - watched.iss - 1) | 0, lengthOf(segment), nowNs)
    );
  }

  #judgeSyn(
    key: string,
    segment: SegmentRead,
    watched: Watched | undefined,
    nowNs: number,
  ): string {
    const { payloadBytes, flags, seq } = segment;
    if (payloadBytes > 0 || flags !== SYN)
      return `a SYN with flags ${flags}, ${payloadBytes} octets`;
    if (watched === undefined) {
      const found = this.#options.sessionOf(key);
      if (found === null) return 'a SYN of no client of the run';
      this.#watched.set(key, new Watched(seq, found));
      if (nowNs < found.startNs) return `started before its time, ${found.startNs / 1e6} ms`;
      return this.#judgeBackOff(this.#watched.get(key) ?? null, -1, 1, nowNs);
    }
    if (this.#options.wasOver(key)) return 'a SYN for a user that is over';
    if (watched.iss !== seq) return 'a second SYN with another number';
    if (watched.irs >= 0) return 'a SYN after the connection was open';
    return this.#judgeBackOff(watched, -1, 1, nowNs);
  }

  #judgeAck(watched: Watched, segment: SegmentRead): string {
    const ack = (segment.ack - watched.irs - 1) | 0;
    const { prefix } = watched.received;
    const most = watched.peerFinAt === prefix ? prefix + 1 : prefix;
    if (ack > most) return `acknowledges ${ack}, but only ${most} have come without a hole`;
    if (ack < watched.lastAck) return `acknowledges ${ack} after ${watched.lastAck}`;
    watched.lastAck = ack;
    for (const [low, high] of segment.sack ?? []) {
      const from = (low - watched.irs - 1) | 0;
      const to = (high - watched.irs - 1) | 0;
      if (from >= to) return `reports ${from}..${to}`;
      const isFin = to - 1 === watched.peerFinAt;
      if (!watched.received.has(from, isFin ? to - 1 : to))
        return `reports ${from}..${to}, which has not come`;
    }
    const { timestamps } = segment;
    if ((timestamps !== undefined) !== watched.hasTimestamps) return 'timestamps as not agreed';
    if (timestamps === undefined) return '';
    if (watched.tsSent !== 0 && ((timestamps.value - watched.tsSent) | 0) < 0)
      return 'its timestamp runs back';
    watched.tsSent = timestamps.value;
    return watched.tsSeen.has(timestamps.echo)
      ? ''
      : `echoes ${timestamps.echo}, which is none of the last acknowledged`;
  }

  #judgeText(key: string, watched: Watched, segment: SegmentRead, nowNs: number): string {
    const from = (segment.seq - watched.iss - 1) | 0;
    const { payload, flags } = segment;
    const isFin = (flags & FIN) !== 0;
    const end = from + payload.length;
    const { sentMax, expected } = watched;
    if (payload.length === 0 && !isFin) {
      const next = watched.finAt >= 0 ? watched.finAt + 1 : sentMax;
      return from === next ? '' : `an acknowledgement at ${from} instead of ${next}`;
    }
    if (this.#options.wasOver(key)) return `${payload.length} octets for a user that is over`;
    if (watched.isReset) return `${payload.length} octets after a reset`;
    if (from < 0 || end > expected.length) return `octets ${from}..${end} of ${expected.length}`;
    if (from > sentMax) return `octets from ${from}, but ${sentMax} is next`;
    for (let at = 0; at < payload.length; at++) {
      if (payload[at] !== expected[from + at]) return `octet ${from + at} is not the recorded one`;
    }
    if (watched.finAt >= 0 && (isFin ? end !== watched.finAt : end > watched.finAt)) {
      return `octets to ${end}, but its end was at ${watched.finAt}`;
    }
    const frames = ++watched.framesInTurn;
    if (frames > expected.length / 100 + 16) return `${frames} segments with text in one turn`;
    if (end <= sentMax && (!isFin || watched.finAt >= 0)) {
      this.repeated++;
      return '';
    }
    if (isFin) watched.finAt = end;
    watched.sentMax = Math.max(sentMax, end);
    const isProbe = from === sentMax && payload.length === 1;
    if (payload.length > 0 && end > watched.edge && !isProbe) {
      return `octets to ${end}, the window ends at ${watched.edge}`;
    }
    return this.#options.checksTimes(key) ? timeFault(watched, sentMax, end, nowNs) : '';
  }

  /** RFC 6298, section 5.5: while nothing comes in, each repetition waits twice as long. */
  #judgeBackOff(watched: Watched | null, from: number, bytes: number, nowNs: number): string {
    if (watched === null || bytes === 0 || from !== watched.ackedMax || !this.#options.isPunctual) {
      return '';
    }
    const { repeats } = watched;
    repeats.push(nowNs);
    if (repeats.length < 4) return '';
    const [a = 0, b = 0, c = 0] = repeats.slice(-3);
    const isBackedOff = c - b >= BACKOFF_LEAST * (b - a) || c - b >= TIMEOUT_NS_MAX;
    return isBackedOff
      ? ''
      : `repeated after ${(c - b) / 1e6} ms, before after ${(b - a) / 1e6} ms`;
  }
}

/** A message leaves when what it awaits has come, and the client has thought. */
function timeFault(watched: Watched, from: number, end: number, nowNs: number): string {
  let [start, awaited] = [0, 0];
  for (const message of watched.session.messages) {
    if (message.from !== 'client') continue;
    const begins = start;
    start += message.bytes;
    const waits = message.awaits > awaited || begins === 0;
    awaited = Math.max(awaited, message.awaits);
    if (begins < from || begins >= end || !waits) continue;
    if (nowNs >= earliestNs(watched, message) - 1) continue;
    const lateMs = (earliestNs(watched, message) - nowNs) / 1e6;
    return `octet ${begins} left ${lateMs} ms before its time`;
  }
  return '';
}

/**
 * When what a message awaits had come, and the client had thought. An answer that stayed away for long
 * enough in the middle may be taken for a short one.
 */
function earliestNs(
  { arrivals, connectedNs }: Watched,
  { awaits, thinkNs }: SessionMessage,
): number {
  if (awaits === 0) return connectedNs + thinkNs;
  for (const [i, { prefix, atNs }] of arrivals.entries()) {
    if (prefix >= awaits) return atNs + thinkNs;
    const nextNs = arrivals[i + 1]?.atNs ?? Number.POSITIVE_INFINITY;
    if (nextNs - atNs >= QUIET_NS_LEAST) return atNs + QUIET_NS_LEAST + thinkNs;
  }
  return Number.POSITIVE_INFINITY;
}
