/** Conversations of HTTP written down by hand, as a capture. */
import {
  ACK,
  ethernet,
  FIN,
  type FrameSpec,
  ipv4,
  PCAP_NANOSECONDS,
  PSH,
  pcap,
  SYN,
  synOptions,
  tcp,
} from './packets.ts';

/** A connection to port 80 of 10.0.0.1. */
export interface Connection {
  readonly client: string;
  /** What is asked and what is answered; undefined: the answer was not captured. */
  readonly exchanges: readonly (readonly [asked: string, answered: string | undefined])[];
}

const SERVER = '10.0.0.1';
const SEGMENT_BYTES = 1400;
const PACKET_NS = 1e6;
const CONNECTION_NS = 5e8;

/** Connections one after the other. */
export const httpCapture = (connections: readonly Connection[]): Uint8Array =>
  pcap(
    connections.flatMap((each, i) => framesOf(each, i)),
    { magic: PCAP_NANOSECONDS },
  );

function framesOf({ client, exchanges }: Connection, number: number): FrameSpec[] {
  const frames: FrameSpec[] = [];
  const seq = { client: 1000, server: 5000 };
  const say = (from: 'client' | 'server', flags: number, payload = new Uint8Array(0)): void => {
    const isClient = from === 'client';
    const to = isClient ? 'server' : 'client';
    const body = tcp({
      sourcePort: isClient ? 40_000 + number : 80,
      destinationPort: isClient ? 80 : 40_000 + number,
      ...{ seq: seq[from], ack: frames.length === 0 ? 0 : seq[to], payload },
      flags: frames.length === 0 ? flags : flags | ACK,
      options: (flags & SYN) === 0 ? [] : synOptions(SEGMENT_BYTES),
    });
    const ends = { source: isClient ? client : SERVER, destination: isClient ? SERVER : client };
    const ns = number * CONNECTION_NS + frames.length * PACKET_NS;
    frames.push({
      data: ethernet(0x0800, ipv4(body, ends)),
      seconds: 1_700_000_000 + Math.floor(ns / 1e9),
      fraction: ns % 1e9,
    });
    seq[from] += payload.length + ((flags & (SYN | FIN)) === 0 ? 0 : 1);
  };
  say('client', SYN);
  say('server', SYN);
  say('client', 0);
  for (const [asked, answered] of exchanges) {
    for (const piece of pieces(asked)) say('client', PSH, piece);
    // What was not captured leaves a hole of as many octets.
    if (answered === undefined) seq.server += SEGMENT_BYTES;
    else for (const piece of pieces(answered)) say('server', PSH, piece);
    say('client', 0);
  }
  say('client', FIN);
  say('server', FIN);
  say('client', 0);
  return frames;
}

function* pieces(text: string): Generator<Uint8Array<ArrayBuffer>> {
  for (let at = 0; at < text.length; at += SEGMENT_BYTES) {
    yield Uint8Array.from(Buffer.from(text.slice(at, at + SEGMENT_BYTES), 'latin1'));
  }
}
