/**
 * A server that takes one client's whole stream, answers it with a few octets and closes: TCP as a
 * kernel does it on that side, written apart from `src` (it reads and writes headers by itself), so
 * that a mistake of the client's is not repeated here. It keeps whatever comes out of order, and when
 * it acknowledges is the test's choice.
 */
import { Instant } from '../../src/base/instant.ts';
import type { CaptureBytes, PacketSink, Receiver, Sender } from '../../src/transport/ports.ts';
import { EXTENTS_PER_FRAME, FrameBatch, HEADER_SLOT_BYTES } from '../../src/wire/frame-batch.ts';

/** When in-order data is acknowledged. What is out of order, or fills a hole, is so at once. */
export interface AckPolicy {
  /** With the segment that makes so many unacknowledged ones. */
  readonly segments: number;
  /** Or when the first of them has waited for so long. */
  readonly delayNs: number;
}

export interface SinkOptions {
  readonly capture: CaptureBytes;
  /** What the client is to say. */
  readonly stream: Uint8Array;
  readonly answerBytes: number;
  readonly ack: AckPolicy;
  readonly mss: number;
  readonly windowBytes: number;
  readonly timestamps: boolean;
  /** Reports what it keeps (RFC 2018) and what came twice (RFC 2883), to a client that offers it. */
  readonly sack?: boolean;
}

const ISS = 0x7fff_f000;
const WINDOW_SHIFT = 7;
const FIN = 0x01;
const SYN = 0x02;
const RST = 0x04;
const PSH = 0x08;
const ACK = 0x10;
const IP_BYTES = 20;
const TCP_BYTES = 20;
const TIMESTAMPS_BYTES = 12;
const SYN_OPTIONS_BYTES = 20;
const RETRANSMIT_NS = 1e9;
const NEVER_NS = Number.POSITIVE_INFINITY;

const after = (a: number, b: number): number => (a - b) | 0;

export class SinkServer implements Sender, Receiver {
  readonly batch = new FrameBatch(1024);
  readonly data = new DataView(new ArrayBuffer(HEADER_SLOT_BYTES * 2));
  /** Octets that came and were not those of the stream; none, if all is well. */
  wrongOctets = 0;
  /** When the last octet of the stream had come in. */
  takenNs = NEVER_NS;
  /** Payload octets that came, repetitions included, and segments that bore them. */
  payloadBytes = 0;
  segments = 0;
  acks = 0;

  readonly #options: SinkOptions;
  readonly #replies: Uint8Array[] = [];
  /** The client's address and port, and ours, as octets of its SYN; none before it. */
  #ends: { client: Uint8Array; server: Uint8Array; ports: [number, number] } | null = null;
  #irs = 0;
  /** Octets of the stream that have come without a hole, and intervals behind holes. */
  #taken = 0;
  #kept: [from: number, to: number][] = [];
  #finAt = -1;
  #hasPeerFin = false;
  #hasSack = false;
  /** Where the newest segment lies, and what of it had come before. */
  #newest = 0;
  #twice: [from: number, to: number] | null = null;
  #tsRecent = 0;
  #lastAckSent = 0;
  #owedSegments = 0;
  #ackDueNs = NEVER_NS;
  /** Our own sequence space behind the SYN: the answer and a FIN, sent and acknowledged. */
  #sent = 0;
  #acked = 0;
  #retransmitDueNs = NEVER_NS;
  #waitNs = RETRANSMIT_NS;
  #nowNs = 0;

  constructor(options: SinkOptions) {
    this.#options = options;
  }

