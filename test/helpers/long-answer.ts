/** A recorded redis client that reads a list, whose answer is longer than the prefix of a packet. */
import { ACK, ethernet, FIN, ipv4, PSH, pcap, SYN, synOptions, tcp } from './packets.ts';

/** What the list holds: with its lengths the answer has 9,206 octets. */
export const LIST_ITEMS: readonly string[] = Array.from({ length: 200 }, (_, i) =>
  String(i).padStart(39, 'x'),
);
const SEGMENT_BYTES = 1_448;

/** A capture of one session: `LRANGE list 0 -1` twice, and its answers. */
export function redisListCapture(): Uint8Array {
  const answer = `*${LIST_ITEMS.length}\r\n${LIST_ITEMS.map((item) => `$39\r\n${item}\r\n`).join('')}`;
  const command = '*4\r\n$6\r\nLRANGE\r\n$4\r\nlist\r\n$1\r\n0\r\n$2\r\n-1\r\n';
  const frames: { readonly data: Uint8Array; readonly fraction: number }[] = [];
  const next = { client: 1_000, server: 5_000 };
  const say = (from: 'client' | 'server', flags: number, payload = '', mss = 0): void => {
    const isClient = from === 'client';
    const ports = {
      sourcePort: isClient ? 50_000 : 6_379,
      destinationPort: isClient ? 6_379 : 50_000,
    };
    const ack = flags === SYN ? 0 : isClient ? next.server : next.client;
    const options = mss > 0 ? synOptions(mss) : [];
    const segment = tcp({ ...ports, seq: next[from], ack, flags, options, payload });
    const ends = isClient
      ? { source: '10.0.0.2', destination: '10.0.0.1' }
      : { source: '10.0.0.1', destination: '10.0.0.2' };
    frames.push({ data: ethernet(0x0800, ipv4(segment, ends)), fraction: frames.length * 100 });
    next[from] += payload.length + ((flags & (SYN | FIN)) === 0 ? 0 : 1);
  };
  say('client', SYN, '', SEGMENT_BYTES);
  say('server', SYN | ACK, '', SEGMENT_BYTES);
  say('client', ACK);
  for (let i = 0; i < 2; i++) {
    say('client', PSH | ACK, command);
    for (let at = 0; at < answer.length; at += SEGMENT_BYTES) {
      say('server', PSH | ACK, answer.slice(at, at + SEGMENT_BYTES));
    }
    say('client', ACK);
  }
  say('client', FIN | ACK);
  say('server', FIN | ACK);
  say('client', ACK);
  return pcap(frames);
}
