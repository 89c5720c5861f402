/**
 * ARP for Ethernet and IPv4 (RFC 826), offsets from its start:
 *
 *      0..1 hardware (1) | 2..3 protocol (0x0800) | 4 MAC octets (6) | 5 address octets (4)
 *      6..7 operation
 *      8..13 sender MAC  | 14..17 sender address
 *     18..23 target MAC  | 24..27 target address
 */
import { EtherType, MAC_BYTES } from './ethernet.ts';
import { IPV4_ADDRESS_BYTES } from './ipv4.ts';

/** Octets of an ARP message for IPv4 over Ethernet (RFC 826), and positions in it. */
export const ARP_BYTES = 28;
export const ARP_OPERATION = 6;
export const ARP_TARGET_ADDRESS = 24;

/** Questions and answers (RFC 826). */
export const ArpOperation = { REQUEST: 1, REPLY: 2 } as const;
export type ArpOperation = (typeof ArpOperation)[keyof typeof ArpOperation];

const HARDWARE_ETHERNET = 1;
const HARDWARE_LENGTH = 4;
const PROTOCOL_LENGTH = 5;
const SENDER_MAC = 8;
const SENDER_ADDRESS = 14;
const TARGET_MAC = 18;

/** An ARP message for IPv4 over Ethernet. */
export interface ArpFields {
  readonly operation: ArpOperation;
  /** Six octets. */
  readonly senderMac: Uint8Array;
  /** Four octets; all zero in a probe (RFC 5227). */
  readonly senderAddress: Uint8Array;
  /** Six octets; without meaning in a request. */
  readonly targetMac: Uint8Array;
  /** Four octets. */
  readonly targetAddress: Uint8Array;
}

/** The message's 28 octets, without a link header. The caller owns them. */
export function emitArp(fields: ArpFields): Uint8Array {
  const octets = new Uint8Array(ARP_BYTES);
  const data = new DataView(octets.buffer);
  data.setUint16(0, HARDWARE_ETHERNET);
  data.setUint16(2, EtherType.IPV4);
  octets[HARDWARE_LENGTH] = MAC_BYTES;
  octets[PROTOCOL_LENGTH] = IPV4_ADDRESS_BYTES;
  data.setUint16(ARP_OPERATION, fields.operation);
  octets.set(fields.senderMac, SENDER_MAC);
  octets.set(fields.senderAddress, SENDER_ADDRESS);
  octets.set(fields.targetMac, TARGET_MAC);
  octets.set(fields.targetAddress, ARP_TARGET_ADDRESS);
  return octets;
}

/**
 * The message that begins at `octets[0]` (copies of its parts), or null where it is none for
 * Ethernet and IPv4, is cut off, or is neither request nor reply. Padding behind it is ignored.
 */
export function parseArp(octets: Uint8Array): ArpFields | null {
  if (octets.length < ARP_BYTES) return null;
  const data = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
  const operation = data.getUint16(ARP_OPERATION);
  const isKnown =
    data.getUint16(0) === HARDWARE_ETHERNET &&
    data.getUint16(2) === EtherType.IPV4 &&
    octets[HARDWARE_LENGTH] === MAC_BYTES &&
    octets[PROTOCOL_LENGTH] === IPV4_ADDRESS_BYTES &&
    (operation === ArpOperation.REQUEST || operation === ArpOperation.REPLY);
  if (!isKnown) return null;
  return {
    operation,
    senderMac: octets.slice(SENDER_MAC, SENDER_ADDRESS),
    senderAddress: octets.slice(SENDER_ADDRESS, TARGET_MAC),
    targetMac: octets.slice(TARGET_MAC, ARP_TARGET_ADDRESS),
    targetAddress: octets.slice(ARP_TARGET_ADDRESS, ARP_BYTES),
  };
}

/** The reply that says: `targetAddress` of this request is at `mac`. */
export const arpReply = (request: ArpFields, mac: Uint8Array): ArpFields => ({
  operation: ArpOperation.REPLY,
  senderMac: mac,
  senderAddress: request.targetAddress,
  targetMac: request.senderMac,
  targetAddress: request.senderAddress,
});
