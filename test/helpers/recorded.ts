/** Scripts and the octets behind them, made up for a test instead of read from a capture. */
import { ReplayError } from '../../src/base/errors.ts';
import { Prng } from '../../src/base/prng.ts';
import { type Scripts, type StreamColumns, StreamEnd } from '../../src/session/script/scripts.ts';
import type { CaptureBytes } from '../../src/transport/ports.ts';

/** What one side writes in one go. */
export interface RecordedMessage {
  readonly from: 'client' | 'server';
  readonly octets: Uint8Array;
  readonly thinkNs?: number;
  /** From the session's first SYN; 0 unless given. */
  readonly offsetNs?: number;
  /** Octets of the other stream it waits for; all that stand before it without this. */
  readonly awaits?: number;
}

export interface RecordedEnd {
  readonly how: StreamEnd;
  readonly thinkNs?: number;
  /** As `RecordedMessage`'s. */
  readonly offsetNs?: number;
  readonly afterPeer?: boolean;
  readonly awaits?: number;
}

export interface RecordedSession {
  readonly startNs?: number;
  readonly connectNs?: number;
  readonly endpoint?: { readonly address: string; readonly port: number };
  /** In the order in which they were said. */
  readonly messages: readonly RecordedMessage[];
  readonly clientEnd?: RecordedEnd;
  readonly serverEnd?: RecordedEnd;
}

/** A capture in memory. */
export class MemoryCapture implements CaptureBytes {
  readonly octets: Uint8Array;
  reads = 0;

  constructor(octets: Uint8Array) {
    this.octets = octets;
  }

  read(offset: number, into: Uint8Array): void {
    this.reads++;
    if (offset + into.length > this.octets.length) {
      throw new ReplayError({
        code: 'ERR_TEST_SHORT',
        kind: 'capture',
        message: `no ${into.length} octets at ${offset}`,
      });
    }
    into.set(this.octets.subarray(offset, offset + into.length));
  }
}

export interface Recorded {
  readonly scripts: Scripts;
  readonly capture: MemoryCapture;
  /** The whole stream of a side of a session. */
  streamOf(side: 'client' | 'server', session: number): Uint8Array;
}

const DEFAULT_ENDPOINT = { address: '192.0.2.80', port: 80 };

/**
 * Lays the sessions out as a capture would: each stream cut into extents of at most
 * `extentBytesMax` octets (by `seed`), with other octets between them.
 */
export function record(
  sessions: readonly RecordedSession[],
  { extentBytesMax = 1448, seed = 1 } = {},
): Recorded {
  const prng = new Prng(seed);
  const pieces: Uint8Array[] = [];
  let captureBytes = 0;
  const place = (octets: Uint8Array): number => {
    const gap = new Uint8Array(1 + (prng.nextUint32() % 66)).fill(0xee);
    pieces.push(gap, octets);
    captureBytes += gap.length + octets.length;
    return captureBytes - octets.length;
  };
  const client = new StreamBuilder('client', place, prng, extentBytesMax);
  const server = new StreamBuilder('server', place, prng, extentBytesMax);
  for (const session of sessions) {
    client.add(session);
    server.add(session);
  }
  const octets = new Uint8Array(captureBytes);
  let at = 0;
  for (const piece of pieces) {
    octets.set(piece, at);
    at += piece.length;
  }
  const endpoints = sessions.map(({ endpoint }) => endpoint ?? DEFAULT_ENDPOINT);
  const distinct = endpoints.filter(
    (each, i) => endpoints.findIndex((other) => isSame(other, each)) === i,
  );
  const scripts: Scripts = {
    sessions: sessions.length,
    files: [{ path: 'memory', base: 0, bytes: octets.length }],
    startNs: Float64Array.from(sessions, ({ startNs }) => startNs ?? 0),
    connectNs: Float64Array.from(sessions, ({ connectNs }) => connectNs ?? 0),
    durationNs: new Float64Array(sessions.length),
    endpoint: Uint16Array.from(endpoints, (each) =>
      distinct.findIndex((other) => isSame(other, each)),
    ),
    endpoints: distinct,
    protocol: new Uint8Array(sessions.length),
    clientAddress: Uint32Array.from(sessions, (_, session) => session),
    client: client.columns(),
    server: server.columns(),
  };
  return {
    scripts,
    capture: new MemoryCapture(octets),
    streamOf: (side, session) => (side === 'client' ? client : server).streams[session],
  };
}

