/**
 * One part of the receivers' bench, in the namespace that it was started in; what it has taken and what processor
 * time that was is JSON on stdout:
 *
 *     node receive-variant.mjs ring|recvmmsg DEVICE   whole TCP packets with payload, until one has FIN
 *     node receive-variant.mjs sink PORT              a server that reads one connection to its end
 *     node receive-variant.mjs send HOST PORT BYTES   a client that writes so many octets
 */
import { connect, createServer } from 'node:net';
import koffi from 'koffi';
import { attachFilter } from '../../dist/io/filter/socket-filter.js';
import { PacketRing } from '../../dist/io/receive/packet-ring.js';
import { KernelMemory } from '../../dist/io/sys/memory.js';
import { POLLFD_BYTES, POLLIN, ppoll } from '../../dist/io/sys/poll.js';
import {
  AF_PACKET,
  ETH_P_ALL,
  intOption,
  PACKET_IGNORE_OUTGOING,
  packetAddress,
  SOCK_DGRAM,
  SOL_PACKET,
  SOL_SOCKET,
  Socket,
} from '../../dist/io/sys/socket.js';
import { findInterface } from '../../dist/io/way/interfaces.js';

/** What either way may keep for packets that wait. */
const WAITING_BYTES = 144e6;
const PACKET_BYTES_MAX = 65_536;
/** BPF: all of each packet. */
const ALL = [{ code: 0x06, jt: 0, jf: 0, k: 0x4_0000 }];
const SO_RCVBUFFORCE = 33;
const SO_TIMESTAMPNS = 35;
const IPPROTO_TCP = 6;
const FIN = 1;
/** Messages a call; struct mmsghdr has 64 octets, struct iovec 16, and a stamp's control message 32. */
const MESSAGES = 64;
const [MMSGHDR_BYTES, IOVEC_BYTES, CONTROL_BYTES] = [64, 16, 32];
const MSG_DONTWAIT = 0x40;

function tell(figures, cpu) {
  const seconds = (cpu.user + cpu.system) / 1e6;
  process.stdout.write(`${JSON.stringify({ ...figures, cpuSeconds: seconds })}\n`);
}

/** What is looked at, of each packet: as much as shows that it is there. */
class Count {
  packets = 0;
  bytes = 0;
  stamps = 0;
  isOver = false;

  add(data, at, captured, nanoseconds) {
    const header = (data.getUint8(at) & 0xf) * 4;
    if (data.getUint8(at + 9) !== IPPROTO_TCP) return;
    const start = header + (data.getUint8(at + header + 12) >> 4) * 4;
    if (data.getUint8(at + header + 13) & FIN) this.isOver = true;
    if (captured <= start) return;
    this.packets++;
    this.bytes += captured - start;
    if (nanoseconds > 0) this.stamps++;
  }
}

const [variant, ...rest] = process.argv.slice(2);
await { ring, recvmmsg, sink, send }[variant](...rest);

function take(fd, next) {
  const count = new Count();
  const memory = new KernelMemory(POLLFD_BYTES);
  const words = new Int32Array(memory.buffer);
  words[0] = fd;
  words[1] = POLLIN;
  process.stdout.write('ready\n');
  const before = process.cpuUsage();
  while (!count.isOver) {
    if (!next(count)) ppoll(memory.address, 1, 0, 0, 0);
  }
  const { packets, bytes, stamps } = count;
  tell({ packets, bytes, stamps }, process.cpuUsage(before));
}

function ring(device) {
  const { index: interfaceIndex } = findInterface(device);
  const packets = new PacketRing({ interfaceIndex, filter: ALL, snapBytes: PACKET_BYTES_MAX });
  take(packets.fd, (count) => {
    if (!packets.hasPacket()) return false;
    count.add(packets.data, packets.start, packets.capturedBytes, packets.nanoseconds);
    packets.release();
    return true;
  });
}

function recvmmsg(device) {
  const call = koffi
    .load(null)
    .func('recvmmsg', 'int', ['int', 'uintptr_t', 'uint32_t', 'int', 'uintptr_t']);
  const socket = new Socket(AF_PACKET, SOCK_DGRAM, 0);
  attachFilter(socket, ALL);
  socket.setOption(SOL_PACKET, PACKET_IGNORE_OUTGOING, intOption(1), 'ignoring own packets');
  socket.setOption(SOL_SOCKET, SO_RCVBUFFORCE, intOption(WAITING_BYTES), 'a large buffer');
  socket.setOption(SOL_SOCKET, SO_TIMESTAMPNS, intOption(1), 'stamps');
  socket.bind(packetAddress(ETH_P_ALL, findInterface(device).index));
  const heads = MESSAGES * (MMSGHDR_BYTES + IOVEC_BYTES + CONTROL_BYTES);
  const memory = new KernelMemory(heads + MESSAGES * PACKET_BYTES_MAX);
  const data = new DataView(memory.buffer);
  const word = (at, value) => data.setBigUint64(at, BigInt(value), true);
  const iovecs = MESSAGES * MMSGHDR_BYTES;
  const controls = iovecs + MESSAGES * IOVEC_BYTES;
  for (let i = 0; i < MESSAGES; i++) {
    word(i * MMSGHDR_BYTES + 16, memory.address + iovecs + i * IOVEC_BYTES);
    word(i * MMSGHDR_BYTES + 24, 1);
    word(i * MMSGHDR_BYTES + 32, memory.address + controls + i * CONTROL_BYTES);
    word(iovecs + i * IOVEC_BYTES, memory.address + heads + i * PACKET_BYTES_MAX);
    word(iovecs + i * IOVEC_BYTES + 8, PACKET_BYTES_MAX);
  }
  take(socket.fd, (count) => {
    // The kernel writes how long each control message is: it has to be told anew how long it may be.
    for (let i = 0; i < MESSAGES; i++) data.setUint32(i * MMSGHDR_BYTES + 40, CONTROL_BYTES, true);
    const taken = call(socket.fd, memory.address, MESSAGES, MSG_DONTWAIT, 0);
    for (let i = 0; i < taken; i++) {
      const captured = data.getUint32(i * MMSGHDR_BYTES + 56, true);
      // struct cmsghdr has 16 octets, then a struct timespec.
      const nanoseconds = data.getUint32(controls + i * CONTROL_BYTES + 24, true);
      count.add(data, heads + i * PACKET_BYTES_MAX, captured, nanoseconds);
    }
    return taken > 0;
  });
}

function sink(port) {
  const server = createServer((socket) => {
    const before = process.cpuUsage();
    socket.resume();
    socket.once('end', () => {
      tell({}, process.cpuUsage(before));
      process.exit(0);
    });
  });
  server.listen(Number(port), () => process.stdout.write('ready\n'));
}

function send(host, port, bytes) {
  const piece = Buffer.alloc(1 << 18, 'x');
  const socket = connect(Number(port), host);
  let left = Number(bytes);
  const before = process.cpuUsage();
  const write = () => {
    while (left > 0) {
      const octets = piece.subarray(0, Math.min(left, piece.length));
      left -= octets.length;
      if (!socket.write(octets)) return;
    }
    socket.end();
  };
  socket.once('connect', write);
  socket.on('drain', write);
  socket.once('close', () => tell({}, process.cpuUsage(before)));
  socket.resume();
}
