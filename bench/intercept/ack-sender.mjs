/**
 * Sends bare ACKs from clients that nobody is: `node ack-sender.mjs DEVICE TARGET PACKETS RATE`, with
 * RATE 0 as fast as it can; figures as JSON on stdout.
 */
import { addressBytes, parseAddress } from '../../dist/base/address.js';
import { CaptureMap } from '../../dist/io/files/capture-map.js';
import { openRunClock, runStartsNow } from '../../dist/io/receive/run-clock.js';
import { PacketSender } from '../../dist/io/send/packet-sender.js';
import { findRoute } from '../../dist/io/way/routes.js';
import { FrameWriter, OptionsKind } from '../../dist/wire/frame-writer.js';

const [device, targetText, packetsText, rateText] = process.argv.slice(2);
const packets = Number(packetsText);
const nsPerPacket = Number(rateText) > 0 ? 1e9 / Number(rateText) : 0;
const target = parseAddress(targetText);
const clients = parseAddress('198.18.0.0');
const route = findRoute({
  target,
  interfaceName: null,
  nextHop: null,
  sourceMac: null,
  hasLinkHeader: true,
  asksLink: true,
});
const clock = openRunClock(runStartsNow());
const captureMap = new CaptureMap([]);
const sender = new PacketSender({ interfaceIndex: route.device.index, captureMap, clock });
const { batch } = sender;
const writer = new FrameWriter(batch, { family: 4 });
const id = writer.addRoute(route.linkHeader, addressBytes(target), addressBytes(clients));
const ACK = 0x10;
const { NONE } = OptionsKind;
if (route.device.name !== device) throw new Error(`the target is reached by ${route.device.name}`);

const cpuBefore = process.cpuUsage();
const startedNs = clock.nowNs();
for (let sent = 0; sent < packets; ) {
  while (batch.count < batch.capacity && sent < packets) {
    const port = 1_024 + (sent >>> 17);
    writer.writeTcp(
      id,
      clients.low + (sent & 0x1ffff),
      port,
      80,
      1,
      1,
      1,
      ACK,
      512,
      NONE,
      0,
      0,
      0,
      0,
    );
    batch.extentCount[batch.count++] = 0;
    sent++;
  }
  sender.flush();
  while (clock.nowNs() - startedNs < sent * nsPerPacket);
}
const seconds = (clock.nowNs() - startedNs) / 1e9;
const cpu = process.cpuUsage(cpuBefore);
const cpuSeconds = (cpu.user + cpu.system) / 1e6;
if (sender.faults.total > 0) throw new Error(JSON.stringify(sender.faults));
console.log(JSON.stringify({ sent: packets, seconds, cpuSeconds }));
process.exit(0);
