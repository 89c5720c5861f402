/** Streams with messages that are written during the run: what has not left yet stays as it was written. */
import { expect, test } from 'vitest';
import { StreamEnd } from '../../src/session/script/scripts.ts';
import { SegmentPlan } from '../../src/session/script/segment-plan.ts';
import { StreamView } from '../../src/session/script/stream-view.ts';
import { MessageArena } from '../../src/transport/message-arena.ts';
import { RecordedStream } from '../../src/transport/recorded-stream.ts';
import { RewrittenStream } from '../../src/transport/rewritten-stream.ts';
import { FrameBatch } from '../../src/wire/frame-batch.ts';
import { record, said } from '../helpers/recorded.ts';

const MESSAGES = ['first', 'second', 'third'] as const;

function streamOf(memoryBytes: number) {
  const { scripts, capture } = record([
    {
      messages: MESSAGES.flatMap((text) => [said('client', text), said('server', 'yes')]),
      clientEnd: { how: StreamEnd.FIN },
      serverEnd: { how: StreamEnd.FIN, afterPeer: true },
    },
  ]);
  const planned = {
    module: Uint8Array.of(1),
    dialogue: Uint8Array.of(0),
    turnBytes: Uint32Array.of(6),
    turnMessages: Uint32Array.of(1),
  };
  const arena = new MessageArena(new Uint8Array(memoryBytes));
  const view = new StreamView(scripts.client, (offset, into) => capture.read(offset, into));
  const segments = new SegmentPlan(view, scripts.sessions, 1460).toShared();
  const recorded = new RecordedStream(scripts, capture, Uint32Array.of(0), segments);
  const stream = new RewrittenStream(1, recorded, scripts.client, planned, arena);
  const write = (message: number, text: string): boolean => {
    const octets = Buffer.from(text);
    const hasRoom = stream.write(0, message, octets, octets.length);
    if (hasRoom) stream.advance(0, message);
    return hasRoom;
  };
  const placeOf = (offset: number): number => {
    const batch = new FrameBatch(1);
    stream.put(0, offset, 1, 1460, batch);
    return batch.extentOffset[0];
  };
  return { stream, arena, write, placeOf };
}

test('the next message takes the place of one that is acknowledged', () => {
  const { stream, arena, write, placeOf } = streamOf(1 << 12);
  expect(stream.open(0, 0)).toBe(true);
  expect(write(0, 'one')).toBe(true);
  const first = placeOf(0);
  arena.settle();
  stream.release(0, 3);
  expect(write(1, 'two')).toBe(true);
  expect(placeOf(3)).toBe(first);
});

test('but not while a frame that has not left yet lies there', () => {
  const { stream, arena, write, placeOf } = streamOf(1 << 12);
  expect(stream.open(0, 0)).toBe(true);
  expect(write(0, 'one')).toBe(true);
  placeOf(0);
  arena.settle();
  // Sent again, and acknowledged before that has left.
  const again = placeOf(0);
  stream.release(0, 3);
  expect(write(1, 'two')).toBe(true);
  expect(placeOf(3)).not.toBe(again);
  arena.settle();
  stream.release(0, 6);
  expect(write(2, 'three')).toBe(true);
  expect(placeOf(6)).toBe(again);
  stream.forget(0);
  arena.settle();
  expect(arena.usedBytes).toBe(0);
});

test('nobody begins without room', () => {
  const { stream, arena } = streamOf(256);
  expect(stream.open(0, 0)).toBe(false);
  expect(arena.usedBytes).toBe(0);
});
