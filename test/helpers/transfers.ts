/** A capture of uploads and downloads, one a server port, made instead of recorded. */
import {
  ACK,
  concat,
  ethernet,
  FIN,
  type FrameSpec,
  ipv4,
  PSH,
  pcap,
  SYN,
  synOptions,
  tcp,
} from './packets.ts';

/** What `test/privileged/servers/transfer.py` understands. */
export interface Transfer {
  readonly port: number;
  readonly direction: 'up' | 'down';
  readonly bytes: number;
}

const SEGMENT_BYTES = 1448;
const CLIENT_PORT = 40_000;
/** With its padding. */
const SACK_PERMITTED = [1, 1, 4, 2];
const ISN = 1_000;

/** All of them begin at the same time; the client closes first. */
export function recordedTransfers(transfers: readonly Transfer[]): Uint8Array {
  return pcap(transfers.flatMap(framesOf));
}

function framesOf({ port, direction, bytes }: Transfer, i: number): FrameSpec[] {
  const frames: FrameSpec[] = [];
  const next = { client: ISN, server: ISN };
  const send = (
    from: 'client' | 'server',
    flags: number,
    payload: Uint8Array = new Uint8Array(0),
  ) => {
    const to = from === 'client' ? 'server' : 'client';
    const isSyn = (flags & SYN) !== 0;
    const body = tcp({
      sourcePort: from === 'client' ? CLIENT_PORT + i : port,
      destinationPort: from === 'client' ? port : CLIENT_PORT + i,
      seq: next[from],
      ack: flags & ACK ? next[to] : 0,
      flags,
      options: isSyn ? [...synOptions(1460), ...SACK_PERMITTED] : [],
      payload,
    });
    const [source, destination] = ['10.0.0.2', '10.0.0.1'];
    const ends =
      from === 'client' ? { source, destination } : { source: destination, destination: source };
    frames.push({ data: ethernet(0x0800, ipv4(body, ends)), seconds: 1_700_000_000 });
    next[from] += payload.length + (isSyn ? 1 : 0) + (flags & FIN ? 1 : 0);
  };
  const say = (from: 'client' | 'server', octets: Uint8Array) => {
    for (let at = 0; at < octets.length; at += SEGMENT_BYTES) {
      const end = Math.min(at + SEGMENT_BYTES, octets.length);
      send(from, end === octets.length ? ACK | PSH : ACK, octets.subarray(at, end));
    }
  };
  const text = (letters: string) => new TextEncoder().encode(letters);
  const head = text(`${direction === 'up' ? 'U' : 'D'}${`${bytes}`.padStart(8, '0')}`);
  send('client', SYN);
  send('server', SYN | ACK);
  send('client', ACK);
  if (direction === 'up') {
    say('client', concat(head, new Uint8Array(bytes).fill(0x75)));
    say('server', text('ok'));
  } else {
    say('client', head);
    say('server', new Uint8Array(bytes).fill(0x64));
  }
  send('client', FIN | ACK);
  send('server', FIN | ACK);
  send('client', ACK);
  return frames;
}
