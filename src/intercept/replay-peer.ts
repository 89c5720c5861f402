/** The replay's end of a connection to an intercept, as a state machine. */
import { NEVER_NS, NS_PER_MS, NS_PER_SECOND, type Timestamp } from '../base/time.ts';
import { ClockOffset } from './clock-offset.ts';
import {
  Capability,
  type ChannelStatus,
  emitFrame,
  emitHello,
  emitJson,
  emitPing,
  FrameReader,
  type FrameSink,
  FrameType,
  type Hello,
  mismatchOf,
  parseHello,
  parseJson,
  parseRefused,
  parseStatus,
  RefusalCode,
  STAMP_BYTES,
  timestampAt,
} from './protocol.ts';
import {
  parseAnswer,
  type RegistrationAnswer,
  type RegistrationRequest,
  requestDocument,
} from './registration.ts';

/** An intercept may have to install rules before it answers a registration. */
const ANSWER_NS = 10 * NS_PER_SECOND;
/** A live intercept answers each ping: after this silence the connection is lost. */
const SILENCE_NS = 3 * NS_PER_SECOND;
const PING_EVERY_NS = 500 * NS_PER_MS;
/** The first pings come quickly, so that the clock is known before the run begins. */
const FIRST_PINGS = 10;
const FIRST_PING_EVERY_NS = 15 * NS_PER_MS;
/** Two pings without an answer: the other end, or the way to it, stands still. */
const PAUSE_NS = NS_PER_SECOND;
/** Whoever is called so much too late has stood still itself: that time proves nothing. */
const STALL_NS = 250 * NS_PER_MS;

/** Why a connection ended: `isFinal` when trying again would bring the same. */
export interface PeerFault {
  readonly kind: 'refused' | 'lost' | 'secret';
  readonly code: number;
  readonly text: string;
  readonly isFinal: boolean;
}

/** What a replay's end of a channel needs from outside. */
export interface ReplayPeerHost {
  readonly hello: Hello;
  readonly request: RegistrationRequest;
  send(octets: Uint8Array): void;
  now(): Timestamp;
  onRegistered(answer: RegistrationAnswer): void;
  /** Records side by side in `data`, valid during the call. */
  onRecords(data: DataView, start: number, end: number): void;
  /** The first pings have been answered: the clock's offset is known. */
  onClockKnown(): void;
  /** Close the connection. Called once. */
  end(fault: PeerFault): void;
}

/** A replay's end of a channel to one intercept: greeting, registration, records, pings. */
export class ReplayPeer implements FrameSink {
  readonly clock = new ClockOffset();
  /** Totals that the intercept has told last. */
  status: ChannelStatus = { forwarded: 0, dropped: 0, kernelDropped: 0 };
  /** Whether the intercept runs on this machine's kernel, so that there is one clock only. */
  sharesClock = false;
  /** Whether the intercept grants octets that are asked for; an older one knows its own number only. */
  grantsPrefix = false;
  readonly #host: ReplayPeerHost;
  readonly #reader = new FrameReader();
  #hasGreeted = false;
  #isRegistered = false;
  #isOver = false;
  #pings = 0;
  #pongs = 0;
  #pingDueNs = NEVER_NS;
  #heardNs: number;
  #silentBeforeNs = 0;
  #nowNs: number;

  /** Says hello and registers at once; the intercept's own hello decides what becomes of it. */
  constructor(host: ReplayPeerHost, nowNs: number) {
    this.#host = host;
    this.#nowNs = nowNs;
    this.#heardNs = nowNs;
    host.send(emitHello(host.hello));
    host.send(emitJson(FrameType.REGISTER, requestDocument(host.request)));
  }

  /** Whether the other end has shown that it is an intercept. */
  get hasGreeted(): boolean {
    return this.#hasGreeted;
  }

  get isLive(): boolean {
    return this.#isRegistered && !this.#isOver;
  }

  /** When the other end was heard last. */
  get heardNs(): number {
    return this.#heardNs;
  }

  /** How long it was silent, over all pauses that are over and longer than two pings. */
  get silentBeforeNs(): number {
    return this.#silentBeforeNs;
  }

  /** The same, with a pause that lasts. */
  silentNs(nowNs: number): number {
    const pauseNs = nowNs - this.#heardNs;
    return this.#silentBeforeNs + (this.isLive && pauseNs > PAUSE_NS ? pauseNs : 0);
  }

