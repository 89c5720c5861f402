/**
 * The server's half of one connection, from the text of RFC 9293, section 3.10 (with 7323, 2018 and 5681
 * where they say what a segment means), written apart from `src/`: an object a connection, a
 * retransmission queue of segments as section 3.4 describes it, and offsets that count from 0.
 *
 * Above it is a server that knows the recorded session and says its messages when it has received what
 * comes before them; its faults make it say something else.
 */
import { OctetSet } from './intervals.ts';
import type { ServerFault, ServerSettings, Session } from './scenario.ts';
import {
  ACK,
  FIN,
  lengthOf,
  PSH,
  RST,
  type Segment,
  type SegmentRead,
  SYN,
  URG,
} from './segment.ts';

const NEVER_NS = Number.POSITIVE_INFINITY;
const NS_PER_MS = 1e6;
/** Linux's; longer than a path keeps any packet (RFC 9293, section 3.4.2: twice the maximum segment lifetime). */
const TIME_WAIT_NS = 60e9;
const RTO_NS_MAX = 60e9;
const DUPLICATE_ACKS = 3;

export type ServerState =
  | 'SYN-RECEIVED'
  | 'ESTABLISHED'
  | 'FIN-WAIT-1'
  | 'FIN-WAIT-2'
  | 'CLOSE-WAIT'
  | 'CLOSING'
  | 'LAST-ACK'
  | 'TIME-WAIT'
  | 'CLOSED';

/** Where a connection's segments go, and what it knows of its ends. */
export interface ConnectionEnds {
  readonly settings: ServerSettings;
  readonly session: Session;
  /** What the client is to say, and what the server says as recorded. */
  readonly expected: Uint8Array;
  readonly spoken: Uint8Array;
  readonly faults: readonly ServerFault[];
  readonly iss: number;
  readonly send: (
    segment: Pick<Segment, 'seq' | 'ack' | 'flags' | 'window' | 'payload'> & Partial<Segment>,
  ) => void;
}

interface Sent {
  readonly from: number;
  readonly to: number;
  readonly hasFin: boolean;
}

interface Saying {
  /** Octets of our stream up to its end. */
  readonly end: number;
  readonly awaits: number;
  readonly thinkNs: number;
  readonly isEarly: boolean;
}

export class ServerConnection {
  state: ServerState = 'SYN-RECEIVED';
  /** Octets of the client's stream that were accepted in order. */
  accepted = 0;
  /** Accepted octets that were not the recorded ones. */
  wrong = 0;
  /** Whether the client's FIN was accepted. */
  hasPeerFin = false;
  /** How it ended, where it has. */
  end: '' | 'closed' | 'reset by client' | 'reset by server' | 'gave up' = '';

  readonly #ends: ConnectionEnds;
  readonly #irs: number;
  readonly #peerShift: number;
  readonly #ownShift: number;
  readonly #mss: number;
  readonly #hasTimestamps: boolean;
  readonly #hasSack: boolean;
  // The receive side: offsets in the client's stream.
  readonly #held = new OctetSet();
  #newest = 0;
  #finAt = -1;
  #bufferBytes: number;
  #unread = 0;
  #readsAgainNs = NEVER_NS;
  #tellsWindow = true;
  #edge = 0;
  #tsRecent: number;
  #lastAckSent = 0;
  #ackOwed = 0;
  #ackDueNs = NEVER_NS;
  #segmentsIn = 0;
  // The send side: offsets in our stream; the FIN takes the one behind the last octet.
  readonly #sayings: Saying[];
  readonly #stream: Uint8Array;
  #saying = 0;
  #sayDueNs = NEVER_NS;
  #limit = 0;
  #isClosed = false;
  #closeDueNs = NEVER_NS;
  #reads = true;
  #una = -1;
  #nxt = 0;
  #sndWnd = 0;
  #wl1 = 0;
  #wl2 = 0;
  readonly #queue: Sent[] = [];
  #duplicates = 0;
  #recover = -1;
  #rtoNs: number;
  #rtoDueNs = NEVER_NS;
  #tries = 0;
  #timeWaitNs = NEVER_NS;
  #isUrgent = false;
  #nowNs: number;
  readonly #done = new Set<ServerFault>();

