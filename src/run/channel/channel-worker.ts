/** The entry of a replay's channel thread: holds the connections, sorts replies to the shards. */
import { parentPort, workerData } from 'node:worker_threads';
import { assert } from '../../base/assert.ts';
import { failureOf } from '../../base/posted-failure.ts';
import { NS_PER_MS } from '../../base/time.ts';
import { dialStream } from '../../io/channel/channel-socket.ts';
import { AddressPool } from '../../schedule/address-pool.ts';
import { helloOf, wallClock } from './channel-ends.ts';
import {
  type ChannelCommand,
  type ChannelJob,
  type ChannelMessage,
  ChannelTotal,
} from './channel-job.ts';
import { ChannelLink, type LinkWorld } from './channel-link.ts';
import { RecordRouter } from './record-router.ts';

const TOTALS_EVERY_MS = 100;

const port = parentPort;
assert(port !== null, 'this file is the entry of a worker thread');
const post = (message: ChannelMessage): void => port.postMessage(message);

const job = workerData as ChannelJob;
const { inboxes, users, portsEach, blocks, intercepts, key, request, followed, totals } = job;
const pool = new AddressPool(job.pool);
const byTarget = blocks === null ? null : { blocks, targets: request.targets };
const router = new RecordRouter(inboxes, pool, users, portsEach, byTarget);
const hello = helloOf(job.version);
const now = wallClock();
const world: LinkWorld = {
  nowNs: () => performance.now() * NS_PER_MS,
  after: (ms, callback) => {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
  dial: dialStream,
};
const links = intercepts.map(
  (address) =>
    new ChannelLink({
      address,
      key,
      hello,
      request,
      followed,
      router,
      now,
      world,
      onWarning: (text) => post({ type: 'warning', text }),
      onGone: (error) => post({ type: 'gone', failure: failureOf(error) }),
    }),
);
const countTotals = (): void => {
  totals[ChannelTotal.DROPPED] = links.reduce((sum, { dropped }) => sum + dropped, 0);
  totals[ChannelTotal.KERNEL_DROPPED] = links.reduce((sum, link) => sum + link.kernelDropped, 0);
  totals[ChannelTotal.SILENT_NS] = links.reduce((most, link) => Math.max(most, link.silentNs), 0);
};
const timer = setInterval(countTotals, TOTALS_EVERY_MS);

const close = async (): Promise<void> => {
  clearInterval(timer);
  const notes = await Promise.all(links.map((link) => link.close()));
  countTotals();
  post({ type: 'closed', notes: notes.flat() });
  port.close();
};
port.on('message', (command: ChannelCommand) => {
  if (command.type === 'close') void close();
});

try {
  await Promise.all(links.map((link) => link.open()));
  const answers = links.flatMap(({ answer }) => answer ?? []);
  post({ type: 'ready', answers, clocks: links.map(({ clock }) => clock) });
} catch (error) {
  post({ type: 'failed', failure: failureOf(error) });
}
