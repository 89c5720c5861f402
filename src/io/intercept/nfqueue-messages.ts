/**
 * The messages of NFQUEUE (linux/netfilter/nfnetlink_queue.h): what the kernel tells of a packet
 * that waits for a verdict, how a queue is set up, and the verdict.
 *
 *     NFQA_PACKET_HDR   id (32 bits) | hardware protocol (16) | hook (8)
 *     NFQA_TIMESTAMP    seconds (64) | microseconds (64)
 *     NFQA_PAYLOAD      the packet from its IP header, as many octets as were asked for
 */
import {
  ATTRIBUTE_HEADER_BYTES,
  ATTRIBUTE_TYPE_MASK,
  alignUp,
  MESSAGE_LENGTH,
  MESSAGE_TYPE,
  NETFILTER_HEADER_BYTES,
  type NetlinkWriter,
  NLM_F_ACK,
  NLM_F_REQUEST,
  RESOURCE,
} from '../sys/netlink.ts';

/** NFNL_SUBSYS_QUEUE, shifted to where a message's type has its subsystem. */
const QUEUE_SUBSYSTEM = 3 << 8;
export const QUEUE_PACKET = QUEUE_SUBSYSTEM | 0;
const QUEUE_CONFIG = QUEUE_SUBSYSTEM | 2;
const QUEUE_VERDICT_BATCH = QUEUE_SUBSYSTEM | 3;

const NFQA_PACKET_HDR = 1;
const NFQA_VERDICT_HDR = 2;
const NFQA_TIMESTAMP = 4;
const NFQA_PAYLOAD = 10;

const NFQA_CFG_CMD = 1;
const NFQA_CFG_PARAMS = 2;
const NFQA_CFG_QUEUE_MAXLEN = 3;
const NFQA_CFG_MASK = 4;
const NFQA_CFG_FLAGS = 5;

const NFQNL_COPY_PACKET = 2;
/** When the queue is full, packets go on their way. */
export const NFQA_CFG_F_FAIL_OPEN = 1 << 0;
/** A packet that the card will cut in segments comes as one, and its checksum may be missing. */
export const NFQA_CFG_F_GSO = 1 << 2;

/** What may become of a packet (linux/netfilter.h). */
export const QueueVerdict = { DROP: 0, ACCEPT: 1 } as const;
export type QueueVerdict = (typeof QueueVerdict)[keyof typeof QueueVerdict];

/** Attributes of a packet beside its payload take less than this, headers included. */
export const PACKET_OVERHEAD_BYTES = 256;

/** A verdict's message: headers, and one attribute of eight octets. */
export const VERDICT_BYTES = NETFILTER_HEADER_BYTES + ATTRIBUTE_HEADER_BYTES + 8;

const PACKET_HDR_BYTES_MIN = 4;
const TIMESTAMP_BYTES = 16;

/** What a packet's message says; filled by `parse`. */
export class QueuedPacket {
  queue = 0;
  /** Counts up within a queue, modulo 2^32. */
  id = 0;
  /** Where its octets begin, and how many there are; 0 where none came. */
  start = 0;
  bytes = 0;
  /** Whether the kernel said when it saw the packet; it does not for the machine's own. */
  hasTimestamp = false;
  seconds = 0;
  nanoseconds = 0;

  /**
   * Reads the message at `at`, whose length has been checked. Attributes that do not fit it end
   * the reading.
   * @returns false where there is no id, so that no verdict can be given
   */
  parse(data: DataView, at: number): boolean {
    const end = at + data.getUint32(at + MESSAGE_LENGTH, true);
    this.queue = data.getUint16(at + RESOURCE);
    this.start = 0;
    this.bytes = 0;
    this.hasTimestamp = false;
    let hasId = false;
    let next = at + NETFILTER_HEADER_BYTES;
    while (next + ATTRIBUTE_HEADER_BYTES <= end) {
      const length = data.getUint16(next, true);
      if (length < ATTRIBUTE_HEADER_BYTES || next + length > end) break;
      const type = data.getUint16(next + 2, true) & ATTRIBUTE_TYPE_MASK;
      const value = next + ATTRIBUTE_HEADER_BYTES;
      const bytes = length - ATTRIBUTE_HEADER_BYTES;
      if (type === NFQA_PACKET_HDR && bytes >= PACKET_HDR_BYTES_MIN) {
        this.id = data.getUint32(value);
        hasId = true;
      } else if (type === NFQA_PAYLOAD) {
        this.start = value;
        this.bytes = bytes;
      } else if (type === NFQA_TIMESTAMP && bytes >= TIMESTAMP_BYTES) {
        this.#readTimestamp(data, value);
      }
      next += alignUp(length);
    }
    return hasId;
  }

