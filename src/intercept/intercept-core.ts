/**
 * What an intercept does with a packet: find its owner, and put its headers and the first octets of
 * its payload into the owner's outbox. An outbox is a bounded ring (base/record-ring.ts): an owner
 * that does not keep up loses its own records, and nobody else's.
 */
import type { RecordRing } from '../base/record-ring.ts';
import { IpView } from '../wire/ip-view.ts';
import { PacketTooBigView } from '../wire/packet-too-big.ts';
import { TCP_HEADER_BYTES_MIN } from '../wire/tcp.ts';
import { WireFault } from '../wire/wire-fault.ts';
import type { InterceptedSink, Registration } from './ports.ts';
import { NOBODY, Registry } from './registry.ts';

/** Room for 100 ms: of 125,000 replies a second with whole prefixes, of a million acknowledgements. */
export const OUTBOX_BYTES = 16 << 20;

/** Totals since the start; a row of shared memory that other threads may read. */
export const Tally = {
  RECEIVED: 0,
  FORWARDED: 1,
  /** Of nobody's registered clients, or not from a target of theirs. */
  NOT_OURS: 2,
  /** No whole TCP header and no router's message, or a fragment. */
  MALFORMED: 3,
  KERNEL_DROPPED: 4,
} as const;
export const TALLIES = 5;

/** The octet of a TCP header whose upper half is the header's length in words (RFC 9293, 3.1). */
const DATA_OFFSET_AT = 12;

/** A replay that has registered, with the outbox that its records go to. */
export interface Owner {
  readonly registration: Registration;
  readonly outbox: RecordRing;
  /** Counts what was forwarded to it: its first number, in memory that others may read. */
  readonly forwarded: Float64Array;
}

/** Finds the replay to which a packet belongs and puts a record into its outbox. */
export class InterceptCore implements InterceptedSink {
  #data: DataView;
  readonly #tally: Float64Array;
  readonly #ip = new IpView();
  readonly #message = new PacketTooBigView();
  #registry = new Registry([]);
  #owners: readonly Owner[] = [];
  /** By owner: octets of payload to hand over with the headers. */
  #prefixBytes = new Uint32Array(0);
  /** Whether records were forwarded since it was last set to false. */
  hasForwarded = false;

  /**
   * @param data of the source that packets come from
   * @param tally `TALLIES` numbers
   */
  constructor(data: DataView, tally: Float64Array) {
    this.#data = data;
    this.#tally = tally;
  }

  /** @param data where the source hands packets over from now on */
  setOwners(owners: readonly Owner[], data: DataView): void {
    this.#data = data;
    this.#owners = owners;
    this.#prefixBytes = Uint32Array.from(owners, ({ registration }) => registration.prefixBytes);
    this.#registry = new Registry(owners.map(({ registration }) => registration));
  }

  onPacket(start: number, capturedBytes: number, seconds: number, nanoseconds: number): void {
    const tally = this.#tally;
    const ip = this.#ip;
    tally[Tally.RECEIVED]++;
    ip.wrap(this.#data, start, capturedBytes);
    const fault = ip.check();
    if (fault === WireFault.NOT_TCP) {
      this.#onNotTcp(start, capturedBytes, seconds, nanoseconds);
      return;
    }
    if (fault !== WireFault.OK || capturedBytes - ip.headerBytes < TCP_HEADER_BYTES_MIN) {
      tally[Tally.MALFORMED]++;
      return;
    }
    const tcpAt = start + ip.headerBytes;
    const ports = this.#data.getUint32(tcpAt);
    const row = this.#registry.ownerOf(ip, ports >>> 16, ports & 0xffff);
    if (row === NOBODY) {
      tally[Tally.NOT_OURS]++;
      return;
    }
    const tcpBytes = (this.#data.getUint8(tcpAt + DATA_OFFSET_AT) >>> 4) * 4;
    const wanted = ip.headerBytes + tcpBytes + this.#prefixBytes[row];
    const bytes = Math.min(capturedBytes, wanted, ip.totalBytes);
    this.#forward(row, start, bytes, seconds, nanoseconds);
  }

  /** A router's message that a packet was too big belongs to whoever sent that packet. */
  #onNotTcp(start: number, capturedBytes: number, seconds: number, nanoseconds: number): void {
    const message = this.#message;
    message.wrap(this.#data, start, capturedBytes, this.#ip);
    if (message.check() !== WireFault.OK) {
      this.#tally[Tally.MALFORMED]++;
      return;
    }
    const row = this.#registry.ownerOf(message, message.srcPort, message.dstPort);
    if (row === NOBODY) this.#tally[Tally.NOT_OURS]++;
    else this.#forward(row, start, message.headerBytes, seconds, nanoseconds);
  }

  #forward(row: number, start: number, bytes: number, seconds: number, nanoseconds: number): void {
    const owner = this.#owners[row];
    this.hasForwarded = true;
    if (!owner.outbox.push(seconds, nanoseconds, this.#data, start, bytes)) return;
    owner.forwarded[0]++;
    this.#tally[Tally.FORWARDED]++;
  }
}
