/**
 * Listens for the listeners' bench, in the namespace that it was started in, until its standard input ends:
 * `node listen-variant.mjs HOW THREADS DEVICE SOURCE CLIENT`, says `ready` and at the end how many sockets have a packet.
 * The packets that the bench sends are all of one connection, which none of these sockets is there for.
 */
import { once } from 'node:events';
import { parseAddress } from '../../dist/base/address.js';
import { replyFilter, shardProgram } from '../../dist/io/filter/reply-filter.js';
import { PacketRing } from '../../dist/io/receive/packet-ring.js';
import { ReceiveGroup } from '../../dist/io/receive/receive-group.js';
import { findInterface } from '../../dist/io/way/interfaces.js';

const [how, threadsText, device, source, client] = process.argv.slice(2);
const threads = Number(threadsText);
const SNAP_BYTES = 1_104;
const { index: interfaceIndex } = findInterface(device);
const { prefix, low } = parseAddress(client);

/** Of one thread more than there are sockets: what is sent belongs to the first, and nobody is that. */
const endsOf = (shard) => ({
  ranges: [{ prefix, start: low, count: 1 }],
  targets: [{ address: parseAddress(source), port: 1_024 }],
  ports: { first: 80, last: 80 },
  sharding: { order: 'ip', firstPort: 80, users: 1_000, shards: threads + 1, shard },
});

const group = how === 'together' ? new ReceiveGroup(threads) : null;
const rings = Array.from({ length: threads }, (_, i) => {
  const filter = replyFilter({ ...endsOf(i + 1), snapBytes: SNAP_BYTES });
  const options = { interfaceIndex, filter, snapBytes: SNAP_BYTES, ringFrames: 64 };
  return new PacketRing(group === null ? options : { ...options, socket: group.fds[i] });
});
group?.join(shardProgram(endsOf(0)));
process.stdout.write('ready\n');
process.stdin.resume();
await once(process.stdin, 'end');
process.stdout.write(`${rings.filter((ring) => ring.hasPacket()).length}\n`);
process.exit(0);
