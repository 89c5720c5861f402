/**
 * What the engine does for a request on an open connection, without a kernel:
 * `node bench/replay/keep-alive.bench.mjs [--rounds N] [--operations N]`. An operation is one exchange:
 * a frame with the request and the acknowledgement of the answer before, and a packet with the answer.
 *
 * The server is made up: its answers lie in a ring, as the kernel's do, with the header of a stock
 * nginx, and only sequence numbers and ports are written anew. What it does is in the figure: some
 * 40 ns. Each user asks as soon as it has been answered (`--pace none`).
 */
import '../../test/helpers/typescript.mjs';
import { compare } from '../rounds.mjs';

const { makeEnds } = await import('../../test/sim/simulation.ts');
const { said } = await import('../../test/helpers/recorded.ts');
const { Instant } = await import('../../src/base/instant.ts');
const { Backlog } = await import('../../src/replay/conversations.ts');
const { Replay } = await import('../../src/replay/replay.ts');
const { LatencyRecorder } = await import('../../src/measure/histograms.ts');
const { Counter } = await import('../../src/measure/counters.ts');
const { Pace } = await import('../../src/replay/replay-plan.ts');
const { FrameBatch, HEADER_SLOT_BYTES } = await import('../../src/wire/frame-batch.ts');
const { ACK, PSH, SYN } = await import('../../src/wire/tcp.ts');

const USERS = 1_000;
const REQUESTS = 12_000;
const TURN = 256;
const TURN_NS = 256_000;
const RING_PACKETS = 4_096;
const PACKET_BYTES = 2_048;
/** IPv4 without options, TCP with timestamps. */
const IP_BYTES = 20;
const TCP_BYTES = 32;
const DATA_OFFSET = (TCP_BYTES / 4) << 4;

const REQUEST = 'GET /page.html HTTP/1.1\r\nHost: 10.77.0.1\r\n\r\n';
const HEADER = [
  'HTTP/1.1 200 OK',
  'Server: nginx/1.24.0 (Ubuntu)',
  'Date: Sat, 21 Nov 2026 10:00:00 GMT',
  'Content-Type: text/html',
  'Content-Length: 1024',
  'Last-Modified: Fri, 20 Nov 2026 09:00:00 GMT',
  'Connection: keep-alive',
  'ETag: "655b3a10-400"',
  'Accept-Ranges: bytes',
].join('\r\n');
const BODY = 'x'.repeat(1_024);

/** Another `Date` and `ETag` with each answer, of the same length. */
const HEADERS = Array.from({ length: 16 }, (_, i) =>
  HEADER.replace('10:00:00', `10:00:${10 + i}`).replace('655b3a10', `655b3a${10 + i}`),
);

/** Both ends of the wire: what is sent is answered at once, in the ring. */
class MadeUpServer {
  batch = new FrameBatch(TURN);
  data = new DataView(new ArrayBuffer(RING_PACKETS * PACKET_BYTES));
  now = new Instant();
  #answerBytes;
  #first = 0;
  #count = 0;

  constructor(headers) {
    const answers = headers.map((header) => Buffer.from(`${header}\r\n\r\n${BODY}`));
    this.#answerBytes = answers[0].length;
    const octets = new Uint8Array(this.data.buffer);
    for (let row = 0; row < RING_PACKETS; row++) {
      const at = row * PACKET_BYTES + IP_BYTES + TCP_BYTES;
      octets.set(answers[row % answers.length], at);
    }
  }

  flush() {
    const { batch } = this;
    for (let frame = 0; frame < batch.count; frame++) this.#answer(frame * HEADER_SLOT_BYTES);
    batch.count = 0;
    batch.firstNs = this.now.ns;
  }

  #answer(from) {
    const heard = this.batch.headerData;
    const { data } = this;
    const flags = heard.getUint8(from + 33);
    const isSyn = (flags & SYN) !== 0;
    const bytes = heard.getUint16(from + 2) - IP_BYTES - (heard.getUint8(from + 32) >> 4) * 4;
    if (!isSyn && bytes === 0) return;
    const at = ((this.#first + this.#count++) % RING_PACKETS) * PACKET_BYTES;
    const said = isSyn ? 0 : this.#answerBytes;
    data.setUint32(at, 0x45000000 | (IP_BYTES + TCP_BYTES + said));
    data.setUint32(at + 8, 0x40060000);
    data.setUint32(at + 12, heard.getUint32(from + 16));
    data.setUint32(at + 16, heard.getUint32(from + 12));
    data.setUint16(at + 20, heard.getUint16(from + 22));
    data.setUint16(at + 22, heard.getUint16(from + 20));
    data.setUint32(at + 24, isSyn ? 1 : heard.getUint32(from + 28));
    data.setUint32(at + 28, heard.getUint32(from + 24) + (isSyn ? 1 : bytes));
    data.setUint8(at + 32, DATA_OFFSET);
    data.setUint8(at + 33, isSyn ? SYN | ACK : ACK | PSH);
    data.setUint16(at + 34, 0xffff);
    // A SYN's timestamps are not looked for: any will do.
    data.setUint32(at + 40, 0x0101080a);
    data.setUint32(at + 44, this.now.ns / 1e6);
    data.setUint32(at + 48, isSyn ? 0 : heard.getUint32(from + 48));
  }

  receive(limit, sink) {
    let taken = 0;
    for (; taken < limit && this.#count > 0; taken++) {
      const at = this.#first * PACKET_BYTES;
      const bytes = this.data.getUint16(at + 2);
      this.#first = (this.#first + 1) % RING_PACKETS;
      this.#count--;
      sink.onPacket(at, bytes, this.now);
    }
    return taken;
  }
}

/** @param protocols what is said of the server's port: as recognised without any */
function playing(headers, protocols = []) {
  const answer = `${headers[0]}\r\n\r\n${BODY}`;
  const messages = Array.from({ length: REQUESTS }, () => [
    said('client', REQUEST),
    said('server', answer),
  ]).flat();
  const { plan, recorded, counters } = makeEnds({
    sessions: [{ connectNs: 1e5, messages }],
    users: USERS,
    seed: 1,
    ratePerSecond: 1e6,
    plan: { pace: Pace.NONE, protocols },
  });
  const server = new MadeUpServer(headers);
  const latency = new LatencyRecorder();
  const replay = new Replay(plan, server, server, recorded.capture, latency, counters);
  let wanted = 0;
  return (operations) => {
    wanted += operations;
    while (counters[Counter.EXCHANGES_ANSWERED] < wanted) {
      if (replay.isDone) throw new Error(`a user asks ${REQUESTS} times at most`);
      server.now.ns += TURN_NS;
      replay.beginTurn(server.now);
      server.receive(TURN, replay);
      replay.onTurn(server.now, Backlog.NONE);
      replay.flush();
    }
    if (counters[Counter.EXCHANGES_FAILED] > 0) throw new Error('an answer was not as recorded');
    return counters[Counter.EXCHANGES_ANSWERED] - wanted;
  };
}

compare(import.meta.url, 1_000_000, {
  'a request, the same header': () => playing([HEADER]),
  'a request, another header each time': () => playing(HEADERS),
  'a request, nothing read': () => playing([HEADER], [{ port: 80, protocol: 'none' }]),
});