const isSame = (
  a: { address: string; port: number },
  b: { address: string; port: number },
): boolean => a.address === b.address && a.port === b.port;

class StreamBuilder {
  readonly streams: Uint8Array[] = [];
  readonly #side: 'client' | 'server';
  readonly #place: (octets: Uint8Array) => number;
  readonly #prng: Prng;
  readonly #extentBytesMax: number;
  readonly #firstMessage = [0];
  readonly #messageEnd: number[] = [];
  readonly #messageAwait: number[] = [];
  readonly #messageThinkNs: number[] = [];
  readonly #messageOffsetNs: number[] = [];
  readonly #firstExtent = [0];
  readonly #extentStart: number[] = [];
  readonly #extentBytes: number[] = [];
  readonly #extentOffset: number[] = [];
  readonly #ends: Record<'how' | 'awaits' | 'afterPeer' | 'thinkNs' | 'offsetNs', number>[] = [];

  constructor(
    side: 'client' | 'server',
    place: (octets: Uint8Array) => number,
    prng: Prng,
    extentBytesMax: number,
  ) {
    this.#side = side;
    this.#place = place;
    this.#prng = prng;
    this.#extentBytesMax = extentBytesMax;
  }

  add(session: RecordedSession): void {
    const said: Uint8Array[] = [];
    let bytesSaid = 0;
    let peerBytes = 0;
    for (const { from, octets, awaits, thinkNs, offsetNs } of session.messages) {
      if (from !== this.#side) {
        peerBytes += octets.length;
        continue;
      }
      said.push(octets);
      bytesSaid += octets.length;
      this.#messageEnd.push(bytesSaid);
      this.#messageAwait.push(awaits ?? peerBytes);
      this.#messageThinkNs.push(thinkNs ?? 0);
      this.#messageOffsetNs.push(offsetNs ?? 0);
    }
    const octets = new Uint8Array(Buffer.concat(said));
    this.streams.push(octets);
    for (let at = 0; at < octets.length; ) {
      const bytes = Math.min(
        octets.length - at,
        1 + (this.#prng.nextUint32() % this.#extentBytesMax),
      );
      this.#extentStart.push(at);
      this.#extentBytes.push(bytes);
      this.#extentOffset.push(this.#place(octets.subarray(at, at + bytes)));
      at += bytes;
    }
    const end = this.#side === 'client' ? session.clientEnd : session.serverEnd;
    this.#ends.push({
      how: end?.how ?? StreamEnd.OPEN,
      awaits: end?.awaits ?? peerBytes,
      afterPeer: end?.afterPeer === true ? 1 : 0,
      thinkNs: end?.thinkNs ?? 0,
      offsetNs: end?.offsetNs ?? 0,
    });
    this.#firstMessage.push(this.#messageEnd.length);
    this.#firstExtent.push(this.#extentStart.length);
  }

  columns(): StreamColumns {
    return {
      firstMessage: Uint32Array.from(this.#firstMessage),
      messageEnd: Uint32Array.from(this.#messageEnd),
      messageAwait: Uint32Array.from(this.#messageAwait),
      messageOffsetNs: Float64Array.from(this.#messageOffsetNs),
      messageThinkNs: Float64Array.from(this.#messageThinkNs),
      firstExtent: Uint32Array.from(this.#firstExtent),
      extentStart: Uint32Array.from(this.#extentStart),
      extentBytes: Uint32Array.from(this.#extentBytes),
      extentOffset: Float64Array.from(this.#extentOffset),
      end: Uint8Array.from(this.#ends, ({ how }) => how),
      endAwait: Uint32Array.from(this.#ends, ({ awaits }) => awaits),
      endAfterPeer: Uint8Array.from(this.#ends, ({ afterPeer }) => afterPeer),
      endOffsetNs: Float64Array.from(this.#ends, ({ offsetNs }) => offsetNs),
      endThinkNs: Float64Array.from(this.#ends, ({ thinkNs }) => thinkNs),
    };
  }
}

/** `bytes` octets that differ by `seed`. */
export function randomOctets(bytes: number, seed: number): Uint8Array {
  const prng = new Prng(seed);
  const octets = new Uint8Array(bytes);
  for (let i = 0; i < bytes; i++) octets[i] = prng.nextUint32();
  return octets;
}

export const said = (from: 'client' | 'server', text: string, thinkNs = 0): RecordedMessage => ({
  from,
  octets: new TextEncoder().encode(text),
  thinkNs,
});
