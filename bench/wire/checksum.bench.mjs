/** The sum of a payload: `node bench/wire/checksum.bench.mjs`. */
import '../../test/helpers/typescript.mjs';
import { compare } from '../rounds.mjs';

const { sumOctets } = await import('../../src/wire/checksum.ts');
const { naiveSum } = await import('../../test/wire/naive.ts');

const RING_BYTES = 1 << 20;

function summing(sum, bytes) {
  const octets = Uint8Array.from({ length: RING_BYTES }, (_, i) => (i * 2_654_435_761) >>> 24);
  return (operations) => {
    let hash = 0;
    for (let i = 0; i < operations; i++) {
      const from = (i * 4096) % (RING_BYTES - bytes);
      hash = (hash + sum(octets, from, from + bytes)) | 0;
    }
    return hash;
  };
}

/** As it is written down first: 16 bits at a time, one loop. */
function wordByWord(octets, from, to) {
  let sum = 0;
  let i = from;
  for (; i + 1 < to; i += 2) sum += (octets[i] << 8) | octets[i + 1];
  if (i < to) sum += octets[i] << 8;
  const once = (sum & 0xffff) + (sum >>> 16);
  return (once & 0xffff) + (once >>> 16);
}

compare(import.meta.url, 1_000_000, {
  'sumOctets, 1448 octets': () => summing(sumOctets, 1448),
  'word by word, 1448 octets': () => summing(wordByWord, 1448),
  'naive twin, 1448 octets': () =>
    summing((octets, from, to) => naiveSum(octets.subarray(from, to)), 1448),
  'sumOctets, 100 octets': () => summing(sumOctets, 100),
  'word by word, 100 octets': () => summing(wordByWord, 100),
});
