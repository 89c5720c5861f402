/**
 * The intercept's end of one connection, as a state machine: octets in, octets out through `send`.
 * Until a peer has registered it costs a frame reader and a few numbers, and not for long: each
 * state has its time.
 */
import { snapBytesFor } from '../base/prefix-bytes.ts';
import { RECORD_HEADER_BYTES } from '../base/record-ring.ts';
import { NEVER_NS, NS_PER_SECOND, type Timestamp } from '../base/time.ts';
import {
  type ChannelStatus,
  emitFrameHeader,
  emitHello,
  emitJson,
  emitPong,
  emitRefused,
  emitStatus,
  FRAME_HEADER_BYTES,
  FrameReader,
  type FrameSink,
  FrameType,
  type Hello,
  mismatchOf,
  parseHello,
  parseJson,
  RECORDS_BYTES_MAX,
  RefusalCode,
  STAMP_BYTES,
} from './protocol.ts';
import { parseRequest, type RegistrationAnswer, type RegistrationRequest } from './registration.ts';

/** From the connection to its hello, and from there to its registration. */
const GREETING_NS = 3 * NS_PER_SECOND;
/** A replay pings twice a second: after this silence it is gone. */
export const SILENCE_NS = 5 * NS_PER_SECOND;
/** Pings of a replay are at least 10 ms apart: more than this a second is no replay. */
const PINGS_PER_SECOND_MAX = 200;

/** What an intercept's end of a channel needs from outside. */
export interface InterceptPeerHost {
  readonly hello: Hello;
  /** Hands octets to the connection; they are the connection's from then on. */
  send(octets: Uint8Array): void;
  /** The wall clock now. */
  now(): Timestamp;
  /** A replay asks: `accept` or `refuse` follows, now or later. */
  register(request: RegistrationRequest): void;
  /** What the replay is to know. */
  status(): ChannelStatus;
  /** Moves whole records of the replay's outbox to `into` from `at`. @returns octets moved */
  takeRecords(into: Uint8Array, at: number): number;
  /** The connection is over: close it when what was sent has left. Called once. */
  end(reason: string): void;
}

const PeerState = { GREETING: 0, REGISTERING: 1, ASKING: 2, LIVE: 3, ENDED: 4 } as const;
type PeerState = (typeof PeerState)[keyof typeof PeerState];

/** An intercept's end of a channel to one replay: greeting, registration, records, pings. */
export class InterceptPeer implements FrameSink {
  readonly #host: InterceptPeerHost;
  readonly #reader = new FrameReader();
  /** Where frames of records are put together; only a replay gets one. */
  #frame = new Uint8Array(0);
  #state: PeerState = PeerState.GREETING;
  #dueNs: number;
  #nowNs: number;
  #pings = 0;
  #pingsSinceNs = 0;

  constructor(host: InterceptPeerHost, nowNs: number) {
    this.#host = host;
    this.#nowNs = nowNs;
    this.#dueNs = nowNs + GREETING_NS;
  }

  get isLive(): boolean {
    return this.#state === PeerState.LIVE;
  }

  /** When to call `onTimeout`. */
  nextDueNs(): number {
    return this.#dueNs;
  }