  /** The SYN has come in LISTEN: SYN-RECEIVED, and the SYN-ACK leaves. */
  constructor(ends: ConnectionEnds, syn: Segment, nowNs: number) {
    const { settings } = ends;
    this.#ends = ends;
    this.#nowNs = nowNs;
    this.#irs = syn.seq;
    const isScaled = settings.windowScale >= 0 && syn.windowScale !== undefined;
    this.#peerShift = isScaled ? (syn.windowScale ?? 0) : 0;
    this.#ownShift = isScaled ? settings.windowScale : 0;
    this.#hasTimestamps = settings.timestamps && syn.timestamps !== undefined;
    this.#hasSack = settings.sack && syn.sackPermitted === true;
    this.#mss = Math.min(syn.mss ?? 536, settings.mss) - (this.#hasTimestamps ? 12 : 0);
    this.#tsRecent = syn.timestamps?.value ?? 0;
    this.#bufferBytes = settings.bufferBytes;
    this.#sndWnd = syn.window;
    this.#rtoNs = settings.rtoNs;
    const { sayings, stream } = planOf(ends);
    this.#sayings = sayings;
    this.#stream = stream;
    if (ends.faults.some(({ kind }) => kind === 'mute')) return;
    if (ends.faults.some(({ kind }) => kind === 'refuse')) {
      ends.send({ seq: 0, ack: this.#irs + 1, flags: RST | ACK, window: 0, payload: NO_OCTETS });
      this.#finish('reset by server');
      return;
    }
    this.#sendSynAck();
  }

  /** Whether something is left to be done by itself. */
  nextDueNs(): number {
    return Math.min(
      this.#rtoDueNs,
      this.#ackDueNs,
      this.#sayDueNs,
      this.#closeDueNs,
      this.#readsAgainNs,
      this.#timeWaitNs,
    );
  }

  onTimeout(nowNs: number): void {
    if (this.state === 'CLOSED' || nowNs < this.nextDueNs()) return;
    this.#nowNs = nowNs;
    if (this.#timeWaitNs <= nowNs) {
      this.#finish('closed');
      return;
    }
    if (this.#readsAgainNs <= nowNs) this.#readAgain();
    if (this.#sayDueNs <= nowNs) this.#say();
    if (this.#closeDueNs <= nowNs) {
      this.#closeDueNs = NEVER_NS;
      this.#close();
    }
    if (this.#rtoDueNs <= nowNs) this.#onRetransmissionTimeout();
    if (this.#ackDueNs <= nowNs) this.#acknowledge();
  }

  /** SEGMENT ARRIVES, section 3.10.7.4, in its order. */
  onSegment(segment: SegmentRead, nowNs: number): void {
    if (this.state === 'CLOSED') return;
    this.#nowNs = nowNs;
    if (this.#ends.faults.some(({ kind }) => kind === 'mute')) return;
    const { flags } = segment;
    const from = (segment.seq - this.#irs - 1) | 0;
    if (flags & SYN && from === -1 && this.state === 'SYN-RECEIVED') {
      this.#sendSynAck();
      return;
    }
    const hasText = this.#isAcceptable(segment, from);
    if (!hasText && (this.#windowBytes() > 0 || from !== this.#rcvNxt() || flags & SYN)) {
      if (!(flags & RST)) this.#acknowledge();
      return;
    }
    if (flags & RST) {
      if (from === this.#rcvNxt()) this.#finish('reset by client');
      else this.#acknowledge();
      return;
    }
    if (flags & SYN) {
      this.#acknowledge();
      return;
    }
    if (!(flags & ACK) || !this.#onAck(segment, from)) return;
    if (segment.timestamps !== undefined && from <= this.#lastAckSent) {
      this.#tsRecent = segment.timestamps.value;
    }
    this.#segmentsIn++;
    if (lengthOf(segment) > 0) {
      if (hasText) this.#onText(segment, from);
      else this.#acknowledge();
    }
    if (this.#isOver()) return;
    this.#onFaults();
    if (this.#isOver()) return;
    this.#goOn();
    this.#transmit();
  }

  /** Section 3.10.7.4, first; and PAWS (RFC 7323, section 5.3). */
  #isAcceptable(segment: SegmentRead, from: number): boolean {
    if (segment.timestamps !== undefined && this.#hasTimestamps && !(segment.flags & RST)) {
      if (((segment.timestamps.value - this.#tsRecent) | 0) < 0) return false;
    }
    const next = this.#rcvNxt();
    const window = this.#windowBytes();
    const bytes = lengthOf(segment);
    if (bytes === 0) return window === 0 ? from === next : from >= next && from < next + window;
    return window > 0 && from < next + window && from + bytes > next;
  }

  /** Fifth: @returns whether the segment is looked at further */
  #onAck(segment: SegmentRead, from: number): boolean {
    const ack = (segment.ack - this.#ends.iss - 1) | 0;
    if (this.state === 'SYN-RECEIVED') {
      if (ack !== 0) {
        this.#ends.send({ seq: segment.ack, ack: 0, flags: RST, window: 0, payload: NO_OCTETS });
        return false;
      }
      this.state = 'ESTABLISHED';
      this.#una = 0;
      this.#stopTimer();
      this.#wl1 = from;
      this.#wl2 = ack;
      this.#sndWnd = segment.window << this.#peerShift;
      this.#goOn();
    }
    if (ack > this.#nxt) {
      this.#acknowledge();
      return false;
    }
    const window = segment.window << this.#peerShift;
    const isSame = window === this.#sndWnd;
    if (ack >= this.#una && (from > this.#wl1 || (from === this.#wl1 && ack >= this.#wl2))) {
      this.#sndWnd = window;
      this.#wl1 = from;
      this.#wl2 = ack;
    }
    if (ack > this.#una) this.#onAcknowledged(ack);
    else if (ack === this.#una && this.#queue.length > 0 && lengthOf(segment) === 0 && isSame) {
      if (++this.#duplicates === DUPLICATE_ACKS) {
        this.#recover = this.#nxt;
        this.#resendFirst();
      }
    }
    return true;
  }

  #onAcknowledged(ack: number): void {
    this.#una = ack;
    this.#duplicates = 0;
    this.#stopTimer();
    while (this.#queue.length > 0 && endOf(this.#queue[0]) <= ack) this.#queue.shift();
    if (this.#queue.length > 0) {
      this.#rtoDueNs = this.#nowNs + this.#rtoNs;
      if (ack < this.#recover) this.#resendFirst();
    }
    if (!this.#isFinAcknowledged()) return;
    if (this.state === 'FIN-WAIT-1') this.state = 'FIN-WAIT-2';
    else if (this.state === 'CLOSING') this.#enterTimeWait();
    else if (this.state === 'LAST-ACK') this.#finish('closed');
  }

  #isFinAcknowledged(): boolean {
    return this.#isClosed && this.#una === this.#limit + 1;
  }

  /** Seventh and eighth: text and FIN. */
  #onText(segment: SegmentRead, from: number): void {
    if (this.state === 'TIME-WAIT') {
      this.#enterTimeWait();
      this.#acknowledge();
      return;
    }
    if (this.hasPeerFin) {
      this.#acknowledge();
      return;
    }
    const { payload } = segment;
    const next = this.accepted;
    const last = Math.min(from + payload.length, this.#edge);
    if (!this.#reads && last > next) {
      // RFC 9293, section 3.6: who has closed and reads no more resets what still comes.
      this.#sendReset();
      return;
    }
    const { expected } = this.#ends;
    let wrong = 0;
    for (let at = Math.max(from, next); at < last; at++) {
      if (payload[at - from] !== expected[at]) wrong++;
    }
    this.wrong += wrong;
    const before = this.#held.behindHoles.length;
    this.#held.add(Math.max(from, 0), last);
    this.#newest = from;
    this.accepted = this.#held.prefix;
    this.#unread += this.#readsAgainNs === NEVER_NS ? 0 : this.accepted - next;
    if (segment.flags & FIN && last === from + payload.length) this.#finAt = last;
    if (this.#finAt === this.accepted) this.#onFin();
    const isInOrder = from <= next && before === 0 && this.accepted > next && !this.hasPeerFin;
    this.#ackOwed++;
    if (!isInOrder || this.#ackOwed >= this.#ends.settings.ackEvery) this.#acknowledge();
    else if (this.#ackDueNs === NEVER_NS) {
      this.#ackDueNs = this.#nowNs + this.#ends.settings.ackDelayNs;
    }
  }

  #onFin(): void {
    this.hasPeerFin = true;
    if (this.state === 'ESTABLISHED') this.state = 'CLOSE-WAIT';
    else if (this.state === 'FIN-WAIT-1') this.state = 'CLOSING';
    else if (this.state === 'FIN-WAIT-2') this.#enterTimeWait();
  }

  // ---- the server above -------------------------------------------------------------------

  /** What the script wants next, now that more has come in. */
  #goOn(): void {
    const isOpen = this.state === 'ESTABLISHED' || this.state === 'CLOSE-WAIT';
    if (!isOpen || this.#isClosed || this.#sayDueNs !== NEVER_NS) return;
    const read = this.accepted - this.#unread;
    const saying = this.#sayings[this.#saying];
    if (saying !== undefined) {
      if (saying.isEarly) this.#sayDueNs = this.#nowNs;
      else if (read >= saying.awaits) this.#sayDueNs = this.#nowNs + saying.thinkNs;
      return;
    }
    const { session, expected, faults } = this.#ends;
    if (faults.some(({ kind }) => kind === 'silent') || this.#closeDueNs !== NEVER_NS) return;
    const mayEnd = session.endsFirst === 'server' ? read >= expected.length : this.hasPeerFin;
    if (mayEnd) this.#closeDueNs = this.#nowNs + session.endThinkNs;
  }

  #say(): void {
    this.#sayDueNs = NEVER_NS;
    this.#limit = this.#sayings[this.#saying++].end;
    const isLast = this.#saying === this.#sayings.length;
    if (isLast && this.#ends.settings.finWithData && this.#ends.session.endsFirst === 'server') {
      if (this.accepted - this.#unread >= this.#ends.expected.length) this.#close();
    }
    this.#goOn();
    this.#transmit();
  }

  #close(): void {
    if (this.#isClosed || this.#isOver()) return;
    this.#isClosed = true;
    this.#sayDueNs = NEVER_NS;
    if (this.state === 'ESTABLISHED') this.state = 'FIN-WAIT-1';
    else if (this.state === 'CLOSE-WAIT') this.state = 'LAST-ACK';
    this.#transmit();
  }

  #readAgain(): void {
    this.#readsAgainNs = NEVER_NS;
    this.#unread = 0;
    if (this.#tellsWindow) this.#acknowledge();
    this.#goOn();
    this.#transmit();
  }

  /** Faults whose time has come: each happens once. */
  #onFaults(): void {
    for (const fault of this.#ends.faults) {
      if (this.#done.has(fault) || !this.#isDue(fault)) continue;
      this.#done.add(fault);
      this.#happen(fault);
      if (this.#isOver()) return;
    }
  }

  #isDue(fault: ServerFault): boolean {
    if ('afterBytes' in fault) return this.accepted >= fault.afterBytes;
    return 'afterSegments' in fault && this.#segmentsIn > fault.afterSegments;
  }

  #happen(fault: ServerFault): void {
    switch (fault.kind) {
      case 'reset':
        this.#sendReset();
        break;
      case 'close-early':
        this.#reads = fault.isHalf;
        this.#close();
        break;
      case 'stop-reading':
        this.#readsAgainNs = this.#nowNs + fault.forNs;
        this.#tellsWindow = fault.tells;
        break;
      case 'shrink':
        this.#bufferBytes = fault.bufferBytes;
        this.#edge = Math.min(this.#edge, this.#rcvNxt() + fault.bufferBytes);
        this.#acknowledge();
        break;
      case 'urgent':
        this.#isUrgent = true;
        break;
      default:
        this.#repeatOneself(fault.kind);
    }
  }

  /** Segments that change nothing, or that RFC 5961 says not to believe. */
  #repeatOneself(kind: ServerFault['kind']): void {
    const { iss, send } = this.#ends;
    const seq = iss + 1 + this.#nxt;
    const ack = this.#irs + 1 + this.#rcvNxt();
    const timestamps = this.#timestamps();
    const common = {
      seq,
      ack,
      flags: ACK,
      window: this.#windowField(),
      payload: NO_OCTETS,
      timestamps,
    };
    if (kind === 'keep-alive') send({ ...common, seq: seq - 1 });
    if (kind === 'challenge') for (let i = 0; i < 4; i++) send(common);
    // Behind all that the server will ever say, so that it is not right by accident when it comes late.
    const beyond = iss + 1 + this.#stream.length + 9;
    if (kind === 'blind-reset') send({ ...common, seq: beyond, flags: RST | ACK });
    if (kind === 'blind-syn') send({ ...common, flags: SYN | ACK });
    if (kind === 'ack-unsent') send({ ...common, ack: ack + 1_000_000 });
  }

  // ---- what leaves ------------------------------------------------------------------------

  /** Section 3.10.2 and 3.8: what the window admits, in segments that go to the queue. */
  #transmit(): void {
    if (this.state === 'SYN-RECEIVED' || this.#isOver()) return;
    const { burst, finWithData } = this.#ends.settings;
    while (this.#queue.length < burst) {
      const from = this.#nxt;
      const room = this.#una + this.#sndWnd - from;
      const to = Math.min(this.#limit, from + this.#mss, from + Math.max(0, room));
      const isLast = this.#isClosed && to === this.#limit;
      if (from > this.#limit || (to === from && !isLast)) break;
      const hasFin = isLast && (to === from || finWithData);
      const sent = { from, to, hasFin };
      this.#queue.push(sent);
      this.#nxt = endOf(sent);
      this.#sendQueued(sent);
      if (this.#rtoDueNs === NEVER_NS) this.#rtoDueNs = this.#nowNs + this.#rtoNs;
    }
  }

  #sendQueued({ from, to, hasFin }: Sent): void {
    const isPushed = this.#sayings.some(({ end }) => end > from && end <= to) || to === this.#limit;
    const isUrgent = this.#isUrgent && to > from;
    const flags =
      ACK | (hasFin ? FIN : 0) | (isPushed && to > from ? PSH : 0) | (isUrgent ? URG : 0);
    this.#send(from, flags, this.#stream.subarray(from, to), isUrgent ? to - from : 0);
  }

  #resendFirst(): void {
    const [first] = this.#queue;
    if (first !== undefined) this.#sendQueued(first);
  }

  #acknowledge(): void {
    if (!this.#isOver()) this.#send(this.#nxt, ACK, NO_OCTETS, 0);
  }

  #send(from: number, flags: number, payload: Uint8Array, urgent: number): void {
    const next = this.#rcvNxt();
    this.#lastAckSent = next;
    this.#ackOwed = 0;
    this.#ackDueNs = NEVER_NS;
    const window = this.#windowField();
    this.#edge = Math.max(this.#edge, next + (window << this.#ownShift));
    this.#ends.send({
      seq: this.#ends.iss + 1 + from,
      ack: this.#irs + 1 + next,
      flags,
      window,
      urgent,
      payload,
      timestamps: this.#timestamps(),
      sack: payload.length === 0 ? this.#blocks() : [],
    });
  }

  #sendSynAck(): void {
    const { settings, iss, send } = this.#ends;
    const window = Math.min(this.#bufferBytes, 0xffff);
    this.#edge = Math.max(this.#edge, window);
    if (this.#rtoDueNs === NEVER_NS) this.#rtoDueNs = this.#nowNs + this.#rtoNs;
    send({
      seq: iss,
      ack: this.#irs + 1,
      flags: SYN | ACK,
      window,
      payload: NO_OCTETS,
      mss: settings.mss,
      windowScale: this.#ownShift > 0 || this.#peerShift > 0 ? this.#ownShift : undefined,
      sackPermitted: this.#hasSack,
      timestamps: this.#timestamps(),
    });
  }

  #sendReset(): void {
    const { iss, send } = this.#ends;
    const ack = this.#irs + 1 + this.#rcvNxt();
    send({ seq: iss + 1 + this.#nxt, ack, flags: RST | ACK, window: 0, payload: NO_OCTETS });
    this.#finish('reset by server');
  }

  #timestamps(): Segment['timestamps'] {
    if (!this.#hasTimestamps) return undefined;
    const value = (Math.floor(this.#nowNs / NS_PER_MS) + this.#ends.iss) >>> 0;
    return { value, echo: this.#tsRecent };
  }

  /** The interval of the newest segment first (RFC 2018, section 4). */
  #blocks(): [number, number][] {
    if (!this.#hasSack) return [];
    const held = this.#held.behindHoles;
    const isNewest = ([from, to]: readonly [number, number]): boolean =>
      from <= this.#newest && this.#newest < to;
    const blocks = [...held.filter(isNewest), ...held.filter((each) => !isNewest(each))];
    const first = this.#irs + 1;
    return blocks
      .slice(0, this.#hasTimestamps ? 3 : 4)
      .map(([from, to]) => [(first + from) >>> 0, (first + to) >>> 0]);
  }

  /** RFC 6298, section 5: the first of the queue again, and twice as long. */
  #onRetransmissionTimeout(): void {
    if (++this.#tries > this.#ends.settings.retriesMax) {
      this.#sendReset();
      this.end = 'gave up';
      return;
    }
    this.#rtoNs = Math.min(2 * this.#rtoNs, RTO_NS_MAX);
    this.#rtoDueNs = this.#nowNs + this.#rtoNs;
    this.#recover = this.#nxt;
    if (this.state === 'SYN-RECEIVED') this.#sendSynAck();
    else this.#resendFirst();
  }

  // ---- numbers ----------------------------------------------------------------------------

  /** The next octet of the client's that is expected; its FIN counts. */
  #rcvNxt(): number {
    return this.accepted + (this.hasPeerFin ? 1 : 0);
  }

  /** What the client may still send, as it was told. */
  #windowBytes(): number {
    return Math.max(0, this.#edge - this.#rcvNxt());
  }

  #windowField(): number {
    const free = Math.max(0, this.#bufferBytes - this.#unread);
    return Math.min(free >>> this.#ownShift, 0xffff);
  }

  #stopTimer(): void {
    this.#rtoNs = this.#ends.settings.rtoNs;
    this.#rtoDueNs = NEVER_NS;
    this.#tries = 0;
  }

  #enterTimeWait(): void {
    this.state = 'TIME-WAIT';
    this.#timeWaitNs = this.#nowNs + TIME_WAIT_NS;
  }

  #isOver(): boolean {
    return this.state === 'CLOSED';
  }

  #finish(end: ServerConnection['end']): void {
    this.state = 'CLOSED';
    this.end = end;
    this.#rtoDueNs = NEVER_NS;
    this.#ackDueNs = NEVER_NS;
    this.#sayDueNs = NEVER_NS;
    this.#closeDueNs = NEVER_NS;
    this.#readsAgainNs = NEVER_NS;
    this.#timeWaitNs = NEVER_NS;
  }
}

const NO_OCTETS = new Uint8Array(0);
const endOf = ({ to, hasFin }: Sent): number => to + (hasFin ? 1 : 0);

/** What the server will say, faults included. */
function planOf({ session, spoken, faults }: ConnectionEnds): {
  sayings: Saying[];
  stream: Uint8Array;
} {
  const sayings: Saying[] = [];
  const pieces: Uint8Array[] = [];
  let [recorded, end] = [0, 0];
  for (const [i, message] of session.messages.entries()) {
    if (message.from !== 'server') continue;
    if (faults.some((fault) => fault.kind === 'silent' && fault.message <= i)) break;
    let octets = spoken.subarray(recorded, recorded + message.bytes);
    recorded += message.bytes;
    for (const fault of faults) {
      if (fault.kind !== 'length' || fault.message !== i) continue;
      const bytes = Math.max(1, octets.length + fault.bytes);
      const other = new Uint8Array(bytes).fill(0x78);
      other.set(octets.subarray(0, bytes));
      octets = other;
    }
    pieces.push(octets);
    end += octets.length;
    const isEarly = faults.some((fault) => fault.kind === 'early' && fault.message === i);
    sayings.push({ end, awaits: message.awaits, thinkNs: message.thinkNs, isEarly });
  }
  const stream = new Uint8Array(end);
  let at = 0;
  for (const piece of pieces) {
    stream.set(piece, at);
    at += piece.length;
  }
  return { sayings, stream };
}
