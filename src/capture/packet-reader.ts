/** What a reader of a capture format is to the loop that drives it. */
import type { OctetWindow } from './octet-window.ts';

/** What `next` found. */
export const ReadResult = {
  /** A packet: the reader's fields describe it until the next call. */
  PACKET: 0,
  /** More octets are needed: fill the window and call again, or say `end` and call again. */
  MORE: 1,
  /** The file is over; `damage` says whether it ended as it should. */
  END: 2,
} as const;
export type ReadResult = (typeof ReadResult)[keyof typeof ReadResult];

/** Where and why the rest of a file could not be read; what came before it counts. */
export interface Damage {
  /** In octets from the start of the (unpacked) file. */
  readonly offset: number;
  readonly reason: string;
}

/**
 * No packet is larger than this: the limit of libpcap and Wireshark for the link types read here
 * (MAXIMUM_SNAPLEN). A larger length is damage, not a packet.
 */
export const PACKET_BYTES_MAX = 262_144;

/**
 * Of large packets only the beginning is looked at, and the rest is not read from the file: a
 * capture of super-frames, or a sparse one, is mostly payload.
 */
export interface LargePackets {
  /** Longer packets are large. */
  readonly bytes: number;
  /** So much of their beginning: more than the headers of any real stack of protocols. */
  readonly headBytes: number;
}

/** From how many octets on a packet is read in two steps, and how many of it first. */
export const LARGE_PACKETS: LargePackets = { bytes: 32_768, headBytes: 4096 };

/** Pulls packets out of the octets of its window. One object a file, the same fields throughout. */
export interface PacketReader {
  readonly format: 'pcap' | 'pcapng';
  readonly window: OctetWindow;
  /** The packet begins at `window.bytes[packetStart]`. */
  packetStart: number;
  capturedBytes: number;
  /** How much of that is in the window: less only in a large packet. */
  presentBytes: number;
  /** What it had on the wire, as the file says; less than `capturedBytes` only in damaged files. */
  originalBytes: number;
  /** Seconds since 1970, a whole number; NaN where the packet has no time. */
  seconds: number;
  /** 0..999,999,999. */
  nanoseconds: number;
  /** LINKTYPE_ number (tcpdump.org/linktypes.html) of the packet's interface. */
  linkType: number;
  /** Interfaces of the whole file are numbered through, across sections. */
  interfaceIndex: number;
  /** LINKTYPE_ numbers of all interfaces, in the order of the file. */
  readonly linkTypes: readonly number[];
  readonly damage: Damage | null;
  /** How much to add to the window at a time: what follows in large packets is stepped over. */
  readonly fillBytes: number;
  next(): ReadResult;
  /** The beginning of the packet at hand was not enough: the next `next` hands over all of it. */
  wantWhole(): void;
  /** The window holds the rest of the file. Harmless when said again. */
  end(): void;
}
