/** A WebSocket as its client speaks it. */
import { get } from './play.ts';

const MASK = [0x12, 0x00, 0xff, 0x80];

/** A client's frame, written by the book. */
export function frame(payload: string, first = 0x81, mask: readonly number[] = MASK): string {
  const bytes = payload.length;
  const size = bytes < 126 ? [bytes] : bytes < 65_536 ? [126, bytes >> 8, bytes & 255] : [];
  if (size.length === 0)
    size.push(127, 0, 0, 0, 0, 0, bytes >> 16, (bytes >> 8) & 255, bytes & 255);
  const header = [first, (size[0] ?? 0) | 0x80, ...size.slice(1), ...mask];
  const body = [...payload].map((each, i) => each.charCodeAt(0) ^ (mask[i % 4] ?? 0));
  return Buffer.from([...header, ...body]).toString('latin1');
}

/** What leads over, and what agrees. */
export const UPGRADE = get('/chat', 'Upgrade: websocket\r\nConnection: Upgrade\r\n');
export const SWITCHED = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n';
