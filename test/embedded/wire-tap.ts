/**
 * Reads what an engine sends, as a stranger on the link would: it knows frames as octets, and where
 * a frame's payload lies in the capture's file, and shares no code with engine and target.
 */
import { createHash } from 'node:crypto';
import type { Sender } from '../../src/transport/ports.ts';
import {
  EXTENTS_PER_FRAME,
  type FrameBatch,
  HEADER_SLOT_BYTES,
} from '../../src/wire/frame-batch.ts';

interface Stream {
  readonly serverPort: number;
  /** Sequence number of the stream's first octet. */
  readonly start: number;
  octets: Buffer;
  /** Which of them have been seen. */
  seen: Uint8Array;
}

const SYN = 2;

export class WireTap implements Sender {
  readonly batch: FrameBatch;
  /** By the client's address and port. */
  readonly #streams = new Map<string, Stream>();
  readonly #sender: Sender;
  readonly #file: Buffer;

  /** @param file the capture, of which payload is cut as the kernel would */
  constructor(sender: Sender, file: Buffer) {
    this.#sender = sender;
    this.batch = sender.batch;
    this.#file = file;
  }

  flush(): void {
    for (let frame = 0; frame < this.batch.count; frame++) this.#read(frame);
    this.#sender.flush();
  }

  /** Digests of the client streams to a port, sorted. @throws where one has a hole */
  digestsTo(serverPort: number): string[] {
    const streams = [...this.#streams.values()].filter((each) => each.serverPort === serverPort);
    return streams.map(({ octets, seen }) => {
      if (seen.includes(0)) throw new Error(`a stream to ${serverPort} has a hole`);
      return createHash('sha256').update(octets).digest('hex');
    });
  }

  #read(frame: number): void {
    const slot = frame * HEADER_SLOT_BYTES;
    const header = Buffer.from(this.batch.headers.slice(slot, slot + HEADER_SLOT_BYTES));
    const isIpv4 = header[0] >>> 4 === 4;
    const ipBytes = isIpv4 ? (header[0] & 0x0f) * 4 : 40;
    const source = header.subarray(isIpv4 ? 12 : 8, isIpv4 ? 16 : 24).toString('hex');
    const tcp = header.subarray(ipBytes);
    const key = `${source}:${tcp.readUInt16BE(0)}`;
    const seq = tcp.readUInt32BE(4);
    if (tcp[13] & SYN) {
      if (this.#streams.has(key)) return;
      const start = (seq + 1) >>> 0;
      const nothing = { octets: Buffer.alloc(0), seen: new Uint8Array(0) };
      this.#streams.set(key, { serverPort: tcp.readUInt16BE(2), start, ...nothing });
      return;
    }
    const stream = this.#streams.get(key);
    if (stream === undefined) throw new Error(`${key} sends without a SYN`);
    this.#put(stream, (seq - stream.start) >>> 0, this.#payloadOf(frame));
  }

  #payloadOf(frame: number): Buffer {
    const { extentCount, extentOffset, extentBytes } = this.batch;
    const rows = Array.from(
      { length: extentCount[frame] },
      (_, i) => frame * EXTENTS_PER_FRAME + i,
    );
    return Buffer.concat(
      rows.map((row) =>
        this.#file.subarray(extentOffset[row], extentOffset[row] + extentBytes[row]),
      ),
    );
  }

  /** @throws where octets differ from those that were sent before */
  #put(stream: Stream, offset: number, payload: Buffer): void {
    if (payload.length === 0) return;
    const end = offset + payload.length;
    if (end > stream.octets.length) {
      stream.octets = Buffer.concat([stream.octets], end);
      const seen = new Uint8Array(end);
      seen.set(stream.seen);
      stream.seen = seen;
    }
    for (let i = 0; i < payload.length; i++) {
      if (stream.seen[offset + i] === 1 && stream.octets[offset + i] !== payload[i]) {
        throw new Error(`octet ${offset + i} was sent twice and is not the same`);
      }
    }
    payload.copy(stream.octets, offset);
    stream.seen.fill(1, offset, end);
  }
}