  nextDueNs(): number {
    if (this.#replies.length > 0) return this.#nowNs;
    return Math.min(this.#ackDueNs, this.#retransmitDueNs);
  }

  onTimeout(nowNs: number): void {
    this.#nowNs = Math.max(this.#nowNs, nowNs);
    if (this.#ackDueNs <= nowNs) this.#acknowledge();
    if (this.#retransmitDueNs > nowNs) return;
    this.#waitNs *= 2;
    this.#say();
  }

  flush(): void {
    const { batch } = this;
    for (let frame = 0; frame < batch.count; frame++) this.#onFrame(frame);
    batch.count = 0;
    batch.firstNs = this.#nowNs;
  }

  receive(limit: number, sink: PacketSink): number {
    let packets = 0;
    for (; packets < limit; packets++) {
      const reply = this.#replies.shift();
      if (reply === undefined) break;
      new Uint8Array(this.data.buffer).set(reply);
      sink.onPacket(0, reply.length, new Instant(this.#nowNs));
    }
    return packets;
  }

  #onFrame(frame: number): void {
    const at = frame * HEADER_SLOT_BYTES;
    const { headerData, headers } = this.batch;
    const tcp = at + IP_BYTES;
    const flags = headerData.getUint8(tcp + 13);
    const seq = headerData.getUint32(tcp + 4);
    const tsVal = this.#timestampOf(tcp);
    if (flags & RST) return;
    if (flags & SYN) {
      this.#ends ??= {
        client: headers.slice(at + 12, at + 16),
        server: headers.slice(at + 16, at + 20),
        ports: [headerData.getUint16(tcp), headerData.getUint16(tcp + 2)],
      };
      this.#irs = seq;
      this.#hasSack = this.#options.sack === true && this.#optionAt(tcp, 4) > 0;
      this.#tsRecent = tsVal;
      this.#reply(SYN | ACK, 0, 0);
      return;
    }
    this.#onAck(after(headerData.getUint32(tcp + 8), ISS) - 1);
    const offset = (seq - this.#irs - 1) >>> 0;
    if (offset <= this.#lastAckSent) this.#tsRecent = tsVal;
    const octets = this.#payloadOf(frame);
    if (octets.length === 0 && !(flags & FIN)) return;
    this.#take(offset, octets, (flags & FIN) !== 0);
  }

  #timestampOf(tcp: number): number {
    const { headerData } = this.batch;
    const isSyn = (headerData.getUint8(tcp + 13) & SYN) !== 0;
    const at = this.#optionAt(tcp, 8);
    if (at > 0) return headerData.getUint32(at + 2);
    return isSyn ? 0 : this.#tsRecent;
  }

  /** Where the option of that kind stands; 0 where there is none. */
  #optionAt(tcp: number, wanted: number): number {
    const { headerData } = this.batch;
    const end = tcp + (headerData.getUint8(tcp + 12) >>> 4) * 4;
    for (let at = tcp + TCP_BYTES; at < end; ) {
      const kind = headerData.getUint8(at);
      if (kind === wanted) return at;
      at += kind <= 1 ? 1 : headerData.getUint8(at + 1);
    }
    return 0;
  }

  #payloadOf(frame: number): Uint8Array {
    const { batch } = this;
    const first = frame * EXTENTS_PER_FRAME;
    const behind = first + batch.extentCount[frame];
    let bytes = 0;
    for (let row = first; row < behind; row++) bytes += batch.extentBytes[row];
    const payload = new Uint8Array(bytes);
    let at = 0;
    for (let row = first; row < behind; row++) {
      const end = at + batch.extentBytes[row];
      this.#options.capture.read(batch.extentOffset[row], payload.subarray(at, end));
      at = end;
    }
    return payload;
  }

  #onAck(acked: number): void {
    if (acked <= this.#acked) return;
    this.#acked = acked;
    this.#waitNs = RETRANSMIT_NS;
    const isAll = acked === this.#sent;
    this.#retransmitDueNs = isAll ? NEVER_NS : this.#nowNs + this.#waitNs;
  }

  #take(offset: number, octets: Uint8Array, hasFin: boolean): void {
    const { stream, ack } = this.#options;
    // Octets are gone through one by one only where some are wrong: nearly never, and they are many.
    if (Buffer.compare(octets, stream.subarray(offset, offset + octets.length)) !== 0) {
      for (const [i, octet] of octets.entries()) {
        if (octet !== stream[offset + i]) this.wrongOctets++;
      }
    }
    this.payloadBytes += octets.length;
    if (octets.length > 0) this.segments++;
    if (hasFin) this.#finAt = offset + octets.length;
    const isInOrder = offset <= this.#taken && this.#kept.length === 0;
    const before = this.#taken;
    const end = offset + octets.length;
    this.#newest = offset;
    if (octets.length > 0 && this.#hasAll(offset, end)) this.#twice = [offset, end];
    this.#keep(offset, offset + octets.length);
    if (before < stream.length && this.#taken >= stream.length) this.takenNs = this.#nowNs;
    const isEnd = this.#taken === this.#finAt && !this.#hasPeerFin;
    if (isEnd) this.#hasPeerFin = true;
    const isDone = this.#taken >= stream.length;
    if (isEnd || (isDone && this.#sent === 0)) {
      this.#say();
      return;
    }
    this.#owedSegments++;
    if (!isInOrder || this.#taken === before || this.#owedSegments >= ack.segments) {
      this.#acknowledge();
    } else if (this.#ackDueNs === NEVER_NS) {
      this.#ackDueNs = this.#nowNs + ack.delayNs;
    }
  }

  #hasAll(from: number, to: number): boolean {
    return to <= this.#taken || this.#kept.some(([first, last]) => first <= from && to <= last);
  }

  /** What came twice, the interval of the newest segment, and others from the last back. */
  #blocks(): [number, number][] {
    if (!this.#hasSack) return [];
    const isNewest = ([from, to]: [number, number]): boolean =>
      from <= this.#newest && this.#newest < to;
    const others = this.#kept.filter((each) => !isNewest(each)).reverse();
    const twice = this.#twice === null ? [] : [this.#twice];
    this.#twice = null;
    const blocks = [...twice, ...this.#kept.filter(isNewest), ...others];
    return blocks.slice(0, this.#options.timestamps ? 3 : 4);
  }

  #keep(from: number, to: number): void {
    const kept = [...this.#kept, [from, to] as [number, number]].sort((a, b) => a[0] - b[0]);
    this.#kept = [];
    for (const [first, last] of kept) {
      const before = this.#kept.at(-1);
      if (first <= this.#taken) this.#taken = Math.max(this.#taken, last);
      else if (before !== undefined && first <= before[1]) before[1] = Math.max(before[1], last);
      else this.#kept.push([first, last]);
    }
  }

  #acknowledge(): void {
    this.acks++;
    this.#reply(ACK, 1 + this.#sent, 0);
  }

  /** The answer, and the FIN once the client has ended: what of it is not acknowledged. */
  #say(): void {
    const { answerBytes } = this.#options;
    const from = Math.min(this.#acked, answerBytes);
    const bytes = answerBytes - from;
    const hasFin = this.#hasPeerFin;
    this.#sent = answerBytes + (hasFin ? 1 : 0);
    this.#retransmitDueNs = this.#sent === this.#acked ? NEVER_NS : this.#nowNs + this.#waitNs;
    this.#reply(ACK | (bytes > 0 ? PSH : 0) | (hasFin ? FIN : 0), 1 + from, bytes);
  }

  #reply(flags: number, seqOffset: number, payloadBytes: number): void {
    if (this.#ends === null) return;
    this.#lastAckSent = this.#taken;
    this.#owedSegments = 0;
    this.#ackDueNs = NEVER_NS;
    const { mss, windowBytes, timestamps } = this.#options;
    const { client, server, ports } = this.#ends;
    const isSyn = (flags & SYN) !== 0;
    const timestampBytes = timestamps ? TIMESTAMPS_BYTES : 0;
    const blocks = isSyn || payloadBytes > 0 ? [] : this.#blocks();
    const sackBytes = blocks.length === 0 ? 0 : 4 + 8 * blocks.length;
    const tcpBytes = TCP_BYTES + (isSyn ? SYN_OPTIONS_BYTES : timestampBytes + sackBytes);
    const packet = new Uint8Array(IP_BYTES + tcpBytes + payloadBytes);
    const view = new DataView(packet.buffer);
    packet[0] = 0x45;
    view.setUint16(2, packet.length);
    packet[8] = 64;
    packet[9] = 6;
    packet.set(server, 12);
    packet.set(client, 16);
    const tcp = IP_BYTES;
    view.setUint16(tcp, ports[1]);
    view.setUint16(tcp + 2, ports[0]);
    view.setUint32(tcp + 4, ISS + seqOffset);
    view.setUint32(tcp + 8, this.#irs + 1 + this.#taken + (this.#hasPeerFin ? 1 : 0));
    packet[tcp + 12] = (tcpBytes / 4) << 4;
    packet[tcp + 13] = flags;
    view.setUint16(tcp + 14, isSyn ? Math.min(windowBytes, 0xffff) : windowBytes >>> WINDOW_SHIFT);
    // SYN: MSS, window scale, timestamps (or padding); else NOP, NOP, timestamps.
    const options = isSyn ? [2, 4, mss >>> 8, mss & 0xff, 1, 3, 3, WINDOW_SHIFT] : [];
    if (timestamps) options.push(...(isSyn && this.#hasSack ? [4, 2] : [1, 1]), 8, 10);
    packet.set(options, tcp + TCP_BYTES);
    if (timestamps) {
      const at = tcp + TCP_BYTES + options.length;
      view.setUint32(at, Math.floor(this.#nowNs / 1e6));
      view.setUint32(at + 4, this.#tsRecent);
    } else if (isSyn) {
      packet.fill(1, tcp + TCP_BYTES + options.length);
      if (this.#hasSack) packet.set([4, 2], tcp + TCP_BYTES + options.length);
    }
    const sackAt = tcp + TCP_BYTES + timestampBytes;
    if (blocks.length > 0) packet.set([1, 1, 5, sackBytes - 2], sackAt);
    for (const [i, edge] of blocks.flat().entries()) {
      view.setUint32(sackAt + 4 + 4 * i, this.#irs + 1 + edge);
    }
    this.#replies.push(packet);
  }
}
