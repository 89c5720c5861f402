import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RING_FRAMES, ringShape } from '../../src/io/receive/packet-ring.ts';

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
