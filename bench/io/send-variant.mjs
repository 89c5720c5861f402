/**
 * One run of one variant of the senders' bench, in the namespace that it was started in:
 * `node send-variant.mjs VARIANT DEVICE TARGET MAC PACKETS [one]`, result as JSON on stdout. All packets are of one
 * connection where that is asked for, else of as many as a batch has frames.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import koffi from 'koffi';
import { addressBytes, parseAddress } from '../../dist/base/address.js';
import { CaptureMap } from '../../dist/io/files/capture-map.js';
import { openRunClock, runStartsNow } from '../../dist/io/receive/run-clock.js';
import { IpSender } from '../../dist/io/send/ip-sender.js';
import { BATCH_FRAMES, PacketSender } from '../../dist/io/send/packet-sender.js';
import { RawSocketSender } from '../../dist/io/send/raw-socket-sender.js';
import { XdpSender } from '../../dist/io/send/xdp-sender.js';
import { KernelMemory } from '../../dist/io/sys/memory.js';
import { AF_INET, IPPROTO_RAW, SOCK_RAW, Socket } from '../../dist/io/sys/socket.js';
import { findInterface } from '../../dist/io/way/interfaces.js';
import {
  ETHERNET_HEADER_BYTES,
  EtherType,
  emitEthernet,
  parseMac,
} from '../../dist/wire/ethernet.js';
import { EXTENTS_PER_FRAME, HEADER_SLOT_BYTES } from '../../dist/wire/frame-batch.js';
import { FrameWriter, OptionsKind } from '../../dist/wire/frame-writer.js';

const [variant, device, targetText, mac, packetsText, connections] = process.argv.slice(2);
const packets = Number(packetsText);
const target = parseAddress(targetText);
const SOURCE = parseAddress('198.18.0.0');
const PAYLOAD_BYTES = 60;
const PACKET_BYTES = 100;

const folder = mkdtempSync(join(tmpdir(), 'gryphon-bench-'));
const path = join(folder, 'payload');
writeFileSync(path, Buffer.alloc(4_096, 'x'));
const captureMap = new CaptureMap([{ path, base: 0, bytes: 4_096 }]);
rmSync(folder, { recursive: true });
const clock = openRunClock(runStartsNow());

const VARIANTS = {
  packet: () => {
    const { index: interfaceIndex } = findInterface(device);
    const sender = new PacketSender({ interfaceIndex, captureMap, clock });
    return byBatch(sender, linkHeader());
  },
  xdp: () => {
    const { index: interfaceIndex, mtu } = findInterface(device);
    const octets = Buffer.alloc(4_096, 'x');
    const captureBytes = {
      read: (offset, into) => into.set(octets.subarray(offset, offset + into.length)),
    };
    return byBatch(
      new XdpSender({ interfaceIndex, queue: 0, mtu, captureBytes, clock }),
      linkHeader(),
    );
  },
  'ip-sendmmsg': () =>
    byBatch(new IpSender({ family: 4, interfaceName: null, captureMap, clock }), new Uint8Array(0)),
  'raw-socket-sender': () => {
    const captureBytes = { read: (_, into) => into.fill(0x78) };
    const sender = new RawSocketSender({ family: 4, interfaceName: null, captureBytes, clock });
    return byBatch(sender, new Uint8Array(0));
  },
  'ip-sendto': bySendto,
  'raw-socket': byRawSocket,
  tcpreplay: byTcpreplay,
};

const send = VARIANTS[variant]();
await send(BATCH_FRAMES);
const cpuBefore = process.cpuUsage();
const startedNs = clock.nowNs();
// A program of its own says itself what it took.
const told = await send(packets);
const seconds = (clock.nowNs() - startedNs) / 1e9;
const cpu = process.cpuUsage(cpuBefore);
const cpuSeconds = (cpu.user + cpu.system) / 1e6;
console.log(JSON.stringify(told ?? { sent: packets, seconds, cpuSeconds }));
process.exit(0);

function linkHeader() {
  const source = findInterface(device).mac;
  return emitEthernet({ destination: parseMac(mac), source, etherType: EtherType.IPV4 });
}

/** The bench is of sending: frames are written once, and sent again and again. */
function byBatch(sender, link) {
  writeFrames(sender.batch, link);
  return async (count) => {
    for (let left = count; left > 0; left -= BATCH_FRAMES) {
      sender.batch.count = Math.min(left, BATCH_FRAMES);
      sender.flush();
    }
    if (sender.faults.total > 0) throw new Error(`${variant}: ${JSON.stringify(sender.faults)}`);
  };
}

