/**
 * A netlink socket at a run of netfilter queues: packets come in batches (recvmmsg), and every one
 * is answered with exactly one verdict before the next batch is taken.
 */
import { CLOCK_REALTIME, clockGettime, TIMESPEC_WORDS } from '../sys/clock.ts';
import { Errno, lastErrno, systemError } from '../sys/errno.ts';
import { KernelMemory } from '../sys/memory.ts';
import {
  AF_NETLINK,
  alignUp,
  ERROR_BYTES,
  ERROR_CODE,
  ERROR_SEQUENCE,
  NETLINK_ADDRESS_BYTES,
  NETLINK_NETFILTER,
  NETLINK_NO_ENOBUFS,
  NetlinkWriter,
  NLMSG_ERROR,
  SOL_NETLINK,
} from '../sys/netlink.ts';
import {
  growReceiveBuffer,
  intOption,
  MSG_DONTWAIT,
  recvmmsg,
  SOCK_RAW,
  Socket,
  sendAt,
} from '../sys/socket.ts';
import {
  type ConfigTarget,
  messageBytes,
  messageType,
  NFQA_CFG_F_FAIL_OPEN,
  NFQA_CFG_F_GSO,
  PACKET_OVERHEAD_BYTES,
  QUEUE_PACKET,
  QueueCommand,
  QueuedPacket,
  type QueueVerdict,
  VERDICT_BYTES,
  writeCommand,
  writeCopyRange,
  writeLimits,
  writeVerdict,
} from './nfqueue-messages.ts';
import { queueFault, queueLines } from './queue-lines.ts';

/** Messages of one recvmmsg; larger batches gain nothing and delay the first packet's verdict. */
const BATCH_MESSAGES = 128;

/** Packets that may wait in a queue: 0.4 s of 75,000 a second. The kernel's own limit is 1024. */
const QUEUE_PACKETS_MAX = 1 << 15;

/** Each waiting message is charged about 1 KB. */
const RECEIVE_BUFFER_BYTES = 64 << 20;

/** Words of a struct mmsghdr: address and count of its iovec, and the length that came in. */
const MMSGHDR_BYTES = 64;
const MMSGHDR_IOV = 16;
const MMSGHDR_IOV_COUNT = 24;
const MMSGHDR_BYTES_IN = 56;
const IOVEC_BYTES = 16;

const SLOT_ALIGNMENT = 64;
const SEND_TRIES = 100;
/** The run of equal verdicts has not begun. */
const NO_RUN = -1;

/** Decides on the packets of queues. */
export interface QueueSink {
  /** What is to become of the packet, which is only valid during the call. */
  onQueued(packet: QueuedPacket): QueueVerdict;
}

/** Which queues (both ends included), and how the kernel is to fill them. */
export interface NfqueueSocketOptions {
  readonly queues: { readonly first: number; readonly last: number };
  /** When a queue is full, packets go on their way. */
  readonly failOpen: boolean;
  /** Octets of a packet that are looked at: at first, and the most that is ever set. */
  readonly snapBytes: number;
  readonly snapBytesMax: number;
  /** What becomes of packets that come before the first `receive`. */
  readonly early: QueueVerdict;
}

/** One socket at a run of queues: `receive` takes packets in batches and answers each. */
export class NfqueueSocket {
  /** Where packets are handed over; it must not be touched after `close`. */
  readonly data: DataView;
  readonly fd: number;
  readonly #socket: Socket;
  readonly #memory: KernelMemory;
  readonly #slotBytes: number;
  /** Where the slots, their iovecs, the messages and the verdicts begin in the memory. */
  readonly #iovecsAt: number;
  readonly #messagesAt: number;
  readonly #verdictsAt: number;
  readonly #writer: NetlinkWriter;
  readonly #verdicts: DataView;
  readonly #target: { data: DataView; writer: NetlinkWriter; queue: number; sequence: number };
  readonly #packet = new QueuedPacket();
  readonly #early: QueueSink;
  readonly #first: number;
  readonly #count: number;
  /** Queues that have a run in this batch: `#runs` of them. */
  readonly #queuesWithRun: Uint16Array;
  #runs = 0;
  /** By queue: the verdict of the current run, and its last packet. */
  readonly #runVerdict: Int32Array;
  readonly #runId: Uint32Array;
  readonly #timespec = new Uint32Array(TIMESPEC_WORDS);
  /** The last answer to a request: its sequence number, and 0 or an errno. */
  #answerSequence = 0;
  #answerErrno = 0;
  #sequence = 0;
  #dropped = 0;
  #isOpen = true;

