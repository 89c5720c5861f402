/** How replies come to the engine: by the kernel's ring, or by an intercept and its channel. */

import { Instant } from '../../src/base/instant.ts';
import { Prng } from '../../src/base/prng.ts';
import { createRecordRing, RECORD_HEADER_BYTES, RecordRing } from '../../src/base/record-ring.ts';
import { InterceptCore, TALLIES } from '../../src/intercept/intercept-core.ts';
import { InterceptPeer } from '../../src/intercept/intercept-peer.ts';
import { CAPABILITIES, type Hello } from '../../src/intercept/protocol.ts';
import type { RegistrationRequest } from '../../src/intercept/registration.ts';
import { ReplayPeer } from '../../src/intercept/replay-peer.ts';
import { RecordRouter } from '../../src/run/channel/record-router.ts';
import type { AddressPool } from '../../src/schedule/address-pool.ts';
import type { PacketSink } from '../../src/transport/ports.ts';

const NS_PER_SECOND = 1e9;
const NEVER_NS = Number.POSITIVE_INFINITY;
const SLOT_BYTES = 1 << 16;

/** Replies that wait for the engine. */
export interface ReplyRing {
  readonly data: DataView;
  /** Whether something waits. */
  readonly isEmpty: boolean;
  /** A reply has come by where it is picked up. */
  onReply(packet: Uint8Array, nowNs: number): void;
  receive(limit: number, sink: PacketSink): number;
  nextDueNs(): number;
  onTimeout(nowNs: number): void;
}

/** A packet ring: headers and the first octets of payload, stamped when they came. */
export class KernelRing implements ReplyRing {
  readonly #slot = new Uint8Array(SLOT_BYTES);
  readonly data = new DataView(this.#slot.buffer);
  readonly #waiting: { readonly packet: Uint8Array; readonly arrivedNs: number }[] = [];
  readonly #capturedBytesMax: number;

  constructor(capturedBytesMax: number) {
    this.#capturedBytesMax = capturedBytesMax;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  onReply(packet: Uint8Array, nowNs: number): void {
    this.#waiting.push({ packet: packet.subarray(0, this.#capturedBytesMax), arrivedNs: nowNs });
  }

  receive(limit: number, sink: PacketSink): number {
    const taken = this.#waiting.splice(0, limit);
    for (const { packet, arrivedNs } of taken) {
      this.#slot.set(packet);
      sink.onPacket(0, packet.length, new Instant(arrivedNs));
    }
    return taken.length;
  }

  nextDueNs(): number {
    return NEVER_NS;
  }

  onTimeout(): void {
    // The kernel's part is done when a packet has come.
  }
}

const HELLO: Hello = {
  oldest: 1,
  newest: 1,
  offered: CAPABILITIES,
  required: CAPABILITIES,
  bootId: new Uint8Array(16),
  software: 'gryphon simulation',
};
const FOREVER_NS = 1e18;

/** An intercept and the channel from it: the real ones of `src/`, without sockets. */
export class ChannelRing implements ReplyRing {
  readonly data: DataView;
  /** What went wrong with the channel itself. */
  readonly faults: string[] = [];
  readonly #slot = new Uint8Array(SLOT_BYTES);
  readonly #slotData = new DataView(this.#slot.buffer);
  readonly #inbox: RecordRing;
  readonly #router: RecordRouter;
  readonly #request: RegistrationRequest;
  readonly #prng: Prng;
  readonly #gone: { readonly fromNs: number; readonly forNs: number }[];
  #intercept: Intercept | null = null;
  #returnNs = NEVER_NS;
  #nowNs = 0;

  constructor(options: {
    readonly pool: AddressPool;
    readonly users: number;
    readonly request: RegistrationRequest;
    readonly seed: number;
    readonly gone: readonly { readonly fromNs: number; readonly forNs: number }[];
  }) {
    const memory = createRecordRing(0);
    this.#inbox = new RecordRing(memory);
    // A wake-up is under way all the time: there is no descriptor here that could be raised.
    this.#inbox.needsWake();
    this.data = this.#inbox.data;
    this.#router = new RecordRouter([{ ring: memory, fd: -1 }], options.pool, options.users);
    this.#request = options.request;
    this.#prng = new Prng(options.seed);
    this.#gone = [...options.gone].sort((a, b) => a.fromNs - b.fromNs);
    this.#intercept = this.#connect(0);
  }

  get isEmpty(): boolean {
    return this.#inbox.oldest() < 0;
  }

