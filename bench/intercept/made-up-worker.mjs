/**
 * The capture thread of an intercept that makes its packets up: replies of the registered target to
 * the registered clients in turn, at a rate, or as fast as they are taken.
 */
import { workerData } from 'node:worker_threads';
import koffi from 'koffi';
import { runCapture } from '../../dist/run/intercept/intercept-capture.js';

const RATE = Number(process.env.MADE_UP_RATE ?? 0);
const PAYLOAD_BYTES = Number(process.env.MADE_UP_PAYLOAD ?? 40);
const PACKET_BYTES = 20 + 32 + PAYLOAD_BYTES;

const libc = koffi.load(null);
const timerfdCreate = libc.func('timerfd_create', 'int', ['int', 'int']);
const timerfdSettime = libc.func('timerfd_settime', 'int', ['int', 'int', 'void *', 'void *']);
const eventfd = libc.func('eventfd', 'int', ['uint32_t', 'int']);
const read = libc.func('read', 'intptr_t', ['int', 'void *', 'size_t']);
const clockGettime = libc.func('clock_gettime', 'int', ['int', 'void *']);

const CLOCK_MONOTONIC = 1;
const TFD_NONBLOCK = 0o4000;

/** A PacketSource (src/intercept/ports.ts). */
function makeUpPackets() {
  const data = new DataView(new ArrayBuffer(4096));
  const timespec = new Uint32Array(4);
  const expirations = new Uint32Array(2);
  let registrations = [];
  let turn = 0;
  let due = 0;
  const timer = RATE > 0 ? timerfdCreate(CLOCK_MONOTONIC, TFD_NONBLOCK) : -1;
  const startTimer = () => {
    const everyNs = Math.max(1, Math.round(1e9 / RATE));
    const spec = new BigInt64Array([0n, BigInt(everyNs), 0n, BigInt(everyNs)]);
    timerfdSettime(timer, 0, spec, null);
  };
  data.setUint8(0, 0x45);
  data.setUint16(2, PACKET_BYTES);
  data.setUint8(9, 6);
  data.setUint8(20 + 12, 8 << 4);
  const emitOne = (sink) => {
    const { ranges, ports, targets } = registrations[turn % registrations.length];
    const [range] = ranges;
    const [target] = targets;
    const client = Math.floor(turn++ / registrations.length);
    for (let i = 0; i < 4; i++) data.setUint8(12 + i, target.address[i]);
    data.setUint32(16, range.start + (client % range.count));
    data.setUint16(20, target.port);
    data.setUint16(22, ports.first + (client % (ports.last - ports.first + 1)));
    clockGettime(0, timespec);
    sink.onPacket(0, PACKET_BYTES, timespec[0], timespec[2]);
  };
  return {
    data,
    // An eventfd that is never taken: always ready.
    fds: [timer < 0 ? eventfd(1, 0) : timer],
    setRegistrations: (list) => {
      registrations = list;
      // Not before: what bare timers and sockets are measured with has the machine for itself.
      if (timer >= 0) startTimer();
    },
    receive: (limit, sink) => {
      if (timer >= 0 && read(timer, expirations, 8) === 8) due += expirations[0];
      if (registrations.length === 0) {
        due = 0;
        return 0;
      }
      const count = timer < 0 ? limit - 1 : Math.min(limit, due);
      for (let i = 0; i < count; i++) emitOne(sink);
      due -= timer < 0 ? 0 : count;
      return timer < 0 ? limit : count;
    },
    readDropped: () => 0,
    describe: () => ['makes its packets up'],
    close: () => undefined,
  };
}

const { job, port } = workerData;
const source = makeUpPackets();
if (RATE > 0) {
  runCapture(job, port, () => source);
} else {
  // As fast as they are taken: between turns the thread looks for messages.
  let turns = 0;
  const receive = source.receive;
  source.receive = (limit, sink) =>
    ++turns % 8 === 0 ? Math.min(receive(limit, sink), 255) : receive(limit, sink);
  runCapture(job, port, () => source);
}
port.close();
