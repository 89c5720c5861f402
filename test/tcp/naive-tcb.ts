/**
 * A transmission control block as RFC 9293 describes it, an object a connection, written apart from
 * `src`: what a segment does to the variables of section 3.3.1, in the order of section 3.10.7. When
 * something leaves is not decided here; what has left is told to `onSent`.
 *
 * Where `src` does otherwise on purpose the twin does so too, and says why.
 */

const FIN = 0x01;
const SYN = 0x02;
const RST = 0x04;
const ACK = 0x10;

const CHALLENGE_EVERY_MS = 500;

const MODULUS = 2 ** 32;
const mod = (value: number): number => ((value % MODULUS) + MODULUS) % MODULUS;
/** A sequence number, as a word with a sign. */
const seqOf = (value: number): number => mod(value) | 0;
/** How far `a` lies after `b`, from -2^31 on. */
const after = (a: number, b: number): number => {
  const distance = mod(a - b);
  return distance >= MODULUS / 2 ? distance - MODULUS : distance;
};

/** A segment from the peer; sequence numbers are absolute. */
export interface NaiveSegment {
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  /** As in the header, not scaled. */
  readonly window: number;
  readonly payloadBytes: number;
  readonly timestamp: number;
}

/** A segment that has left. */
export interface NaiveSent {
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  readonly payloadBytes: number;
}

/** What the handshake agrees on. */
export interface NaiveOptions {
  readonly windowShift: number;
  readonly hasTimestamps: boolean;
}

type NaiveState =
  | 'CLOSED'
  | 'SYN_SENT'
  | 'ESTABLISHED'
  | 'CLOSE_WAIT'
  | 'FIN_WAIT_1'
  | 'FIN_WAIT_2'
  | 'CLOSING'
  | 'LAST_ACK'
  | 'TIME_WAIT';

/** One connection, from its SYN on. */
export class NaiveTcb {
  state: NaiveState = 'SYN_SENT';
  una: number;
  nxt: number;
  wnd = 0;
  wl1 = 0;
  wl2 = 0;
  rcvNxt = 0;
  tsRecent = 0;
  lastAckSent = 0;
  /** Whether the segment that came last has to be answered at once. */
  mustAnswer = false;

  readonly #rcvWnd: number;
  readonly #options: NaiveOptions;
  /** Sequence number of our FIN, when it has left. */
  #fin: number | null = null;
  /** Octets that have come in behind RCV.NXT, one by one, and the number of the peer's FIN. */
  readonly #early = new Set<number>();
  #peerFin: number | null = null;
  #nowMs = 0;
  /** When a segment without text was last challenged. */
  #challengedMs = Number.NEGATIVE_INFINITY;

  constructor(iss: number, rcvWnd: number, options: NaiveOptions) {
    this.una = iss;
    this.nxt = seqOf(iss + 1);
    this.#rcvWnd = rcvWnd;
    this.#options = options;
  }

  onSent({ seq, ack, flags, payloadBytes }: NaiveSent): void {
    if (flags & RST) return;
    if (flags & FIN) {
      this.#fin = seqOf(seq + payloadBytes);
      if (this.state === 'ESTABLISHED') this.state = 'FIN_WAIT_1';
      if (this.state === 'CLOSE_WAIT') this.state = 'LAST_ACK';
    }
    const end = seqOf(seq + payloadBytes + (flags & (FIN | SYN) ? 1 : 0));
    if (after(end, this.nxt) > 0) this.nxt = end;
    if (flags & ACK) this.lastAckSent = ack;
  }

  onSegment(segment: NaiveSegment, nowMs: number): void {
    this.mustAnswer = false;
    this.#nowMs = nowMs;
    if (this.state === 'CLOSED') return;
    if (this.state === 'SYN_SENT') this.#onSynSent(segment);
    else this.#onSynchronised(segment);
  }

  /** Section 3.10.7.3. */
  #onSynSent({ seq, ack, flags, window, timestamp }: NaiveSegment): void {
    // First: ISS < SEG.ACK =< SND.NXT; what is not is answered with a reset, unless it is one.
    const isAcceptable = after(ack, this.una) > 0 && after(ack, this.nxt) <= 0;
    if (flags & ACK && !isAcceptable) {
      this.mustAnswer = (flags & RST) === 0;
      return;
    }
    // Second: RST. Third: SYN; one without ACK would open both ways, which no replayed server does.
    if (flags & RST) {
      if (flags & ACK) this.state = 'CLOSED';
      return;
    }
    if (!(flags & SYN && flags & ACK)) return;
    this.rcvNxt = seqOf(seq + 1);
    this.una = ack;
    this.wnd = window;
    this.wl1 = seq;
    this.wl2 = ack;
    if (this.#options.hasTimestamps) this.tsRecent = timestamp;
    this.state = 'ESTABLISHED';
    this.mustAnswer = true;
  }

