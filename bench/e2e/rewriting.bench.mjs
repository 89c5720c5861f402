/**
 * What it costs to write requests anew: the same replay against nginx without a module, with one that
 * wants nothing, and with one that puts 1 or 5 values of the client's own into every request; and with rules that add
 * headers, the same for all or of the user's own.
 *
 *     npm run build && sudo node bench/e2e/rewriting.bench.mjs
 *         [--smoke] [--rounds 5] [--requests 2000] [--users 1000]
 *
 * Rounds alternate. What is measured is the replay's whole CPU time, its start included, by request.
 */
import { fileURLToPath } from 'node:url';
import '../../test/helpers/typescript.mjs';
import { skip } from '../figures.mjs';
import { replayOnce } from './page-clients.mjs';
import { withPageServer } from './page-server.mjs';
import { median, phrase, printTable, readSizes } from './rounds-table.mjs';

const { routeClients } = await import('../../test/helpers/netns.ts');
const { missingFor } = await import('../../test/helpers/privilege.ts');

const MODULE = fileURLToPath(new URL('rewriting-module.mjs', import.meta.url));
const withSlots = (slots) => ['--module', MODULE, '--module-options', JSON.stringify({ slots })];
const VARIANTS = {
  'no module': [],
  'a module that wants nothing': withSlots(0),
  '1 value a request': withSlots(1),
  '5 values a request': withSlots(5),
  '1 fixed header by rules': ['--set-header', 'X-Run: b7'],
  '1 header by rules': ['--set-header', 'X-Run: {{user}}'],
  '5 headers by rules': [1, 2, 3, 4, 5].flatMap((i) => ['--set-header', `X-Run-${i}: {{user}}`]),
};

const sizes = readSizes();
const missing = missingFor(['ip', 'ethtool', 'ss', 'nginx', 'curl', 'tcpdump', 'bash']);
if (missing !== null) skip('rewriting', `it needs ${missing}`);
const measured = Object.fromEntries(Object.keys(VARIANTS).map((name) => [name, []]));
await withPageServer(sizes.requestsPerUser, async ({ lab, capture }) => {
  await routeClients(lab);
  for (let round = 0; round < sizes.rounds; round++) {
    for (const [name, argv] of Object.entries(VARIANTS)) {
      const replayed = await replayOnce(lab, capture, sizes.users, argv);
      measured[name].push(replayed);
      process.stderr.write(`round ${round + 1}: ${name}: ${phrase(replayed)}\n`);
    }
  }
});
printTable(measured, sizes);
const cpuOf = (name) => median(measured[name].map(({ cpu }) => cpu));
for (const name of Object.keys(VARIANTS).slice(1)) {
  const ratio = (cpuOf(name) / cpuOf('no module')).toFixed(2);
  process.stdout.write(`${name} ÷ no module, median CPU per request: ${ratio}\n`);
}
