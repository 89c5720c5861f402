/**
 * Uploads: POSTs of 20 KB to nginx, with wrk beside it, which has a body from Lua: the same server, the same
 * octets, the same minutes.
 *
 *     npm run build && sudo node bench/e2e/upload-wrk.bench.mjs
 *         [--smoke] [--rounds 5] [--requests 2000] [--users 1000]
 *
 * Both clients keep so many connections and send the next request as soon as the answer is there.
 */
import '../../test/helpers/typescript.mjs';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { skip } from '../figures.mjs';
import { replayOnce, wrkOnce } from './page-clients.mjs';
import { withPageServer } from './page-server.mjs';
import { median, phrase, printTable, readSizes } from './rounds-table.mjs';

const { routeClients } = await import('../../test/helpers/netns.ts');
const { missingFor } = await import('../../test/helpers/privilege.ts');

const BODY_BYTES = 20 * 1024;
const PAGE = 'upload';

const sizes = readSizes();
const missing = missingFor(['ip', 'ethtool', 'ss', 'nginx', 'wrk', 'curl', 'tcpdump', 'bash']);
if (missing !== null) skip('upload-wrk', `it needs ${missing}`);
const measured = { gryphon: [], wrk: [] };
const folder = mkdtempSync(join(tmpdir(), 'gryphon-upload-'));
try {
  const script = join(folder, 'post.lua');
  writeFileSync(script, `wrk.method = 'POST'\nwrk.body = string.rep('x', ${BODY_BYTES})\n`);
  const measure = async ({ lab, capture }) => {
    await routeClients(lab);
    for (let round = 0; round < sizes.rounds; round++) {
      const replayed = await replayOnce(lab, capture, sizes.users);
      const asked = await wrkOnce(lab, sizes.users, replayed.seconds, PAGE, ['-s', script]);
      measured.gryphon.push(replayed);
      measured.wrk.push(asked);
      const line = `gryphon ${phrase(replayed)}, wrk ${phrase(asked)}`;
      process.stderr.write(`round ${round + 1}: ${line}\n`);
    }
  };
  await withPageServer(sizes.requestsPerUser, measure, { pages: [PAGE], bodyBytes: BODY_BYTES });
} finally {
  rmSync(folder, { recursive: true });
}
printTable(measured, { ...sizes, what: 'POSTs' });
const ratio = (pick) => median(measured.gryphon.map(pick)) / median(measured.wrk.map(pick));
const rate = ratio(({ perSecond }) => perSecond).toFixed(2);
const cost = ratio(({ cpu }) => cpu).toFixed(2);
process.stdout.write(`\ngryphon ÷ wrk, medians: requests/s ${rate}, CPU per request ${cost}\n`);
