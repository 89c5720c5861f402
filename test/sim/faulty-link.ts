/**
 * A bad network between an engine and a server: it loses, doubles, delays and so reorders what goes
 * through it, in both directions, by a seeded chance. It knows frames and packets only as octets,
 * and both ends only by their ports.
 */
import { Instant } from '../../src/base/instant.ts';
import { Prng } from '../../src/base/prng.ts';
import { NEVER_NS, NS_PER_SECOND } from '../../src/base/time.ts';
import { REPLY_SLOT_BYTES } from '../../src/embedded/capture-cache.ts';
import type { PacketSink, Receiver, Sender } from '../../src/transport/ports.ts';
import { EXTENTS_PER_FRAME, FrameBatch, HEADER_SLOT_BYTES } from '../../src/wire/frame-batch.ts';

/** What happens to packets of one direction; chances are 0..1. */
export interface Faults {
  readonly loss?: number;
  readonly duplicate?: number;
  readonly delayNs?: number;
  /** One bit of the octets that the link sees (headers) is turned over. */
  readonly corrupt?: number;
  /** Up to this much is added to the delay, evenly: later packets overtake. */
  readonly jitterNs?: number;
  /** What sets out meanwhile arrives no sooner than at `toNs`: the path is held up. */
  readonly heldUp?: { readonly fromNs: number; readonly toNs: number };
  /** The narrowest link: packets wait in line, and are lost where more than so many octets do. */
  readonly bottleneck?: { readonly bytesPerSecond: number; readonly queueBytes: number };
  /** Decides before chance does: `true` loses the packet. */
  readonly drop?: (packet: { readonly index: number; readonly atNs: number }) => boolean;
  /** A router at the beginning of the way to the server: whether it forwards, and what it says. */
  readonly router?: Router;
  /** May write over the octets that the link sees, from the IP header on. */
  readonly alter?: (octets: Uint8Array, index: number) => void;
}

/**
 * @param octets of the packet that the link sees (headers)
 * @param bytes of all of it
 * @returns whether the packet goes no further, and what is sent back to the client
 */
export type Router = (
  octets: Uint8Array,
  bytes: number,
) => { readonly isLost: boolean; readonly message: Uint8Array | null };

interface Flying {
  readonly dueNs: number;
  readonly order: number;
  readonly octets: Uint8Array;
  readonly extents: readonly (readonly [offset: number, bytes: number])[];
}

export class FaultyLink implements Sender, Receiver {
  readonly batch: FrameBatch;
  readonly data: DataView;
  readonly #slot = new Uint8Array(REPLY_SLOT_BYTES);
  readonly #server: Sender & Receiver;
  readonly #toServer: Direction;
  readonly #toClient: Direction;
  #nowNs = 0;