function writeFrames(batch, link) {
  const writer = new FrameWriter(batch, { family: 4 });
  const route = writer.addRoute(link, addressBytes(target), addressBytes(SOURCE));
  for (let frame = 0; frame < BATCH_FRAMES; frame++) {
    const connection = connections === 'one' ? 0 : frame;
    const [low, port] = [SOURCE.low + connection, 1_024 + connection];
    const { NONE } = OptionsKind;
    writer.writeTcp(route, low, port, 80, frame, 1, 1, 0x18, 512, NONE, 0, 0, PAYLOAD_BYTES, 0);
    batch.extentOffset[frame * EXTENTS_PER_FRAME] = frame;
    batch.extentBytes[frame * EXTENTS_PER_FRAME] = PAYLOAD_BYTES;
    batch.extentCount[frame] = 1;
    batch.count++;
  }
}

function onePacket(octets) {
  const batch = new IpSender({ family: 4, interfaceName: null, captureMap, clock }).batch;
  writeFrames(batch, new Uint8Array(0));
  octets.fill(0x78);
  octets.set(batch.headers.subarray(0, PACKET_BYTES - PAYLOAD_BYTES));
}

/** koffi and one `sendto` a packet. */
function bySendto() {
  const NAME_AT = 128;
  const sendto = koffi
    .load(null)
    .func('sendto', 'intptr_t', ['int', 'uintptr_t', 'size_t', 'int', 'uintptr_t', 'uint32_t']);
  const { fd } = new Socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
  const memory = new KernelMemory(NAME_AT + 16);
  onePacket(new Uint8Array(memory.buffer, 0, PACKET_BYTES));
  const name = new DataView(memory.buffer, NAME_AT, 16);
  name.setUint16(0, AF_INET, true);
  name.setUint32(4, target.low);
  const { address } = memory;
  return async (count) => {
    for (let sent = 0; sent < count; ) {
      if (sendto(fd, address, PACKET_BYTES, 0, address + NAME_AT, 16) > 0) sent++;
    }
  };
}

/** As its documentation has it: a queue, and a callback a packet. */
function byRawSocket() {
  const raw = createRequire(import.meta.url)('raw-socket');
  const socket = raw.createSocket({ protocol: IPPROTO_RAW });
  const packet = Buffer.alloc(PACKET_BYTES);
  onePacket(packet);
  return (count) =>
    new Promise((resolve, reject) => {
      let queued = 0;
      let sent = 0;
      const queue = () => {
        queued++;
        socket.send(packet, 0, PACKET_BYTES, targetText, (fault) => {
          if (fault) return reject(fault);
          if (++sent === count) return resolve();
          if (queued < count) queue();
        });
      };
      for (let i = 0; i < Math.min(count, BATCH_FRAMES); i++) queue();
    });
}

/** The same frames from a capture in its memory, again and again, as fast as it can. */
function byTcpreplay() {
  const { batch } = new IpSender({ family: 4, interfaceName: null, captureMap, clock });
  writeFrames(batch, linkHeader());
  const folder = mkdtempSync(join(tmpdir(), 'gryphon-bench-'));
  process.on('exit', () => rmSync(folder, { recursive: true }));
  const file = join(folder, 'frames.pcap');
  writeFileSync(file, captureOf(batch));
  return (count) => {
    const loops = Math.ceil(count / BATCH_FRAMES);
    const how = ['--topspeed', '--preload-pcap', `--loop=${loops}`, `--intf1=${device}`, file];
    const timed = ['-c', 'TIMEFORMAT="cpu %U %S"; time tcpreplay "$@"', 'timed', ...how];
    const { status, stdout, stderr } = spawnSync('bash', timed, { encoding: 'utf8' });
    const [, sent, seconds] =
      /Actual: (\d+) packets \(\d+ bytes\) sent in ([\d.]+) seconds/.exec(stdout) ?? [];
    const [, user, system] = /^cpu ([\d.]+) ([\d.]+)$/m.exec(stderr) ?? [];
    if (status !== 0 || !(Number(sent) === loops * BATCH_FRAMES)) {
      throw new Error(`tcpreplay ended with ${status}:\n${stdout}${stderr}`);
    }
    return {
      sent: Number(sent),
      seconds: Number(seconds),
      cpuSeconds: Number(user) + Number(system),
    };
  };
}

/** A classic capture (Ethernet) of a batch's frames. */
function captureOf(batch) {
  const [fileBytes, recordBytes] = [24, 16];
  const frameBytes = ETHERNET_HEADER_BYTES + PACKET_BYTES;
  const file = Buffer.alloc(fileBytes + batch.count * (recordBytes + frameBytes), 'x');
  const ETHERNET = 1;
  for (const [i, field] of [0xa1b2c3d4, 0x00040002, 0, 0, 0xffff, ETHERNET].entries()) {
    file.writeUInt32LE(field, 4 * i);
  }
  for (let frame = 0; frame < batch.count; frame++) {
    const at = fileBytes + frame * (recordBytes + frameBytes);
    for (const [i, field] of [0, frame, frameBytes, frameBytes].entries()) {
      file.writeUInt32LE(field, at + 4 * i);
    }
    const headers = batch.headers.subarray(frame * HEADER_SLOT_BYTES);
    file.set(headers.subarray(0, batch.headerBytes[frame]), at + recordBytes);
  }
  return file;
}
