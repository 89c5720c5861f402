/**
 * Between an engine that writes messages during the run and a server: copies what lies in the arena when
 * it is handed over, as a kernel does, and puts together what arrives, without any of the engine's code.
 */
import type { CaptureBytes, PacketSink, Receiver, Sender } from '../../src/transport/ports.ts';
import {
  ARENA_BASE,
  EXTENTS_PER_FRAME,
  type FrameBatch,
  HEADER_SLOT_BYTES,
} from '../../src/wire/frame-batch.ts';

const SYN = 0x02;
const RST = 0x04;
const IPV4_BYTES = 20;

/** Octets that were in the arena when they were sent; places in it are extents again. */
export class SentCopies {
  #octets = new Uint8Array(1 << 16);
  #bytes = 0;

  /** A sender that copies and hands on. */
  before(sender: Sender, arena: Uint8Array): Sender {
    const { batch } = sender;
    return {
      batch,
      flush: () => {
        for (let frame = 0; frame < batch.count; frame++) this.#copy(batch, frame, arena);
        sender.flush();
      },
    };
  }

  /** The capture, with what was sent behind ARENA_BASE. */
  behind(capture: CaptureBytes): CaptureBytes {
    return {
      read: (offset, into) => {
        if (offset < ARENA_BASE) capture.read(offset, into);
        else
          into.set(this.#octets.subarray(offset - ARENA_BASE, offset - ARENA_BASE + into.length));
      },
    };
  }

  #copy({ extentCount, extentOffset, extentBytes }: FrameBatch, frame: number, arena: Uint8Array) {
    const first = frame * EXTENTS_PER_FRAME;
    for (let extent = first; extent < first + extentCount[frame]; extent++) {
      if (extentOffset[extent] < ARENA_BASE) continue;
      const place = extentOffset[extent] - ARENA_BASE;
      while (this.#bytes + extentBytes[extent] > this.#octets.length) {
        const grown = new Uint8Array(2 * this.#octets.length);
        grown.set(this.#octets);
        this.#octets = grown;
      }
      this.#octets.set(arena.subarray(place, place + extentBytes[extent]), this.#bytes);
      extentOffset[extent] = ARENA_BASE + this.#bytes;
      this.#bytes += extentBytes[extent];
    }
  }
}

/** What one connection's server has got. */
interface Heard {
  readonly irs: number;
  octets: Uint8Array;
  /** 1 for each octet that has come. */
  has: Uint8Array;
}

const NOTHING: Heard = { irs: 0, octets: new Uint8Array(0), has: new Uint8Array(0) };

/** Stands before a server (IPv4) and puts its clients' streams together. */
export class ServerTap implements Sender, Receiver {
  readonly batch: FrameBatch;
  readonly data: DataView;
  /** Octets that came again and were others than before. */
  changed = 0;
  readonly #server: Sender & Receiver;
  readonly #capture: CaptureBytes;
  /** By the client's `address:port`. */
  readonly #heard = new Map<string, Heard>();

  constructor(server: Sender & Receiver, capture: CaptureBytes) {
    this.batch = server.batch;
    this.data = server.data;
    this.#server = server;
    this.#capture = capture;
  }

  flush(): void {
    for (let frame = 0; frame < this.batch.count; frame++) this.#onFrame(frame);
    this.#server.flush();
  }

  receive(limit: number, sink: PacketSink): number {
    return this.#server.receive(limit, sink);
  }

  /** What has come of a client's stream, up to the first hole. */
  streamOf(low: number, port: number): Uint8Array {
    const { octets, has } = this.#heard.get(`${low}:${port}`) ?? NOTHING;
    const end = has.indexOf(0);
    return octets.subarray(0, end < 0 ? octets.length : end);
  }

  #onFrame(frame: number): void {
    const at = frame * HEADER_SLOT_BYTES;
    const { headerData } = this.batch;
    const tcp = at + IPV4_BYTES;
    const key = `${headerData.getUint32(at + 12)}:${headerData.getUint16(tcp)}`;
    const seq = headerData.getUint32(tcp + 4);
    const flags = headerData.getUint8(tcp + 13);
    if (flags & RST) return;
    if (flags & SYN) {
      if (!this.#heard.has(key)) {
        this.#heard.set(key, { irs: seq, octets: new Uint8Array(0), has: new Uint8Array(0) });
      }
      return;
    }
    const heard = this.#heard.get(key);
    if (heard !== undefined) this.#take(heard, (seq - heard.irs - 1) >>> 0, frame);
  }

  #take(heard: Heard, start: number, frame: number): void {
    const { extentCount, extentOffset, extentBytes } = this.batch;
    const first = frame * EXTENTS_PER_FRAME;
    let offset = start;
    for (let extent = first; extent < first + extentCount[frame]; extent++) {
      const piece = new Uint8Array(extentBytes[extent]);
      this.#capture.read(extentOffset[extent], piece);
      this.#keep(heard, offset, piece);
      offset += piece.length;
    }
  }

  #keep(heard: Heard, offset: number, piece: Uint8Array): void {
    const end = offset + piece.length;
    if (end > heard.octets.length) {
      const [octets, has] = [new Uint8Array(end), new Uint8Array(end)];
      octets.set(heard.octets);
      has.set(heard.has);
      heard.octets = octets;
      heard.has = has;
    }
    for (const [i, octet] of piece.entries()) {
      if (heard.has[offset + i] === 1 && heard.octets[offset + i] !== octet) this.changed++;
      heard.octets[offset + i] = octet;
      heard.has[offset + i] = 1;
    }
  }
}