  constructor(server: Sender & Receiver, seed: number, toServer: Faults, toClient: Faults) {
    this.#server = server;
    this.batch = new FrameBatch(server.batch.capacity);
    this.data = new DataView(this.#slot.buffer);
    this.#toServer = new Direction(toServer, seed);
    this.#toClient = new Direction(toClient, seed ^ 0x5bd1_e995);
  }

  /** Packets of each direction so far that came to harm. */
  get harmed(): { readonly lost: [number, number]; readonly corrupted: [number, number] } {
    const both = [this.#toServer, this.#toClient] as const;
    return {
      lost: [both[0].lost, both[1].lost],
      corrupted: [both[0].corrupted, both[1].corrupted],
    };
  }

  nextDueNs(): number {
    return Math.min(this.#toServer.nextDueNs(), this.#toClient.nextDueNs());
  }

  /** What has got through by now reaches the server, and what it answers sets out. */
  onTimeout(nowNs: number): void {
    this.#nowNs = Math.max(this.#nowNs, nowNs);
    const { batch } = this.#server;
    for (
      let packet = this.#toServer.take(nowNs);
      packet !== null;
      packet = this.#toServer.take(nowNs)
    ) {
      const first = batch.count * EXTENTS_PER_FRAME;
      batch.headers.set(packet.octets, batch.count * HEADER_SLOT_BYTES);
      batch.headerBytes[batch.count] = packet.octets.length;
      batch.extentCount[batch.count] = packet.extents.length;
      for (const [i, [offset, bytes]] of packet.extents.entries()) {
        batch.extentOffset[first + i] = offset;
        batch.extentBytes[first + i] = bytes;
      }
      if (++batch.count === batch.capacity) this.#server.flush();
    }
    this.#server.flush();
    this.#server.receive(Number.POSITIVE_INFINITY, {
      onPacket: (start, capturedBytes) => {
        const octets = new Uint8Array(this.#server.data.buffer, start, capturedBytes).slice();
        this.#toClient.send(octets, [], this.#nowNs);
      },
    });
  }

  flush(): void {
    const { batch } = this;
    for (let frame = 0; frame < batch.count; frame++) {
      const start = frame * HEADER_SLOT_BYTES;
      const octets = batch.headers.slice(start, start + batch.headerBytes[frame]);
      const extents = Array.from({ length: batch.extentCount[frame] }, (_, i) => {
        const row = frame * EXTENTS_PER_FRAME + i;
        return [batch.extentOffset[row], batch.extentBytes[row]] as const;
      });
      const bytes = extents.reduce((sum, [, each]) => sum + each, octets.length);
      const routed = this.#toServer.faults.router?.(octets, bytes);
      if (routed?.isLost !== true) this.#toServer.send(octets, extents, this.#nowNs);
      if (routed?.message) this.#toClient.send(routed.message, [], this.#nowNs);
    }
    batch.count = 0;
    batch.firstNs = this.#nowNs;
  }

  receive(limit: number, sink: PacketSink): number {
    let packets = 0;
    for (; packets < limit; packets++) {
      const packet = this.#toClient.take(this.#nowNs);
      if (packet === null) break;
      this.#slot.set(packet.octets);
      sink.onPacket(0, packet.octets.length, new Instant(packet.dueNs));
    }
    return packets;
  }
}

/** Packets under way in one direction: a heap by when they arrive. */
class Direction {
  lost = 0;
  corrupted = 0;
  readonly faults: Faults;
  readonly #prng: Prng;
  readonly #heap: Flying[] = [];
  #sent = 0;
  #freeNs = 0;

  constructor(faults: Faults, seed: number) {
    this.faults = faults;
    this.#prng = new Prng(seed);
  }

  send(octets: Uint8Array, extents: Flying['extents'], atNs: number): void {
    const { loss = 0, duplicate = 0, corrupt = 0, delayNs = 0, jitterNs = 0, drop } = this.faults;
    const index = this.#sent++;
    this.faults.alter?.(octets, index);
    // Chance is asked as often whatever the answers: runs with other rates stay comparable.
    const isLost = this.#prng.nextUnit() < loss;
    const copies = this.#prng.nextUnit() < duplicate ? 2 : 1;
    const isCorrupted = this.#prng.nextUnit() < corrupt;
    const bit = this.#prng.nextUint32() % (octets.length * 8);
    const jitters = [this.#prng.nextUnit(), this.#prng.nextUnit()];
    if (isLost || drop?.({ index, atNs }) === true) {
      this.lost++;
      return;
    }
    if (isCorrupted) {
      octets[bit >>> 3] ^= 1 << (bit & 7);
      this.corrupted += copies;
    }
    const leftNs = this.#passNarrow(octets, extents, atNs);
    if (leftNs === NEVER_NS) return;
    const { heldUp } = this.faults;
    const isHeldUp = heldUp !== undefined && leftNs >= heldUp.fromNs && leftNs < heldUp.toNs;
    const throughNs = isHeldUp ? heldUp.toNs : leftNs;
    for (const jitter of jitters.slice(0, copies)) {
      const dueNs = throughNs + delayNs + Math.floor(jitter * jitterNs);
      this.#push({ dueNs, order: index, octets, extents });
    }
  }

  /** @returns when the packet has left the narrowest link; NEVER_NS where its queue is full */
  #passNarrow(octets: Uint8Array, extents: Flying['extents'], atNs: number): number {
    const { bottleneck } = this.faults;
    if (bottleneck === undefined) return atNs;
    const { bytesPerSecond, queueBytes } = bottleneck;
    const bytes = extents.reduce((sum, [, each]) => sum + each, octets.length);
    const startNs = Math.max(atNs, this.#freeNs);
    if (((startNs - atNs) / NS_PER_SECOND) * bytesPerSecond + bytes > queueBytes) {
      this.lost++;
      return NEVER_NS;
    }
    this.#freeNs = startNs + (bytes / bytesPerSecond) * NS_PER_SECOND;
    return this.#freeNs;
  }

  nextDueNs(): number {
    return this.#heap.at(0)?.dueNs ?? NEVER_NS;
  }

  /** The next packet that has arrived, or null. */
  take(nowNs: number): Flying | null {
    const first = this.#heap.at(0);
    if (first === undefined || first.dueNs > nowNs) return null;
    const last = this.#heap.pop();
    if (last !== undefined && this.#heap.length > 0) {
      this.#heap[0] = last;
      this.#sink(0);
    }
    return first;
  }

  #push(packet: Flying): void {
    const heap = this.#heap;
    let at = heap.push(packet) - 1;
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      if (!isBefore(heap[at], heap[parent])) return;
      [heap[at], heap[parent]] = [heap[parent], heap[at]];
      at = parent;
    }
  }

  #sink(from: number): void {
    const heap = this.#heap;
    for (let at = from; ; ) {
      let least = at;
      for (const child of [2 * at + 1, 2 * at + 2]) {
        if (child < heap.length && isBefore(heap[child], heap[least])) least = child;
      }
      if (least === at) return;
      [heap[at], heap[least]] = [heap[least], heap[at]];
      at = least;
    }
  }
}

const isBefore = (a: Flying, b: Flying): boolean =>
  a.dueNs < b.dueNs || (a.dueNs === b.dueNs && a.order < b.order);