  /** Section 3.10.7.4. */
  #onSynchronised(segment: NaiveSegment): void {
    const { seq, ack, flags, payloadBytes, timestamp } = segment;
    const { hasTimestamps } = this.#options;
    // First: timestamp (RFC 7323, section 5.3, R1) and sequence number.
    const isOld = hasTimestamps && !(flags & RST) && after(timestamp, this.tsRecent) < 0;
    const bearsText = payloadBytes > 0 || (flags & FIN) !== 0;
    if (isOld || !this.#isInWindow(segment)) {
      if (!(flags & RST)) this.#challenge(bearsText && !(flags & SYN));
      return;
    }
    // Second: RST, as section 3.10.7.4 and RFC 5961 have it.
    if (flags & RST) {
      if (seq === this.rcvNxt) this.state = 'CLOSED';
      else this.#challenge(false);
      return;
    }
    // Fourth: SYN is challenged (RFC 5961, section 4). Fifth: ACK.
    if (flags & SYN) {
      this.#challenge(false);
      return;
    }
    if (!(flags & ACK)) return;
    if (after(ack, this.nxt) > 0) {
      this.#challenge(bearsText);
      return;
    }
    if (after(ack, this.una) >= 0) this.#onAck(segment);
    // RFC 7323, section 4.3, but only of what is taken; and Last.ACK.sent is known to `src` while no
    // acknowledgement is owed, so that a repetition that comes meanwhile changes nothing.
    const isOwed = this.lastAckSent !== this.rcvNxt;
    if (hasTimestamps && !isOwed && after(seq, this.lastAckSent) <= 0) this.tsRecent = timestamp;
    // Seventh and eighth: text and FIN.
    if (bearsText) this.#onText(segment);
  }

  /** RFC 5961, section 7: those without text so often and no more, as Linux' tcp_invalid_ratelimit. */
  #challenge(bearsText: boolean): void {
    this.mustAnswer = bearsText || this.#nowMs - this.#challengedMs >= CHALLENGE_EVERY_MS;
    if (this.mustAnswer && !bearsText) this.#challengedMs = this.#nowMs;
  }

  /** Section 3.4: four cases, of which those with a window of 0 cannot be. */
  #isInWindow({ seq, flags, payloadBytes }: NaiveSegment): boolean {
    const length = payloadBytes + (flags & FIN ? 1 : 0) + (flags & SYN ? 1 : 0);
    const isIn = (number: number): boolean =>
      after(number, this.rcvNxt) >= 0 && after(number, this.rcvNxt) < this.#rcvWnd;
    return isIn(seq) || (length > 0 && isIn(seqOf(seq + length - 1)));
  }

  #onAck({ seq, ack, window }: NaiveSegment): void {
    const isNew = after(ack, this.una) > 0;
    this.una = ack;
    const wnd = window * 2 ** this.#options.windowShift;
    const age = after(seq, this.wl1);
    // As the RFC has it, and as Linux: with both numbers the same nobody can say which of two windows is
    // newer, and the larger counts; what acknowledges something new is newer whatever its number is.
    const isSame = age === 0 && ack === this.wl2;
    if (isNew || age > 0 || (isSame && wnd > this.wnd)) {
      this.wnd = wnd;
      this.wl1 = seq;
      this.wl2 = ack;
    }
    if (this.#fin === null || after(ack, this.#fin) <= 0) return;
    if (this.state === 'FIN_WAIT_1') this.state = 'FIN_WAIT_2';
    if (this.state === 'CLOSING') this.state = 'TIME_WAIT';
    if (this.state === 'LAST_ACK') this.state = 'CLOSED';
  }

  #onText({ seq, flags, payloadBytes }: NaiveSegment): void {
    const isReceiving = ['ESTABLISHED', 'FIN_WAIT_1', 'FIN_WAIT_2'].includes(this.state);
    // What is repeated, leaves a hole or fills one is answered at once (RFC 5681, section 4.2).
    const isRepeated = after(seqOf(seq + payloadBytes), this.rcvNxt) < (flags & FIN ? 0 : 1);
    this.mustAnswer = isRepeated || after(seq, this.rcvNxt) > 0 || this.#early.size > 0;
    if (!isReceiving) {
      this.mustAnswer = this.state !== 'CLOSED';
      return;
    }
    for (let i = 0; i < payloadBytes; i++) {
      const octet = seqOf(seq + i);
      if (after(octet, this.rcvNxt) >= 0) this.#early.add(octet);
    }
    if (flags & FIN) this.#peerFin = seqOf(seq + payloadBytes);
    while (this.#early.delete(this.rcvNxt)) this.rcvNxt = seqOf(this.rcvNxt + 1);
    if (this.#peerFin !== this.rcvNxt) return;
    this.rcvNxt = seqOf(this.rcvNxt + 1);
    this.mustAnswer = true;
    if (this.state === 'ESTABLISHED') this.state = 'CLOSE_WAIT';
    else this.state = this.state === 'FIN_WAIT_1' ? 'CLOSING' : 'TIME_WAIT';
  }
}
