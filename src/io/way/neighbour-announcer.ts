/**
 * Tells the next hops where the clients are now. A target on the link that was asked for by the same
 * addresses a moment ago, from another machine, keeps that machine's MAC in its neighbour table, for a
 * minute and longer, and would send it the replies.
 *
 * Gratuitous ARP replies (RFC 826; RFC 5944, section 4.6) and unsolicited neighbour advertisements with
 * the override flag (RFC 4861, section 7.2.6), sent to the next hops alone and not to the whole link:
 * nobody else has to know, and hosts that have such an address by mistake keep it with their other
 * neighbours.
 */
import { type AddressRange, addressAt, addressBytes, familyOf } from '../../base/address.ts';
import { ArpOperation, emitArp } from '../../wire/arp.ts';
import { EtherType, emitEthernet } from '../../wire/ethernet.ts';
import { emitNdp, NdpType } from '../../wire/ndp.ts';
import { AF_PACKET, packetAddress, SOCK_RAW, Socket } from '../sys/socket.ts';
import { join } from './neighbours.ts';

/** Before the run begins: as many as a Linux neighbour table holds (gc_thresh3), some milliseconds. */
export const ANNOUNCED_AT_ONCE = 1_024;
/** Later ones, so that a pool of any size is a trickle beside the replay's own frames. */
const PER_MS = 5;
/** One turn of the loop must stay short. */
const PER_TURN = 64;

/** Who is told. */
export interface AnnouncedTo {
  /** Six octets. */
  readonly mac: Uint8Array;
  /** 4 or 16 octets. */
  readonly address: Uint8Array;
}

/** Who announces which addresses where. */
export interface NeighbourAnnouncerOptions {
  readonly interfaceIndex: number;
  /** Six octets: where the clients are. */
  readonly mac: Uint8Array;
  /** All of one family, in the order of the pool. */
  readonly ranges: readonly AddressRange[];
  /** How many of their addresses are used, from the first on. */
  readonly addresses: number;
  readonly to: readonly AnnouncedTo[];
}

/** Sends announcements for all client addresses, a few in each turn. */
export class NeighbourAnnouncer {
  readonly #socket: Socket;
  readonly #options: NeighbourAnnouncerOptions;
  readonly #isIpv4: boolean;
  readonly #startedMs = performance.now();
  /** The next address: its range, its place in it; and how many came before. */
  #range = 0;
  #index = 0;
  #done = 0;

  /**
   * Announces the first addresses at once.
   * @throws ReplayError ERR_IO_NOT_PERMITTED, ERR_IO_SOCKET
   */
  constructor(options: NeighbourAnnouncerOptions) {
    this.#options = options;
    this.#isIpv4 = options.ranges.every((range) => familyOf(range) === 4);
    // Protocol 0: this socket receives nothing.
    this.#socket = new Socket(AF_PACKET, SOCK_RAW, 0);
    try {
      this.#socket.bind(packetAddress(0, options.interfaceIndex));
    } catch (fault) {
      this.#socket.close();
      throw fault;
    }
    this.#announceUpTo(ANNOUNCED_AT_ONCE);
  }

  /** Announces those whose time has come; to be called once a turn. Does not block. */
  announce(): void {
    if (this.#done >= this.#options.addresses) return;
    const due = ANNOUNCED_AT_ONCE + Math.floor((performance.now() - this.#startedMs) * PER_MS);
    this.#announceUpTo(Math.min(due, this.#done + PER_TURN));
  }

  close(): void {
    this.#socket.close();
  }

  #announceUpTo(count: number): void {
    const { ranges, addresses, to } = this.#options;
    for (; this.#done < Math.min(count, addresses); this.#done++) {
      const client = addressBytes(addressAt(ranges[this.#range], this.#index));
      for (const hop of to) {
        const frame = this.#isIpv4 ? this.#arp(client, hop) : this.#ndp(client, hop);
        // What cannot be sent is lost like any other packet: the address is asked for in time.
        this.#socket.trySend(frame);
      }
      if (++this.#index < ranges[this.#range].count) continue;
      this.#range++;
      this.#index = 0;
    }
  }

  #arp(client: Uint8Array, { mac: destination }: AnnouncedTo): Uint8Array {
    const { mac } = this.#options;
    const header = emitEthernet({ destination, source: mac, etherType: EtherType.ARP });
    const message = emitArp({
      operation: ArpOperation.REPLY,
      senderMac: mac,
      senderAddress: client,
      // Linux takes a reply for gratuitous, and believes it at once, where both ends are equal.
      targetMac: mac,
      targetAddress: client,
    });
    return join(header, message);
  }

  #ndp(client: Uint8Array, { mac: destination, address }: AnnouncedTo): Uint8Array {
    const { mac } = this.#options;
    const header = emitEthernet({ destination, source: mac, etherType: EtherType.IPV6 });
    const message = emitNdp({
      type: NdpType.ADVERTISEMENT,
      source: client,
      destination: address,
      target: client,
      mac,
      isSolicited: false,
    });
    return join(header, message);
  }
}
