/** Sessions written down by hand, as Scripts over octets in memory. */

import { type Scripts, type StreamColumns, StreamEnd } from '../../src/session/script/scripts.ts';
import type { CaptureBytes } from '../../src/transport/ports.ts';

const MS = 1_000_000;

export interface Said {
  readonly from: 'client' | 'server';
  /** The text, a character an octet, or so many octets of made-up payload. */
  readonly text: string | number;
  /** Recorded time after the event before it. */
  readonly afterMs?: number;
  /** Octets of the other stream this side had by then; all of them unless given. */
  readonly awaited?: number;
}

export interface SessionSpec {
  readonly startMs?: number;
  readonly connectMs?: number;
  readonly said: readonly Said[];
  /** Who ended first, and how long after the last event; the other follows at once. */
  readonly end?: 'client' | 'server' | 'client-rst' | 'server-rst' | 'open' | 'half-close';
  readonly endAfterMs?: number;
  /** Octets of the server's stream that the client had when it ended; all of them unless given. */
  readonly endAwaited?: number;
  readonly port?: number;
  /** Whose session it is; another client's than all others unless given. */
  readonly client?: number;
}

export interface HandMade {
  readonly scripts: Scripts;
  readonly capture: CaptureBytes;
}

interface Side {
  firstMessage: number[];
  messageEnd: number[];
  messageAwait: number[];
  messageOffsetNs: number[];
  messageThinkNs: number[];
  firstExtent: number[];
  extentStart: number[];
  extentBytes: number[];
  extentOffset: number[];
  end: number[];
  endAwait: number[];
  endAfterPeer: number[];
  endOffsetNs: number[];
  endThinkNs: number[];
}

const newSide = (): Side => ({
  firstMessage: [0],
  messageEnd: [],
  messageAwait: [],
  messageOffsetNs: [],
  messageThinkNs: [],
  firstExtent: [0],
  extentStart: [],
  extentBytes: [],
  extentOffset: [],
  end: [],
  endAwait: [],
  endAfterPeer: [],
  endOffsetNs: [],
  endThinkNs: [],
});

/**
 * @param extentBytesMax payload lies in pieces of at most this many octets, with gaps between
 * @param memory the joined capture so far: what is made goes behind it, and can be read with it
 */
export function handMade(
  specs: readonly SessionSpec[],
  extentBytesMax = 1448,
  memory: number[] = [],
): HandMade {
  const client = newSide();
  const server = newSide();
  const startNs: number[] = [];
  const connectNs: number[] = [];
  const durationNs: number[] = [];
  const endpoint: number[] = [];
  const ports: number[] = [];
  for (const [index, spec] of specs.entries()) {
    const connect = (spec.connectMs ?? 1) * MS;
    let nowNs = connect;
    const written = { client: 0, server: 0 };
    for (const [turn, said] of spec.said.entries()) {
      const side = said.from === 'client' ? client : server;
      const other = said.from === 'client' ? 'server' : 'client';
      nowNs += (said.afterMs ?? 0) * MS;
      const octets = octetsOf(said.text, index * 31 + turn);
      appendExtents(side, memory, octets, written[said.from], extentBytesMax);
      written[said.from] += octets.length;
      side.messageEnd.push(written[said.from]);
      side.messageAwait.push(said.awaited ?? written[other]);
      side.messageOffsetNs.push(nowNs);
      side.messageThinkNs.push((said.afterMs ?? 0) * MS);
    }
    const end = spec.end ?? 'client';
    const endNs = nowNs + (spec.endAfterMs ?? 0) * MS;
    const first = end.startsWith('server') ? server : client;
    for (const side of [client, server]) {
      side.firstMessage.push(side.messageEnd.length);
      side.firstExtent.push(side.extentStart.length);
      const otherWritten = side === client ? written.server : written.client;
      const isFirst = side === first;
      const isReset = end.endsWith('-rst');
      side.end.push(endOf(end, isFirst, isReset));
      const clientAwaited = end === 'half-close' ? 0 : (spec.endAwaited ?? otherWritten);
      side.endAwait.push(side === client ? clientAwaited : otherWritten);
      side.endAfterPeer.push(!isFirst && end !== 'open' && !isReset ? 1 : 0);
      side.endOffsetNs.push(endNs);
      side.endThinkNs.push(isFirst ? (spec.endAfterMs ?? 0) * MS : 0);
    }
    startNs.push((spec.startMs ?? 0) * MS);
    connectNs.push(connect);
    durationNs.push(endNs);
    const port = spec.port ?? 80;
    if (!ports.includes(port)) ports.push(port);
    endpoint.push(ports.indexOf(port));
  }
  const scripts: Scripts = {
    sessions: specs.length,
    files: [{ path: 'hand-made', base: 0, bytes: memory.length }],
    startNs: Float64Array.from(startNs),
    connectNs: Float64Array.from(connectNs),
    durationNs: Float64Array.from(durationNs),
    endpoint: Uint16Array.from(endpoint),
    endpoints: ports.map((port) => ({ address: '10.0.0.1', port })),
    protocol: Uint8Array.from(specs, ({ said }) => (/ HTTP\/1\./.test(`${said[0]?.text}`) ? 1 : 0)),
    clientAddress: Uint32Array.from(specs, (spec, index) => spec.client ?? 0x8000_0000 + index),
    client: columnsOf(client),
    server: columnsOf(server),
  };
  return {
    scripts,
    capture: {
      read: (offset, into) => into.set(memory.slice(offset, offset + into.length)),
    },
  };
}

function endOf(end: string, isFirst: boolean, isReset: boolean): number {
  if (end === 'open') return StreamEnd.OPEN;
  if (isReset) return isFirst ? StreamEnd.RST : StreamEnd.OPEN;
  return StreamEnd.FIN;
}

function octetsOf(text: string | number, seed: number): Uint8Array {
  if (typeof text === 'string') return Buffer.from(text, 'latin1');
  return Uint8Array.from({ length: text }, (_, i) => (i * 7 + seed * 13 + (i >>> 8)) & 0xff);
}

function appendExtents(
  side: Side,
  memory: number[],
  octets: Uint8Array,
  start: number,
  extentBytesMax: number,
): void {
  for (let at = 0; at < octets.length; at += extentBytesMax) {
    const bytes = Math.min(extentBytesMax, octets.length - at);
    // What is not payload: nothing may ever be read from it.
    memory.push(0xee, 0xee, 0xee);
    side.extentStart.push(start + at);
    side.extentBytes.push(bytes);
    side.extentOffset.push(memory.length);
    for (let i = 0; i < bytes; i++) memory.push(octets[at + i]);
  }
}

const columnsOf = (side: Side): StreamColumns => ({
  firstMessage: Uint32Array.from(side.firstMessage),
  messageEnd: Uint32Array.from(side.messageEnd),
  messageAwait: Uint32Array.from(side.messageAwait),
  messageOffsetNs: Float64Array.from(side.messageOffsetNs),
  messageThinkNs: Float64Array.from(side.messageThinkNs),
  firstExtent: Uint32Array.from(side.firstExtent),
  extentStart: Uint32Array.from(side.extentStart),
  extentBytes: Uint32Array.from(side.extentBytes),
  extentOffset: Float64Array.from(side.extentOffset),
  end: Uint8Array.from(side.end),
  endAwait: Uint32Array.from(side.endAwait),
  endAfterPeer: Uint8Array.from(side.endAfterPeer),
  endOffsetNs: Float64Array.from(side.endOffsetNs),
  endThinkNs: Float64Array.from(side.endThinkNs),
});
