/**
 * Answers that are never as long as recorded, beside answers that are, and wrk beside both: the same server,
 * the same minutes.
 *
 *     npm run build && sudo node bench/e2e/lengths.bench.mjs
 *         [--smoke] [--rounds 5] [--requests 2000] [--users 1000]
 *
 * nginx has one worker. A page is any of ten files of 600 to 1,500 octets, by chance, so that its length says nothing; the
 * other is any of ten as well, all of 1,050, so that chance costs the server the same. A single file of 1 KB tells how much
 * that is.
 */
import '../../test/helpers/typescript.mjs';
import { skip } from '../figures.mjs';
import { replayOnce, wrkOnce } from './page-clients.mjs';
import { withPageServer } from './page-server.mjs';
import { median, phrase, printTable, readSizes } from './rounds-table.mjs';

const { routeClients } = await import('../../test/helpers/netns.ts');
const { missingFor } = await import('../../test/helpers/privilege.ts');

const PAGES = { 'one file': 'page.html', constant: 'ten.html', 'by chance': 'any.html' };

const sizes = readSizes();
const missing = missingFor(['ip', 'ethtool', 'ss', 'nginx', 'wrk', 'curl', 'tcpdump', 'bash']);
if (missing !== null) skip('lengths', `it needs ${missing}`);
const measured = {};
const names = Object.keys(PAGES);
for (const name of names)
  Object.assign(measured, { [`gryphon, ${name}`]: [], [`wrk, ${name}`]: [] });
await withPageServer(
  sizes.requestsPerUser,
  async ({ lab, captures }) => {
    await routeClients(lab);
    for (let round = 0; round < sizes.rounds; round++) {
      // Every other round in the other order: a machine is not as fast in one minute as in the next.
      for (const name of round % 2 === 0 ? names : names.toReversed()) {
        const replayed = await replayOnce(lab, captures[names.indexOf(name)], sizes.users);
        const asked = await wrkOnce(lab, sizes.users, replayed.seconds, PAGES[name]);
        measured[`gryphon, ${name}`].push(replayed);
        measured[`wrk, ${name}`].push(asked);
        const line = `${name}: gryphon ${phrase(replayed)}, wrk ${phrase(asked)}`;
        process.stderr.write(`round ${round + 1}, ${line}\n`);
      }
    }
  },
  { pages: Object.values(PAGES) },
);
printTable(measured, sizes);
const rate = (name) => median(measured[name].map(({ perSecond }) => perSecond));
const ratio = (client) => (rate(`${client}, by chance`) / rate(`${client}, constant`)).toFixed(2);
process.stdout.write(
  `\nby chance ÷ constant, medians of requests/s: gryphon ${ratio('gryphon')}, wrk ${ratio('wrk')}\n`,
);
