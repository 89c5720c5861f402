/** Which shard a reply belongs to, and putting it there. */
import { RECORD_HEADER_BYTES, RecordRing } from '../../base/record-ring.ts';
import { NS_PER_SECOND } from '../../base/time.ts';
import type { ShardInbox } from '../../io/channel/channel-receiver.ts';
import { raiseEvent } from '../../io/sys/eventfd.ts';
import type { AddressPool } from '../../schedule/address-pool.ts';
import { ClientPlaces } from '../../schedule/client-places.ts';
import { shardAtPlace } from '../../schedule/target-pools.ts';
import { TargetRows } from '../../transport/target-rows.ts';
import { IpView } from '../../wire/ip-view.ts';
import { PacketTooBigView } from '../../wire/packet-too-big.ts';
import { TCP_HEADER_BYTES_MIN } from '../../wire/tcp.ts';
import { WireFault } from '../../wire/wire-fault.ts';

/** Replies that wait for a shard: as many as an outbox of the intercept holds. */
export const INBOX_BYTES = 16 << 20;

/** Where each target has the pool for itself. */
interface TargetBlocks {
  /** For each of the targets. */
  readonly blocks: readonly Float64Array[];
  readonly targets: readonly { readonly address: Uint8Array; readonly port: number }[];
}

/** Sorts records into the inboxes of the shards that own their users. */
export class RecordRouter {
  readonly #rings: readonly RecordRing[];
  readonly #fds: readonly number[];
  readonly #touched: Uint8Array;
  readonly #pool: AddressPool;
  readonly #places: ClientPlaces;
  /** Null where the connection's number tells the shard. */
  readonly #targets: TargetRows | null;
  readonly #blocks: readonly Float64Array[] | null;
  readonly #ip = new IpView();
  readonly #message = new PacketTooBigView();
  /** Records that were handed over, to whatever shard. */
  routed = 0;
  /** Records of no client of the run. */
  foreign = 0;

  /**
   * @param portsEach as in ClientPlaces
   * @param byTarget where each target has the pool for itself: the shards' blocks at each
   */
  constructor(
    inboxes: readonly ShardInbox[],
    pool: AddressPool,
    users: number,
    portsEach = 0,
    byTarget: TargetBlocks | null = null,
  ) {
    this.#blocks = byTarget?.blocks ?? null;
    this.#targets = byTarget === null ? null : new TargetRows(byTarget.targets);
    this.#rings = inboxes.map(({ ring }) => new RecordRing(ring));
    this.#fds = inboxes.map(({ fd }) => fd);
    this.#touched = new Uint8Array(inboxes.length);
    this.#pool = pool;
    this.#places = new ClientPlaces(pool, users, portsEach);
  }

  /**
   * Hands records over that lie side by side.
   * @param aheadNs how much to take from their stamps
   * @returns false where they are no whole records
   */
  route(data: DataView, start: number, end: number, aheadNs: number): boolean {
    const aheadSeconds = Math.floor(aheadNs / NS_PER_SECOND);
    const aheadNanoseconds = Math.round(aheadNs - aheadSeconds * NS_PER_SECOND);
    let at = start;
    while (at + RECORD_HEADER_BYTES <= end) {
      const bytes = data.getUint16(at + 8);
      const packetAt = at + RECORD_HEADER_BYTES;
      if (packetAt + bytes > end) break;
      let seconds = data.getUint32(at) - aheadSeconds;
      let nanoseconds = data.getUint32(at + 4) - aheadNanoseconds;
      if (nanoseconds < 0) {
        nanoseconds += NS_PER_SECOND;
        seconds--;
      }
      const shard = this.#shardOf(data, packetAt, bytes);
      if (shard < 0) {
        this.foreign++;
      } else {
        this.#rings[shard].push(seconds, nanoseconds, data, packetAt, bytes);
        this.#touched[shard] = 1;
        this.routed++;
      }
      at = packetAt + bytes;
    }
    this.#wake();
    return at === end;
  }

  #wake(): void {
    for (let shard = 0; shard < this.#touched.length; shard++) {
      if (this.#touched[shard] === 0) continue;
      this.#touched[shard] = 0;
      if (this.#rings[shard].needsWake()) raiseEvent(this.#fds[shard]);
    }
  }

  #shardOf(data: DataView, start: number, bytes: number): number {
    // The engine looks at the packet itself; who is alone need not ask whose it is.
    if (this.#rings.length === 1) return 0;
    const ip = this.#ip;
    ip.wrap(data, start, bytes);
    const fault = ip.check();
    if (fault === WireFault.NOT_TCP) return this.#shardOfMessage(data, start, bytes);
    if (fault !== WireFault.OK || bytes < ip.headerBytes + TCP_HEADER_BYTES_MIN) return -1;
    const tcpAt = start + ip.headerBytes;
    return this.#shardAt(ip, ip.dstLow32, data.getUint16(tcpAt), data.getUint16(tcpAt + 2));
  }

  /** What a router says of a packet that was too big goes to the shard of the packet's user. */
  #shardOfMessage(data: DataView, start: number, bytes: number): number {
    const message = this.#message;
    message.wrap(data, start, bytes, this.#ip);
    if (message.check() !== WireFault.OK) return -1;
    return this.#shardAt(message, message.dstLow32, message.srcPort, message.dstPort);
  }

  #shardAt(ends: IpView | PacketTooBigView, low: number, srcPort: number, port: number): number {
    const place = this.#pool.connectionOf(low, port);
    if (place < 0) return -1;
    if (this.#targets === null || this.#blocks === null) {
      return this.#places.shardOf(place, this.#rings.length);
    }
    const target = this.#targets.rowOf(ends, srcPort);
    return target < 0 ? -1 : shardAtPlace(this.#blocks[target], place);
  }
}
