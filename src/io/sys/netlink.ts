/**
 * Netlink messages (linux/netlink.h, RFC 3549) of the nfnetlink family (linux/netfilter/nfnetlink.h).
 *
 *     struct nlmsghdr    0 length | 4 type, flags (16 bits each) | 8 sequence | 12 port
 *     struct nfgenmsg   16 family | 17 version | 18 resource (big-endian)
 *     attributes from 20, each at a multiple of 4:
 *                        0 length with its header, type (16 bits each) | 4 value
 *
 * Headers are in the machine's order of octets (little-endian, see libc.ts), what netfilter puts
 * into attributes is big-endian.
 */
import { assert } from '../../base/assert.ts';

/** Socket constants of netlink (linux/netlink.h). */
export const AF_NETLINK = 16;
export const NETLINK_NETFILTER = 12;
export const SOL_NETLINK = 270;
export const NETLINK_NO_ENOBUFS = 5;

/** struct sockaddr_nl: family, padding, port (0: the kernel picks one), groups. */
export const NETLINK_ADDRESS_BYTES = 12;

/** Flags of a message (linux/netlink.h). */
export const NLM_F_REQUEST = 0x01;
export const NLM_F_ACK = 0x04;
/** What a request is answered with when it failed, and with NLM_F_ACK also when it did not. */
export const NLMSG_ERROR = 0x02;

/** Octets of struct nlmsghdr. */
export const MESSAGE_HEADER_BYTES = 16;
/** Both headers: attributes begin here. */
export const NETFILTER_HEADER_BYTES = 20;
export const ATTRIBUTE_HEADER_BYTES = 4;

/** Positions in struct nlmsghdr. */
export const MESSAGE_LENGTH = 0;
export const MESSAGE_TYPE = 4;
const MESSAGE_FLAGS = 6;
const MESSAGE_SEQUENCE = 8;
/** From the message's start: nfgenmsg's. */
export const RESOURCE = 18;
/** In an NLMSG_ERROR, from its start: the negative errno, then the header of what it answers. */
export const ERROR_CODE = 16;
export const ERROR_SEQUENCE = 20 + MESSAGE_SEQUENCE;
export const ERROR_BYTES = 20 + MESSAGE_HEADER_BYTES;

/** The type of an attribute without its flags (nested, big-endian). */
export const ATTRIBUTE_TYPE_MASK = 0x3fff;

/** Where the next message or attribute begins after one of so many octets. */
export const alignUp = (bytes: number): number => (bytes + 3) & ~3;

/** Writes messages one behind the other into memory of the caller's. */
export class NetlinkWriter {
  readonly #data: DataView;
  #start = 0;
  /** Octets written so far. */
  bytes = 0;

  constructor(data: DataView) {
    this.#data = data;
  }

  /** Whether there is room for so many more octets. */
  #hasRoom(bytes: number): boolean {
    return this.bytes + bytes <= this.#data.byteLength;
  }

  /** Begins a message; its attributes follow. */
  begin(type: number, flags: number, sequence: number, resource: number): void {
    assert(this.#hasRoom(NETFILTER_HEADER_BYTES), 'a message has room');
    const data = this.#data;
    const at = this.bytes;
    this.#start = at;
    this.bytes += NETFILTER_HEADER_BYTES;
    data.setUint32(at + MESSAGE_LENGTH, NETFILTER_HEADER_BYTES, true);
    data.setUint16(at + MESSAGE_TYPE, type, true);
    data.setUint16(at + MESSAGE_FLAGS, flags, true);
    data.setUint32(at + MESSAGE_SEQUENCE, sequence, true);
    data.setUint32(at + 12, 0);
    data.setUint16(at + 16, 0);
    data.setUint16(at + RESOURCE, resource);
  }

  /** Adds an attribute of so many octets, and returns where its value is to be written. */
  attribute(type: number, bytes: number): number {
    const whole = alignUp(ATTRIBUTE_HEADER_BYTES + bytes);
    assert(this.#hasRoom(whole), 'an attribute has room');
    const data = this.#data;
    const at = this.bytes;
    this.bytes += whole;
    data.setUint16(at, ATTRIBUTE_HEADER_BYTES + bytes, true);
    data.setUint16(at + 2, type, true);
    data.setUint32(this.#start + MESSAGE_LENGTH, this.bytes - this.#start, true);
    // The padding, which the caller does not write.
    for (let i = at + ATTRIBUTE_HEADER_BYTES + bytes; i < this.bytes; i++) data.setUint8(i, 0);
    return at + ATTRIBUTE_HEADER_BYTES;
  }

  /** Begins anew with the first octet. */
  clear(): void {
    this.bytes = 0;
  }
}