  onOctets(chunk: Uint8Array, nowNs: number): void {
    if (this.#state === PeerState.ENDED) return;
    this.#nowNs = nowNs;
    if (this.#state === PeerState.LIVE) this.#dueNs = nowNs + SILENCE_NS;
    if (this.#reader.push(chunk, this) || this.#isOver()) return;
    if (this.#reader.looksLikeTls) {
      this.#refuse(RefusalCode.BAD_FRAME, 'this intercept was started without a secret');
    } else {
      this.#refuse(RefusalCode.BAD_FRAME, 'what was received is not the channel of gryphon');
    }
  }

  /** Ends a peer that has kept silent; a spurious call is harmless. */
  onTimeout(nowNs: number): void {
    if (this.#state === PeerState.ENDED || nowNs < this.#dueNs) return;
    const was = this.#state === PeerState.LIVE ? 'it was silent' : 'it did not register in time';
    this.#refuse(RefusalCode.TIMEOUT, was);
  }

  onFrame(type: number, start: number, bytes: number): boolean {
    const payload = this.#reader.octets.subarray(start, start + bytes);
    if (this.#state === PeerState.GREETING) return this.#onHello(type, payload);
    if (this.#state === PeerState.REGISTERING) return this.#onRegister(type, payload);
    if (type === FrameType.BYE) {
      this.#end('it has finished');
      return false;
    }
    if (type === FrameType.PING && bytes >= STAMP_BYTES) return this.#onPing(payload);
    return this.#refuse(RefusalCode.BAD_FRAME, `frame of type ${type} is not expected here`);
  }

  /** The registration is in force: records may be sent from now on. */
  accept(answer: RegistrationAnswer, nowNs: number): void {
    if (this.#state !== PeerState.ASKING) return;
    this.#state = PeerState.LIVE;
    const recordBytes = RECORD_HEADER_BYTES + snapBytesFor(answer.prefixBytes);
    this.#frame = new Uint8Array(FRAME_HEADER_BYTES + Math.max(RECORDS_BYTES_MAX, recordBytes));
    this.#dueNs = nowNs + SILENCE_NS;
    this.#host.send(emitJson(FrameType.REGISTERED, answer));
  }

  /** Says why and ends the connection. */
  refuse(code: RefusalCode, text: string): void {
    if (this.#state !== PeerState.ENDED) this.#refuse(code, text);
  }

  /** The connection was lost. */
  onClosed(reason: string): void {
    if (this.#state !== PeerState.ENDED) this.#end(reason);
  }

  /**
   * Sends a frame of records, if there are any.
   * @returns false when there are none
   */
  flushRecords(): boolean {
    if (this.#state !== PeerState.LIVE) return false;
    const frame = this.#frame;
    const bytes = this.#host.takeRecords(frame, FRAME_HEADER_BYTES);
    if (bytes === 0) return false;
    emitFrameHeader(frame, 0, FrameType.RECORDS, bytes);
    // A copy of what there is: a new frame of full length each time would keep the collector busy.
    this.#host.send(frame.slice(0, FRAME_HEADER_BYTES + bytes));
    return true;
  }

  #onHello(type: number, payload: Uint8Array): boolean {
    const hello = type === FrameType.HELLO ? parseHello(payload) : null;
    if (hello === null) return false;
    this.#host.send(emitHello(this.#host.hello));
    const mismatch = mismatchOf(this.#host.hello, hello);
    if (mismatch !== null) return this.#refuse(RefusalCode.VERSION, mismatch);
    this.#state = PeerState.REGISTERING;
    this.#dueNs = this.#nowNs + GREETING_NS;
    return true;
  }

  #onRegister(type: number, payload: Uint8Array): boolean {
    const request = type === FrameType.REGISTER ? parseRequest(parseJson(payload)) : 'it is none';
    if (typeof request === 'string') {
      return this.#refuse(RefusalCode.BAD_FRAME, `the registration is not valid: ${request}`);
    }
    this.#state = PeerState.ASKING;
    this.#dueNs = NEVER_NS;
    this.#host.register(request);
    return !this.#isOver();
  }

  #onPing(payload: Uint8Array): boolean {
    if (this.#nowNs - this.#pingsSinceNs > NS_PER_SECOND) {
      this.#pingsSinceNs = this.#nowNs;
      this.#pings = 0;
    }
    if (++this.#pings > PINGS_PER_SECOND_MAX) {
      return this.#refuse(RefusalCode.BAD_FRAME, 'it pings too often');
    }
    const came = this.#host.now();
    this.#host.send(emitPong(payload, came, this.#host.now()));
    if (this.#state === PeerState.LIVE) this.#host.send(emitStatus(this.#host.status()));
    return true;
  }

  #refuse(code: RefusalCode, text: string): false {
    this.#host.send(emitRefused(code, text));
    this.#end(text);
    return false;
  }

  #end(reason: string): void {
    this.#state = PeerState.ENDED;
    this.#dueNs = NEVER_NS;
    this.#host.end(reason);
  }

  #isOver(): boolean {
    return this.#state === PeerState.ENDED;
  }
}