  onReply(packet: Uint8Array, nowNs: number): void {
    this.onTimeout(nowNs);
    const intercept = this.#intercept;
    if (intercept === null) return;
    this.#slot.set(packet);
    const seconds = Math.floor(nowNs / NS_PER_SECOND);
    const nanoseconds = Math.round(nowNs - seconds * NS_PER_SECOND);
    intercept.core.onPacket(0, packet.length, seconds, nanoseconds);
    while (intercept.peer.flushRecords());
    intercept.pass(nowNs);
  }

  receive(limit: number, sink: PacketSink): number {
    const ring = this.#inbox;
    let received = 0;
    for (let at = ring.oldest(); at >= 0 && received < limit; at = ring.release(at)) {
      const arrivedNs = ring.data.getUint32(at) * NS_PER_SECOND + ring.data.getUint32(at + 4);
      sink.onPacket(at + RECORD_HEADER_BYTES, ring.data.getUint16(at + 8), new Instant(arrivedNs));
      received++;
    }
    return received;
  }

  nextDueNs(): number {
    const [next] = this.#gone;
    return Math.min(this.#returnNs, next?.fromNs ?? NEVER_NS);
  }

  /** The intercept vanishes, or returns. Pings go on beside it, and keep nothing waiting. */
  onTimeout(nowNs: number): void {
    this.#nowNs = nowNs;
    const [next] = this.#gone;
    if (next !== undefined && next.fromNs <= nowNs) {
      this.#gone.shift();
      this.#intercept = null;
      this.#returnNs = Math.max(nowNs, next.fromNs + next.forNs);
    }
    if (this.#returnNs <= nowNs) {
      this.#returnNs = NEVER_NS;
      this.#intercept = this.#connect(nowNs);
    }
  }

  #connect(nowNs: number): Intercept {
    const outbox = new RecordRing(createRecordRing(0));
    const core = new InterceptCore(this.#slotData, new Float64Array(TALLIES));
    const [toIntercept, toReplay]: Uint8Array[][] = [[], []];
    const now = () => ({ seconds: Math.floor(this.#nowNs / NS_PER_SECOND), nanoseconds: 0 });
    const peer = new InterceptPeer(
      {
        hello: HELLO,
        send: (octets) => toReplay.push(octets),
        now,
        register: (asked) => {
          const forwarded = new Float64Array(1);
          core.setOwners(
            [{ registration: { ...asked, id: 1 }, outbox, forwarded }],
            this.#slotData,
          );
          const interfaces = ['virtual'];
          const { prefixBytes } = asked;
          peer.accept({ mode: 'sink', interfaces, prefixBytes, notes: [] }, FOREVER_NS);
        },
        status: () => ({ forwarded: 0, dropped: 0, kernelDropped: 0 }),
        takeRecords: (into, at) => outbox.take(into, at),
        end: (reason) => this.faults.push(`the intercept's end: ${reason}`),
      },
      nowNs,
    );
    const replay = new ReplayPeer(
      {
        hello: HELLO,
        request: this.#request,
        send: (octets) => toIntercept.push(octets),
        now,
        onRegistered: () => undefined,
        onRecords: (data, start, end) => {
          if (!this.#router.route(data, start, end, 0)) this.faults.push('no whole records');
        },
        onClockKnown: () => undefined,
        end: ({ text }) => this.faults.push(`the replay's end: ${text}`),
      },
      nowNs,
    );
    const pass = (atNs: number): void => {
      while (toIntercept.length + toReplay.length > 0) {
        for (const octets of toIntercept.splice(0))
          this.#inPieces(octets, (piece) => peer.onOctets(piece, atNs));
        for (const octets of toReplay.splice(0))
          this.#inPieces(octets, (piece) => replay.onOctets(piece, atNs));
      }
    };
    pass(nowNs);
    if (!replay.isLive) this.faults.push('the replay could not register');
    return { core, peer, pass };
  }

  /** A stream's octets come as they come: cut anywhere. */
  #inPieces(octets: Uint8Array, take: (piece: Uint8Array) => void): void {
    if (this.#prng.nextUnit() < 0.5) {
      take(octets);
      return;
    }
    for (let at = 0; at < octets.length; ) {
      const end = at + 1 + (this.#prng.nextUint32() % 400);
      take(octets.subarray(at, end));
      at = end;
    }
  }
}

interface Intercept {
  readonly core: InterceptCore;
  readonly peer: InterceptPeer;
  /** Carries over whatever either end has said. */
  readonly pass: (nowNs: number) => void;
}
