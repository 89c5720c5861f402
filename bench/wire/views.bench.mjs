/** From a packet in a ring to its fields and options: `node bench/wire/views.bench.mjs`. */
import '../../test/helpers/typescript.mjs';
import { compare } from '../rounds.mjs';

const { IpView } = await import('../../src/wire/ip-view.ts');
const { TcpView } = await import('../../src/wire/tcp.ts');
const { TcpOptions } = await import('../../src/wire/tcp-options.ts');
const { naivePacket } = await import('../../test/wire/naive.ts');

const STRIDE_BYTES = 256;
const PACKETS = 4096;
const TIMESTAMPS = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2];
const OLD_ORDER = [8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 1];

function reading(addressBytes, options) {
  const ring = new Uint8Array(PACKETS * STRIDE_BYTES);
  for (let i = 0; i < PACKETS; i++) {
    const ends = { src: new Array(addressBytes).fill(1), dst: new Array(addressBytes).fill(2) };
    const fields = { ipId: i, srcPort: 80, dstPort: 1024 + i, seq: i * 99, ack: i, flags: 0x10 };
    const packet = naivePacket({ ...ends, ...fields, window: i, options, payload: [1, 2, 3] });
    ring.set(packet, i * STRIDE_BYTES);
  }
  const data = new DataView(ring.buffer);
  const ip = new IpView();
  const segment = new TcpView();
  const parsed = new TcpOptions();
  return (operations) => {
    let hash = 0;
    for (let i = 0; i < operations; i++) {
      const at = (i % PACKETS) * STRIDE_BYTES;
      ip.wrap(data, at, STRIDE_BYTES);
      if (ip.check() !== 0) throw new Error('a bad packet');
      segment.wrap(data, at + ip.headerBytes, STRIDE_BYTES - ip.headerBytes);
      if (segment.check() !== 0) throw new Error('a bad segment');
      parsed.parse(data, at + ip.headerBytes + 20, segment.headerBytes - 20);
      hash = (hash + ip.dstLow32 + segment.dstPort + segment.seq + segment.ack + parsed.tsVal) | 0;
    }
    return hash;
  };
}

compare(import.meta.url, 20_000_000, {
  'IPv4, no options': () => reading(4, []),
  'IPv4, padded timestamps (the usual)': () => reading(4, TIMESTAMPS),
  'IPv4, timestamps in another order': () => reading(4, OLD_ORDER),
  'IPv6, padded timestamps': () => reading(16, TIMESTAMPS),
});