  /**
   * Takes the queues; nothing comes before rules lead there.
   * @throws ReplayError ERR_IO_NOT_PERMITTED, ERR_IO_QUEUE_TAKEN, ERR_IO_QUEUE, ERR_IO_SOCKET
   */
  constructor({ queues, failOpen, snapBytes, snapBytesMax, early }: NfqueueSocketOptions) {
    this.#early = { onQueued: () => early };
    this.#first = queues.first;
    this.#count = queues.last - queues.first + 1;
    this.#queuesWithRun = new Uint16Array(this.#count);
    this.#runVerdict = new Int32Array(this.#count).fill(NO_RUN);
    this.#runId = new Uint32Array(this.#count);
    this.#slotBytes =
      Math.ceil((PACKET_OVERHEAD_BYTES + snapBytesMax) / SLOT_ALIGNMENT) * SLOT_ALIGNMENT;
    this.#iovecsAt = BATCH_MESSAGES * this.#slotBytes;
    this.#messagesAt = this.#iovecsAt + BATCH_MESSAGES * IOVEC_BYTES;
    this.#verdictsAt = this.#messagesAt + BATCH_MESSAGES * MMSGHDR_BYTES;
    // At worst every packet has another verdict than the one before, and every queue a last run.
    const verdictBytes = (BATCH_MESSAGES + this.#count) * VERDICT_BYTES;
    this.#memory = new KernelMemory(this.#verdictsAt + verdictBytes);
    const { buffer } = this.#memory;
    this.data = new DataView(buffer);
    this.#verdicts = new DataView(buffer, this.#verdictsAt, verdictBytes);
    this.#writer = new NetlinkWriter(this.#verdicts);
    this.#target = { data: this.#verdicts, writer: this.#writer, queue: 0, sequence: 0 };
    this.#writeMessages();
    this.#socket = new Socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER);
    this.fd = this.#socket.fd;
    try {
      this.#open(failOpen ? NFQA_CFG_F_GSO | NFQA_CFG_F_FAIL_OPEN : NFQA_CFG_F_GSO, snapBytes);
    } catch (fault) {
      this.#socket.close();
      this.#memory.close();
      throw fault;
    }
  }

  /**
   * Takes at most `limit` packets, asks the sink about each, and gives their verdicts.
   * @returns how many came; fewer than `limit` when no more wait
   * @throws ReplayError ERR_IO_SOCKET, ERR_IO_VERDICT
   */
  receive(limit: number, sink: QueueSink): number {
    let received = 0;
    while (received < limit) {
      const wanted = Math.min(BATCH_MESSAGES, limit - received);
      const came = this.#receiveBatch(wanted, sink);
      received += came;
      if (came < wanted) break;
    }
    return received;
  }

  /**
   * Has the kernel hand over so many octets of each packet from now on.
   * @param sink asked about packets that come meanwhile
   * @throws ReplayError ERR_IO_QUEUE, ERR_IO_SOCKET, ERR_IO_VERDICT
   */
  setSnapBytes(snapBytes: number, sink: QueueSink): void {
    for (let i = 0; i < this.#count; i++) {
      this.#configure(this.#first + i, (target) => writeCopyRange(target, snapBytes), sink);
    }
  }

  /** Packets that a queue, or the socket, had no room for, since it was opened. */
  readDropped(): number {
    if (this.#isOpen) {
      this.#dropped = queueLines()
        .filter(({ queue }) => queue >= this.#first && queue < this.#first + this.#count)
        .reduce((sum, { dropped, userDropped }) => sum + dropped + userDropped, 0);
    }
    return this.#dropped;
  }

  /** Gives the queues back; what still waits in them is dropped. Harmless when called twice. */
  close(): void {
    if (!this.#isOpen) return;
    this.readDropped();
    this.#isOpen = false;
    for (let i = 0; i < this.#count; i++) {
      writeCommand(this.#configOf(this.#first + i), QueueCommand.UNBIND);
      sendAt(this.fd, this.#verdictsAddress, this.#writer.bytes, MSG_DONTWAIT);
    }
    this.#socket.close();
    this.#memory.close();
  }

  #open(flags: number, snapBytes: number): void {
    growReceiveBuffer(this.#socket, RECEIVE_BUFFER_BYTES);
    const option = intOption(1);
    this.#socket.setOption(SOL_NETLINK, NETLINK_NO_ENOBUFS, option, 'setting up a netlink socket');
    const address = new Uint8Array(NETLINK_ADDRESS_BYTES);
    new DataView(address.buffer).setUint16(0, AF_NETLINK, true);
    this.#socket.bind(address);
    for (let i = 0; i < this.#count; i++) {
      const queue = this.#first + i;
      this.#configure(queue, (target) => writeCommand(target, QueueCommand.BIND));
      this.#configure(queue, (target) => writeLimits(target, QUEUE_PACKETS_MAX, flags));
    }
    this.setSnapBytes(snapBytes, this.#early);
  }

  #configOf(queue: number): ConfigTarget {
    this.#writer.clear();
    this.#target.queue = queue;
    this.#target.sequence = ++this.#sequence;
    return this.#target;
  }

  /** Sends a request and takes its answer, which the kernel gives before `send` returns. */
  #configure(queue: number, write: (target: ConfigTarget) => void, sink = this.#early): void {
    write(this.#configOf(queue));
    const sequence = this.#sequence;
    if (sendAt(this.fd, this.#verdictsAddress, this.#writer.bytes, MSG_DONTWAIT) < 0) {
      throw queueFault(queue, lastErrno());
    }
    this.#writer.clear();
    while (this.#answerSequence !== sequence) {
      // Packets of the queues that are ready already.
      if (this.#receiveBatch(BATCH_MESSAGES, sink) === 0) throw queueFault(queue, 0);
    }
    if (this.#answerErrno !== 0) throw queueFault(queue, this.#answerErrno);
  }

  /** @returns how many messages came, packets or not */
  #receiveBatch(wanted: number, sink: QueueSink): number {
    const came = recvmmsg(this.fd, this.#messagesAddress, wanted, MSG_DONTWAIT, 0);
    if (came <= 0) return this.#onNothing(came);
    clockGettime(CLOCK_REALTIME, this.#timespec);
    for (let i = 0; i < came; i++) {
      const at = i * this.#slotBytes;
      const header = this.#messagesAt + i * MMSGHDR_BYTES;
      this.#onMessages(at, at + this.data.getUint32(header + MMSGHDR_BYTES_IN, true), sink);
    }
    for (let i = 0; i < this.#runs; i++) this.#endRun(this.#queuesWithRun[i]);
    this.#runs = 0;
    this.#sendVerdicts();
    return came;
  }

  #onNothing(came: number): number {
    const errno = came === 0 ? Errno.EAGAIN : lastErrno();
    // ENOBUFS says that messages were lost: the queue has counted their packets.
    const isHarmless = errno === Errno.EAGAIN || errno === Errno.EINTR || errno === Errno.ENOBUFS;
    if (isHarmless) return 0;
    throw systemError({ code: 'ERR_IO_SOCKET', doing: 'receiving queued packets', errno });
  }

  /** A datagram holds one message, by all that is known; several would do as well. */
  #onMessages(start: number, end: number, sink: QueueSink): void {
    const { data } = this;
    for (let at = start; at < end; ) {
      const bytes = messageBytes(data, at, end);
      if (bytes === 0) return;
      const type = messageType(data, at);
      if (type === QUEUE_PACKET) this.#onPacket(at, sink);
      else if (type === NLMSG_ERROR && bytes >= ERROR_BYTES) this.#onAnswer(at);
      at += alignUp(bytes);
    }
  }

  #onPacket(at: number, sink: QueueSink): void {
    const packet = this.#packet;
    if (!packet.parse(this.data, at)) return;
    const queue = packet.queue - this.#first;
    if (queue < 0 || queue >= this.#count) return;
    if (!packet.hasTimestamp) {
      packet.seconds = this.#timespec[0];
      packet.nanoseconds = this.#timespec[2];
    }
    const verdict = sink.onQueued(packet);
    const before = this.#runVerdict[queue];
    if (before === NO_RUN) this.#queuesWithRun[this.#runs++] = queue;
    else if (before !== verdict) this.#endRun(queue);
    this.#runVerdict[queue] = verdict;
    this.#runId[queue] = packet.id;
  }

  #onAnswer(at: number): void {
    const sequence = this.data.getUint32(at + ERROR_SEQUENCE, true);
    const errno = -this.data.getInt32(at + ERROR_CODE, true);
    // Verdicts bear no number: one that was refused is of a packet that is gone.
    if (sequence === 0) return;
    this.#answerSequence = sequence;
    this.#answerErrno = errno;
  }

  /** Writes the verdict of a queue's run, if there is one. */
  #endRun(queue: number): void {
    const verdict = this.#runVerdict[queue];
    if (verdict === NO_RUN) return;
    this.#target.queue = this.#first + queue;
    writeVerdict(this.#target, this.#runId[queue], verdict as QueueVerdict);
    this.#runVerdict[queue] = NO_RUN;
  }

  #sendVerdicts(): void {
    const { bytes } = this.#writer;
    if (bytes === 0) return;
    this.#writer.clear();
    // The kernel handles them before `send` returns; only its want of memory can delay that.
    for (let tries = 0; tries < SEND_TRIES; tries++) {
      if (sendAt(this.fd, this.#verdictsAddress, bytes, MSG_DONTWAIT) >= 0) return;
    }
    throw systemError({ code: 'ERR_IO_VERDICT', doing: 'giving verdicts', errno: lastErrno() });
  }

  get #verdictsAddress(): number {
    return this.#memory.address + this.#verdictsAt;
  }

  get #messagesAddress(): number {
    return this.#memory.address + this.#messagesAt;
  }

  /** Every message has one iovec, and that a slot. */
  #writeMessages(): void {
    const { address } = this.#memory;
    for (let i = 0; i < BATCH_MESSAGES; i++) {
      const iovec = this.#iovecsAt + i * IOVEC_BYTES;
      const message = this.#messagesAt + i * MMSGHDR_BYTES;
      this.data.setBigUint64(iovec, BigInt(address + i * this.#slotBytes), true);
      this.data.setBigUint64(iovec + 8, BigInt(this.#slotBytes), true);
      this.data.setBigUint64(message + MMSGHDR_IOV, BigInt(address + iovec), true);
      this.data.setBigUint64(message + MMSGHDR_IOV_COUNT, 1n, true);
    }
  }
}
