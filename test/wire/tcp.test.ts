import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TcpView } from '../../src/wire/tcp.ts';
import { WireFault } from '../../src/wire/wire-fault.ts';
import { naivePacket } from './naive.ts';

const FIELDS = {
  src: [10, 0, 0, 1],
  dst: [10, 0, 0, 2],
  ipId: 0,
  srcPort: 0xfffe,
  dstPort: 443,
  seq: 0xffff_ffff,
  ack: 0x8000_0000,
  flags: 0x3f,
  window: 0xffff,
};
const segmentOf = (options: number[], payload: number[] = []) =>
  naivePacket({ ...FIELDS, options, payload }).slice(20);

function viewOf(segment: readonly number[], capturedBytes = segment.length): TcpView {
  const view = new TcpView();
  view.wrap(new DataView(Uint8Array.of(0xff, ...segment).buffer), 1, capturedBytes);
  return view;
}

test('fields are read unsigned with their highest bit set, numbers of the streams with a sign', () => {
  const view = viewOf(segmentOf([1, 1, 1, 1], [9]));
  expect(view.check()).toBe(WireFault.OK);
  expect(view.srcPort).toBe(0xfffe);
  expect(view.dstPort).toBe(443);
  expect(view.seq).toBe(-1);
  expect(view.ack).toBe(-0x8000_0000);
  expect(view.flags).toBe(0x3f);
  expect(view.window).toBe(0xffff);
  expect(view.headerBytes).toBe(24);
});

test.each([
  { name: '20 of 20 octets', options: [], captured: 20, fault: WireFault.OK },
  { name: 'the payload not captured', options: [], captured: 20, fault: WireFault.OK },
  { name: '19 octets', options: [], captured: 19, fault: WireFault.TRUNCATED },
  { name: 'no octet', options: [], captured: 0, fault: WireFault.TRUNCATED },
  { name: 'options not captured', options: [1, 1, 1, 1], captured: 23, fault: WireFault.TRUNCATED },
  { name: 'options just captured', options: [1, 1, 1, 1], captured: 24, fault: WireFault.OK },
])('$name: verdict $fault', ({ options, captured, fault }) => {
  expect(viewOf(segmentOf(options, [1, 2, 3]), captured).check()).toBe(fault);
});

test.each([0, 1, 4])('a data offset of %i words is refused', (words) => {
  const segment = segmentOf([]);
  segment[12] = words << 4;
  expect(viewOf(segment).check()).toBe(WireFault.BAD_DATA_OFFSET);
});

test('the reserved bits beside the data offset do not count', () => {
  const segment = segmentOf([]);
  segment[12] |= 0x0f;
  expect(viewOf(segment).headerBytes).toBe(20);
});

test('no octets make check read outside the segment', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (octets) => {
      const view = new TcpView();
      view.wrap(new DataView(octets.buffer, octets.byteOffset, octets.length), 0, octets.length);
      if (view.check() === WireFault.OK)
        expect(view.headerBytes).toBeLessThanOrEqual(octets.length);
    }),
  );
});