  /** Seconds since 1970 fit the low word until 2106. */
  #readTimestamp(data: DataView, value: number): void {
    this.hasTimestamp = true;
    this.seconds = data.getUint32(value + 4);
    this.nanoseconds = data.getUint32(value + 12) * 1_000;
  }
}

/**
 * The length of the message at `at`, or 0 where it does not lie within what has come in.
 * @param end where that ends
 */
export function messageBytes(data: DataView, at: number, end: number): number {
  if (at + NETFILTER_HEADER_BYTES > end) return 0;
  const length = data.getUint32(at + MESSAGE_LENGTH, true);
  return length < NETFILTER_HEADER_BYTES || at + length > end ? 0 : length;
}

/** A message's type; the subsystem in its upper octet. */
export const messageType = (data: DataView, at: number): number =>
  data.getUint16(at + MESSAGE_TYPE, true);

/** Where a configuration message is written, and which queue it is for. */
export interface ConfigTarget {
  readonly data: DataView;
  readonly writer: NetlinkWriter;
  readonly queue: number;
  /** To know the kernel's answer by. */
  readonly sequence: number;
}

/** NFQNL_CFG_CMD_BIND and …_UNBIND: from now on a queue is ours, or not any more. */
export const QueueCommand = { BIND: 1, UNBIND: 2 } as const;
export type QueueCommand = (typeof QueueCommand)[keyof typeof QueueCommand];

/** Binds to a queue or lets go of it (nfnetlink_queue.h, struct nfqnl_msg_config_cmd). */
export function writeCommand(target: ConfigTarget, command: QueueCommand): void {
  beginConfig(target);
  const at = target.writer.attribute(NFQA_CFG_CMD, 4);
  target.data.setUint32(at, command << 24);
}

/** How many packets may wait, and with which flags; before `writeCopyRange`, which starts the queue. */
export function writeLimits(target: ConfigTarget, lengthMax: number, flags: number): void {
  const { data, writer } = target;
  beginConfig(target);
  data.setUint32(writer.attribute(NFQA_CFG_QUEUE_MAXLEN, 4), lengthMax);
  data.setUint32(writer.attribute(NFQA_CFG_FLAGS, 4), flags);
  data.setUint32(writer.attribute(NFQA_CFG_MASK, 4), flags);
}

/** Packets are to come with this many of their octets. */
export function writeCopyRange(target: ConfigTarget, bytes: number): void {
  const { data, writer } = target;
  beginConfig(target);
  const at = writer.attribute(NFQA_CFG_PARAMS, 5);
  data.setUint32(at, bytes);
  data.setUint8(at + 4, NFQNL_COPY_PACKET);
}

/** The same verdict for every packet of the queue that waits, up to the one of this id. */
export function writeVerdict(
  { data, writer, queue }: Omit<ConfigTarget, 'sequence'>,
  id: number,
  verdict: QueueVerdict,
): void {
  writer.begin(QUEUE_VERDICT_BATCH, NLM_F_REQUEST, 0, queue);
  const at = writer.attribute(NFQA_VERDICT_HDR, 8);
  data.setUint32(at, verdict);
  data.setUint32(at + 4, id);
}

function beginConfig({ writer, queue, sequence }: ConfigTarget): void {
  writer.begin(QUEUE_CONFIG, NLM_F_REQUEST | NLM_F_ACK, sequence, queue);
}
