/**
 * A whole replay against nginx, with wrk beside it: the same server, the same requests, the same
 * minutes.
 *
 *     npm run build && sudo node bench/e2e/nginx-wrk.bench.mjs
 *         [--smoke] [--rounds 5] [--requests 2000] [--users 1000]
 *
 * nginx has one worker and a page of 1 KB. Both clients keep so many connections and send the next
 * request as soon as the answer is there: the replay plays a capture of curl's (one connection,
 * many GETs of wrk's own octets) with `--pace none`, wrk runs for as long as the replay took.
 * Rounds alternate. What is measured is requests a second while requests were sent, and the client
 * process's whole CPU time, its start included, by request. On a veth pair a packet's way up the
 * receiver's stack is charged to whoever sent it: both clients' figures hold that share of the
 * server's kernel.
 */
import '../../test/helpers/typescript.mjs';
import { skip } from '../figures.mjs';
import { replayOnce, wrkOnce } from './page-clients.mjs';
import { withPageServer } from './page-server.mjs';
import { median, phrase, printTable, readSizes } from './rounds-table.mjs';

const { routeClients } = await import('../../test/helpers/netns.ts');
const { missingFor } = await import('../../test/helpers/privilege.ts');

const sizes = readSizes();
const missing = missingFor(['ip', 'ethtool', 'ss', 'nginx', 'wrk', 'curl', 'tcpdump', 'bash']);
if (missing !== null) skip('nginx-wrk', `it needs ${missing}`);
const measured = { gryphon: [], wrk: [] };
await withPageServer(sizes.requestsPerUser, async ({ lab, capture }) => {
  await routeClients(lab);
  for (let round = 0; round < sizes.rounds; round++) {
    const replayed = await replayOnce(lab, capture, sizes.users);
    const asked = await wrkOnce(lab, sizes.users, replayed.seconds);
    measured.gryphon.push(replayed);
    measured.wrk.push(asked);
    const line = `gryphon ${phrase(replayed)}, wrk ${phrase(asked)}`;
    process.stderr.write(`round ${round + 1}: ${line}\n`);
  }
});
printTable(measured, sizes);
const ratio = (pick) => median(measured.gryphon.map(pick)) / median(measured.wrk.map(pick));
const rate = ratio(({ perSecond }) => perSecond).toFixed(2);
const cost = ratio(({ cpu }) => cpu).toFixed(2);
process.stdout.write(`\ngryphon ÷ wrk, medians: requests/s ${rate}, CPU per request ${cost}\n`);
