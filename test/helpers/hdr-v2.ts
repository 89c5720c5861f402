/**
 * A second reader of HdrHistogram's V2 compressed format, written from its description and sharing
 * nothing with `src/` or with the library that encodes there.
 */
import { inflateSync } from 'node:zlib';

const COMPRESSED_COOKIE = 0x1c84_9314;
const COOKIE = 0x1c84_9313;
const HEADER_BYTES = 40;

/** Counts by the highest value of their step, ascending. */
export type ValueCounts = ReadonlyMap<number, number>;

/**
 * @param base64 a histogram with a lowest discernible value of 1 and three significant digits
 * @throws Error where it is anything else
 */
export function readHdrV2(base64: string): ValueCounts {
  const outer = Buffer.from(base64, 'base64');
  expectEqual('compressed cookie', outer.readInt32BE(0), COMPRESSED_COOKIE);
  expectEqual('length', outer.readInt32BE(4), outer.length - 8);
  const inner = inflateSync(outer.subarray(8));
  expectEqual('cookie', inner.readInt32BE(0), COOKIE);
  expectEqual('payload length', inner.readInt32BE(4), inner.length - HEADER_BYTES);
  expectEqual('normalizing offset', inner.readInt32BE(8), 0);
  expectEqual('significant digits', inner.readInt32BE(12), 3);
  expectEqual('lowest discernible value', Number(inner.readBigInt64BE(16)), 1);
  expectEqual('conversion ratio', inner.readDoubleBE(32), 1);
  const counts = new Map<number, number>();
  let index = 0;
  for (const number of zigZagNumbers(inner.subarray(HEADER_BYTES))) {
    // A negative number is a row of so many zeros.
    if (number < 0) index -= number;
    else counts.set(highestOf(index++), number);
  }
  return counts;
}

/** Buckets of 2,048 steps, each twice as wide as those before; of all but the first the upper half is used. */
function highestOf(index: number): number {
  if (index < 2_048) return index;
  const bucket = Math.floor(index / 1_024) - 1;
  const step = 1_024 + (index % 1_024);
  return (step + 1) * 2 ** bucket - 1;
}

function* zigZagNumbers(octets: Uint8Array): Generator<number> {
  let value = 0n;
  let shift = 0n;
  for (const octet of octets) {
    // A ninth octet has eight bits.
    const isLast = shift === 56n || octet < 0x80;
    value |= BigInt(shift === 56n ? octet : octet & 0x7f) << shift;
    shift += 7n;
    if (!isLast) continue;
    yield Number((value >> 1n) ^ -(value & 1n));
    value = 0n;
    shift = 0n;
  }
}

function expectEqual(what: string, found: number, wanted: number): void {
  if (found !== wanted) throw new Error(`${what} is ${found}, not ${wanted}`);
}
