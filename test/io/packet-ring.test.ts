import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  RING_FRAMES,
  RING_FRAMES_MAX,
  ringFramesFor,
  ringShape,
} from '../../src/io/receive/packet-ring.ts';

/** packet_set_ring() of net/packet/af_packet.c: what it refuses a ring for. */
test.each([4 << 10, 16 << 10, 64 << 10])(
  'a kernel with pages of %i octets takes the ring',
  (page) => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: RING_FRAMES }),
        fc.integer({ min: 1, max: 65_535 }),
        (frames, snapBytes) => {
          const { frameBytes, framesPerBlock, blockBytes, blocks } = ringShape(
            frames,
            snapBytes,
            page,
          );
          expect(blockBytes % page).toBe(0);
          expect(frameBytes % 16).toBe(0);
          // The link-layer address and 16 octets for a link header stand before the packet.
          expect(frameBytes).toBeGreaterThanOrEqual(80 + snapBytes);
          expect(framesPerBlock).toBe(Math.floor(blockBytes / frameBytes));
          expect(framesPerBlock).toBeGreaterThan(0);
          expect(blocks * framesPerBlock).toBeGreaterThanOrEqual(frames);
        },
      ),
    );
  },
);

test.each([
  { name: 'a few connections', snapBytes: 2_168, packets: 0, frames: 1 << 13 },
  { name: 'what may come at once', snapBytes: 2_168, packets: 10_000, frames: 10_000 },
  { name: 'a million connections', snapBytes: 2_168, packets: 10_000_000, frames: RING_FRAMES_MAX },
  { name: 'nobody knows how many', snapBytes: 1_144, packets: null, frames: RING_FRAMES },
  { name: 'whole packets', snapBytes: 65_655, packets: 0, frames: 2_193 },
  { name: 'whole packets of many', snapBytes: 65_655, packets: 10_000_000, frames: 2_193 },
])('a ring for $name', ({ snapBytes, packets, frames }) => {
  expect(ringFramesFor(snapBytes, packets)).toBe(frames);
});
