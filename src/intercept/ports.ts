/** What the intercept's core needs from outside: implemented by io/ (packet ring, NFQUEUE). */
import type { AddressRange } from '../base/address.ts';

/** An endpoint as packets have it, so that nothing is converted to compare them. */
export interface EndpointOctets {
  /** 4 or 16 octets. */
  readonly address: Uint8Array;
  readonly port: number;
}

/** What a replay wants to be handed: replies of its targets to its clients, and what routers say. */
export interface Registration {
  /** Numbered by the intercept. */
  readonly id: number;
  readonly family: 4 | 6;
  readonly ranges: readonly AddressRange[];
  readonly ports: { readonly first: number; readonly last: number };
  readonly targets: readonly EndpointOctets[];
  /** Octets of payload to hand over with the headers: 0..PREFIX_BYTES_MAX. */
  readonly prefixBytes: number;
}

/** Where a packet is from and to; of a router's message, where an answer to what it quotes would be. */
export interface PacketEnds {
  readonly version: number;
  /** The last 32 bits of the destination. */
  readonly dstLow32: number;
  srcMatches(address: Uint8Array, octets?: number): boolean;
  dstMatches(address: Uint8Array, octets?: number): boolean;
}

/** Takes packets that a source has picked up. */
export interface InterceptedSink {
  /**
   * A reply; it is only valid during the call.
   * @param start where its IP header begins in the source's `data`
   * @param capturedBytes octets present from there; the packet itself may be longer
   * @param seconds, nanoseconds when the kernel saw it (CLOCK_REALTIME)
   */
  onPacket(start: number, capturedBytes: number, seconds: number, nanoseconds: number): void;
}

/** Where replies are picked up: on an auxiliary machine, or on the target by NFQUEUE or a sink. */
export interface PacketSource {
  /** The memory that packets are handed over in: one view until registrations change. */
  readonly data: DataView;
  /** To wait on, until registrations change: one can be read when there is something to receive. */
  readonly fds: readonly number[];
  /** Capture these from now on, and nothing else. */
  setRegistrations(registrations: readonly Registration[]): void;
  /** Hands over at most `limit` packets, oldest first, and returns how many. */
  receive(limit: number, sink: InterceptedSink): number;
  /** Packets that the kernel had no room for, since the source was opened. */
  readDropped(): number;
  /** What it captures and what it has installed: lines for the log. */
  describe(): readonly string[];
  /** Gives back and removes everything it has installed; harmless when called twice. */
  close(): void;
}
