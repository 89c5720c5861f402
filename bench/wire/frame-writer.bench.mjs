/** Headers of a frame, with both checksums: `node bench/wire/frame-writer.bench.mjs`. */
import '../../test/helpers/typescript.mjs';
import { compare } from '../rounds.mjs';

const { FrameBatch } = await import('../../src/wire/frame-batch.ts');
const { FrameWriter, OptionsKind } = await import('../../src/wire/frame-writer.ts');
const { naivePacket } = await import('../../test/wire/naive.ts');

const FRAMES = 256;
const ACK_PSH = 0x18;
const LINK = new Uint8Array(14).fill(7);

/** Writes frames into a batch of 256, over and over. */
function writing(family, optionsKind, payloadBytes) {
  const batch = new FrameBatch(FRAMES);
  const writer = new FrameWriter(batch, { family });
  const addressBytes = family === 4 ? 4 : 16;
  const address = new Uint8Array(addressBytes).fill(9);
  const route = writer.addRoute(LINK, address, address);
  return (operations) => {
    let hash = 0;
    for (let i = 0; i < operations; i++) {
      batch.count = i % FRAMES;
      writer.writeTcp(
        route,
        0xc612_0000 + i,
        1024 + (i & 0xfff),
        80,
        i,
        i * 1460,
        i,
        ACK_PSH,
        0xffff,
        optionsKind,
        i,
        i,
        payloadBytes,
        i & 0xffff,
      );
      hash = (hash + batch.headers[(i % FRAMES) * 128 + 50]) | 0;
    }
    return hash;
  };
}

/** The twin of the tests, which builds arrays and sums octet by octet: the order of magnitude. */
function naive() {
  return (operations) => {
    let hash = 0;
    for (let i = 0; i < operations / 1000; i++) {
      const packet = naivePacket({
        src: [10, 0, 0, 1],
        dst: [10, 0, 0, 2],
        ipId: i & 0xffff,
        srcPort: 1024,
        dstPort: 80,
        seq: i,
        ack: i,
        flags: ACK_PSH,
        window: 0xffff,
        options: new Array(12).fill(1),
        payload: [],
      });
      hash = (hash + packet[36]) | 0;
    }
    return hash;
  };
}

compare(import.meta.url, 10_000_000, {
  'IPv4, no options': () => writing(4, OptionsKind.NONE, 0),
  'IPv4, timestamps, 100 octets of payload': () => writing(4, OptionsKind.TIMESTAMPS, 100),
  'IPv4, SYN with all options': () => writing(4, OptionsKind.SYN, 0),
  'IPv6, timestamps, 100 octets of payload': () => writing(6, OptionsKind.TIMESTAMPS, 100),
  'naive twin, IPv4 (a thousandth as many, × 1000)': naive,
});
