/**
 * What following an answer costs, packet by packet: `node bench/protocol/http-answers.bench.mjs`.
 * An operation is one answer, with the header that a stock nginx sends.
 */
import '../../test/helpers/typescript.mjs';
import { compare } from '../rounds.mjs';

const { Http1Answers } = await import('../../src/protocol/http1-answers.ts');
const { FRAMER_WORDS, Outcome } = await import('../../src/protocol/framer.ts');

const STRIDE_BYTES = 2048;
const PACKETS = 4096;
const OTHER = 0;

const HEADER = [
  'HTTP/1.1 200 OK',
  'Server: nginx/1.24.0 (Ubuntu)',
  'Date: Sat, 21 Nov 2026 10:00:00 GMT',
  'Content-Type: text/html',
  'Last-Modified: Fri, 20 Nov 2026 09:00:00 GMT',
  'Connection: keep-alive',
  'ETag: "655b3a10-400"',
  'Accept-Ranges: bytes',
].join('\r\n');
const BY_LENGTH = `${HEADER}\r\nContent-Length: 700\r\n\r\n${'x'.repeat(700)}`;
const IN_CHUNKS = `${HEADER}\r\nTransfer-Encoding: chunked\r\n\r\n2bc\r\n${'x'.repeat(700)}\r\n0\r\n\r\n`;

/**
 * @param cuts where the answer is cut into packets
 * @param isEachOther whether each answer bears a time of its own
 */
function following(answer, cuts, isEachOther = false) {
  const ring = new Uint8Array(PACKETS * STRIDE_BYTES);
  const octets = Buffer.from(answer);
  const timeAt = answer.indexOf('10:00:00');
  for (let i = 0; i < PACKETS; i++) {
    ring.set(octets, i * STRIDE_BYTES);
    if (isEachOther) ring[i * STRIDE_BYTES + timeAt] = 0x30 + (i % 10);
  }
  const data = new DataView(ring.buffer);
  const framer = new Http1Answers();
  const words = new Uint32Array(FRAMER_WORDS);
  const ends = [...cuts, octets.length];
  return (operations) => {
    let hash = 0;
    for (let i = 0; i < operations; i++) {
      const start = (i % PACKETS) * STRIDE_BYTES;
      framer.begin(OTHER);
      let at = 0;
      for (const end of ends) {
        if (at > 0) framer.load(words, 0);
        const outcome = framer.feed(data, start + at, end - at, end - at);
        if (outcome === Outcome.ENDS) break;
        framer.save(words, 0);
        at = end;
      }
      hash = (hash + at + framer.endBytes + framer.replyClass) | 0;
    }
    return hash;
  };
}

/** Ten pages in turn, whose lengths are a hundred octets apart. */
function followingPages() {
  const ring = new Uint8Array(PACKETS * STRIDE_BYTES);
  const lengths = new Uint16Array(PACKETS);
  for (let i = 0; i < PACKETS; i++) {
    const bytes = 600 + 100 * (i % 10);
    const octets = Buffer.from(`${HEADER}\r\nContent-Length: ${bytes}\r\n\r\n${'x'.repeat(bytes)}`);
    ring.set(octets, i * STRIDE_BYTES);
    lengths[i] = octets.length;
  }
  const data = new DataView(ring.buffer);
  const framer = new Http1Answers();
  return (operations) => {
    let hash = 0;
    for (let i = 0; i < operations; i++) {
      const packet = i % PACKETS;
      framer.begin(OTHER);
      framer.feed(data, packet * STRIDE_BYTES, lengths[packet], lengths[packet]);
      hash = (hash + framer.endBytes + framer.replyClass) | 0;
    }
    return hash;
  };
}

compare(import.meta.url, 5_000_000, {
  'one packet, by length': () => following(BY_LENGTH, []),
  'one packet, by length, each another header': () => following(BY_LENGTH, [], true),
  'one packet, by length, ten pages in turn': () => followingPages(),
  'one packet, in chunks': () => following(IN_CHUNKS, []),
  'two packets, cut within the header': () => following(BY_LENGTH, [150]),
});