  onOctets(chunk: Uint8Array, nowNs: number): void {
    if (this.#isOver) return;
    this.#forgiveStall(nowNs);
    this.#nowNs = nowNs;
    this.#silentBeforeNs = this.silentNs(nowNs);
    this.#heardNs = nowNs;
    if (this.#reader.push(chunk, this) || this.#isOver) return;
    const isTls = this.#reader.looksLikeTls;
    const text = isTls
      ? 'it was started with a secret, and this replay was not'
      : 'what answers there is no intercept of gryphon';
    this.#end({ kind: isTls ? 'secret' : 'refused', code: 0, text, isFinal: true });
  }

  nextDueNs(): number {
    if (this.#isOver) return NEVER_NS;
    return Math.min(this.#pingDueNs, this.#heardNs + this.#patienceNs());
  }

  /** Pings, and gives a silent connection up; a spurious call is harmless. */
  onTimeout(nowNs: number): void {
    if (this.#isOver) return;
    this.#forgiveStall(nowNs);
    this.#nowNs = nowNs;
    if (nowNs >= this.#heardNs + this.#patienceNs()) {
      const text = `nothing was heard for ${Math.round(this.#patienceNs() / NS_PER_SECOND)} s`;
      this.#end({ kind: 'lost', code: 0, text, isFinal: false });
    } else if (nowNs >= this.#pingDueNs) {
      this.ping();
    }
  }

  /** Asks for the clock and the totals now. */
  ping(): void {
    if (this.#isOver) return;
    this.#pings++;
    const gapNs = this.#pings < FIRST_PINGS ? FIRST_PING_EVERY_NS : PING_EVERY_NS;
    this.#pingDueNs = this.#nowNs + gapNs;
    this.#host.send(emitPing(this.#host.now()));
  }

  /** Tells the intercept that nothing more is wanted. */
  sayBye(): void {
    if (!this.#isOver) this.#host.send(emitFrame(FrameType.BYE, new Uint8Array(0)));
    this.#isOver = true;
  }

  onClosed(text: string): void {
    if (!this.#isOver) this.#end({ kind: 'lost', code: 0, text, isFinal: false });
  }

  onFrame(type: number, start: number, bytes: number): boolean {
    if (type === FrameType.RECORDS) {
      if (this.#isRegistered) this.#host.onRecords(this.#reader.data, start, start + bytes);
      return !this.#isOver;
    }
    const payload = this.#reader.octets.subarray(start, start + bytes);
    if (type === FrameType.REFUSED && this.#hasGreeted) return this.#onRefused(payload);
    if (!this.#hasGreeted) return this.#onHello(type, payload);
    if (!this.#isRegistered) return this.#onAnswer(type, payload);
    if (type === FrameType.PONG && bytes >= 3 * STAMP_BYTES) this.#onPong(payload);
    else if (type === FrameType.STATUS) this.status = parseStatus(payload) ?? this.status;
    else return false;
    return true;
  }

  /** Answers may wait unread: the time in which nobody was here to read them does not count. */
  #forgiveStall(nowNs: number): void {
    const lateNs = nowNs - this.nextDueNs();
    if (lateNs > STALL_NS) this.#heardNs = Math.min(nowNs, this.#heardNs + lateNs);
  }

  #patienceNs(): number {
    return this.#isRegistered ? SILENCE_NS : ANSWER_NS;
  }

  #onHello(type: number, payload: Uint8Array): boolean {
    if (type === FrameType.REFUSED) return this.#onRefused(payload);
    const hello = type === FrameType.HELLO ? parseHello(payload) : null;
    if (hello === null) return false;
    const own = this.#host.hello;
    const mismatch = mismatchOf(own, hello);
    if (mismatch !== null) {
      this.#end({ kind: 'refused', code: RefusalCode.VERSION, text: mismatch, isFinal: true });
      return false;
    }
    this.sharesClock =
      own.bootId.some((octet) => octet !== 0) &&
      own.bootId.every((octet, i) => octet === hello.bootId[i]);
    this.grantsPrefix = (hello.offered & Capability.PREFIX) !== 0;
    this.#hasGreeted = true;
    return true;
  }

  #onAnswer(type: number, payload: Uint8Array): boolean {
    const answer = type === FrameType.REGISTERED ? parseAnswer(parseJson(payload)) : null;
    if (answer === null) return false;
    this.#isRegistered = true;
    this.#host.onRegistered(answer);
    this.ping();
    return !this.#isOver;
  }

  #onRefused(payload: Uint8Array): boolean {
    const { code, text } = parseRefused(payload);
    const mayChange = code === RefusalCode.TIMEOUT || code === RefusalCode.ENDING;
    this.#end({ kind: 'refused', code, text, isFinal: !mayChange });
    return false;
  }

  #onPong(payload: Uint8Array): void {
    const trip = {
      sent: timestampAt(payload, 0),
      came: timestampAt(payload, STAMP_BYTES),
      answered: timestampAt(payload, 2 * STAMP_BYTES),
      back: this.#host.now(),
    };
    this.clock.addSample(trip, this.#nowNs);
    if (++this.#pongs === FIRST_PINGS) this.#host.onClockKnown();
  }

  #end(fault: PeerFault): void {
    this.#isOver = true;
    this.#host.end(fault);
  }
}
