/**
 * Beside the peers: what others do of the same, in turn with it, and the bars that are held to be good.
 *
 *     npm run build && sudo node bench/e2e/peers.bench.mjs
 *         [--smoke] [--rounds 5] [--requests 1000] [--users 1000] [--packets 400000]
 *
 * - **Requests** of nginx with one worker: on open connections, on one each (by AF_XDP as well), and POSTs of 20 KB; by
 *   gryphon, wrk with one and two threads, and autocannon (asked from the registry; left out where there is none).
 *   The others run for as long as the replay took. A client's CPU is all of its process, its start included.
 * - **Packets** that leave: gryphon's default sender and AF_XDP, raw-socket, tcpreplay (`senders.bench.mjs`).
 * - **Captures** that are read: gryphon, pcap-parser, tcpdump, tshark (`reading.bench.mjs`).
 *
 * At the end are the bars, and what of them was reached.
 */
import '../../test/helpers/typescript.mjs';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { FIGURE, moved, skip, TOLD_VARIABLE } from '../figures.mjs';
import { describeMachine } from '../machine.mjs';
import { replayOnce, wrkOnce } from './page-clients.mjs';
import { withPageServer } from './page-server.mjs';
import { autocannonOnce, installAutocannon } from './peer-clients.mjs';
import { median, phrase, printTable } from './rounds-table.mjs';

const { routeClients } = await import('../../test/helpers/netns.ts');
const { missingFor } = await import('../../test/helpers/privilege.ts');

const BODY_BYTES = 20 * 1024;
const CLOSE = 'Connection: close';
/** Where what is sent shows most. */
const BY_XDP = 'gryphon --sender xdp';
const TOOLS = [
  'ip',
  'ethtool',
  'ss',
  'nginx',
  'wrk',
  'curl',
  'tcpdump',
  'bash',
  'tshark',
  'tcpreplay',
];

const { values } = parseArgs({
  options: {
    smoke: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '5' },
    requests: { type: 'string', default: '1000' },
    users: { type: 'string', default: '1000' },
    packets: { type: 'string', default: '400000' },
  },
});
const rounds = values.smoke ? 1 : Number(values.rounds);
const requests = values.smoke ? 10 : Number(values.requests);
const users = values.smoke ? 20 : Number(values.users);
const packets = values.smoke ? 2_000 : Number(values.packets);

const missing = missingFor(TOOLS);
if (missing !== null) skip('peers', `it needs ${missing}`);
const write = (text) => process.stdout.write(`${text}\n`);
const folder = mkdtempSync(join(tmpdir(), 'gryphon-peers-'));
const autocannon = values.smoke ? null : installAutocannon();
const bars = [];
try {
  describe();
  await compareRequests();
  comparePackets();
  // What shows that it runs is the bench of its own.
  if (!values.smoke) compareReading();
} finally {
  autocannon?.remove();
  rmSync(folder, { recursive: true });
}
if (!values.smoke) showBars();

function describe() {
  const commit = spawnSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).stdout;
  const machine = describeMachine();
  write(
    `${new Date().toISOString().slice(0, 10)}, commit ${commit?.trim() || 'unknown'}, ${machine},`,
  );
  write(`Node ${process.version}; load before it ${loadavg()[0]?.toFixed(1)}`);
  if (autocannon === null) write('autocannon is left out');
}

async function compareRequests() {
  const keepAlive = await requestsBy('requests on open connections', {
    requestsPerUser: requests,
    page: 'page.html',
  });
  const short = await requestsBy('requests on a connection each', {
    requestsPerUser: 1,
    page: 'page.html',
    server: { headers: [CLOSE] },
    iterations: Math.ceil(requests / 5),
    asWrk: ['-H', CLOSE],
    asAutocannon: ['-H', CLOSE],
    alsoByXdp: true,
  });
  const lua = join(folder, 'post.lua');
  const body = 'x'.repeat(BODY_BYTES);
  writeFileSync(lua, `wrk.method = 'POST'\nwrk.body = '${body}'\n`);
  const posts = await requestsBy('POSTs of 20 KB', {
    requestsPerUser: Math.ceil(requests / 5),
    page: 'upload',
    server: { pages: ['upload'], bodyBytes: BODY_BYTES },
    asWrk: ['-s', lua],
    asAutocannon: ['-m', 'POST', '-b', body],
  });
  const [rate, cpu] = [({ perSecond }) => perSecond, (run) => run.cpu];
  atLeast('open connections: requests/s ÷ wrk’s', 1.1, ratio(keepAlive, 'wrk -t1', rate));
  atMost('open connections: CPU of a request ÷ wrk’s', 0.85, ratio(keepAlive, 'wrk -t1', cpu));
  const eachBar = 'a connection each: requests/s ÷ those of wrk -t2';
  atLeast(eachBar, 1.3, ratio(short, 'wrk -t2', rate));
  atLeast(`${eachBar}, by AF_XDP`, 1.3, ratio(short, 'wrk -t2', rate, BY_XDP));
  atLeast('POSTs: requests/s ÷ wrk’s', 1, ratio(posts, 'wrk -t1', rate));
}

/** Each client in turn, every other round in the other order. @returns its rounds by client */
async function requestsBy(title, load) {
  const {
    requestsPerUser,
    page,
    server = {},
    iterations = 1,
    asWrk = [],
    asAutocannon = [],
    alsoByXdp = false,
  } = load;
  const measured = {
    gryphon: [],
    ...(alsoByXdp ? { [BY_XDP]: [] } : {}),
    'wrk -t1': [],
    'wrk -t2': [],
  };
  if (autocannon !== null) measured.autocannon = [];
  write(`\n${title}:`);
  await withPageServer(
    requestsPerUser,
    async ({ lab, capture }) => {
      await routeClients(lab);
      let seconds = 1;
      const replay = ['--iterations', `${iterations}`];
      const clients = {
        gryphon: () => replayOnce(lab, capture, users, replay),
        [BY_XDP]: () => replayOnce(lab, capture, users, [...replay, '--sender', 'xdp']),
        'wrk -t1': () => wrkOnce(lab, users, seconds, page, asWrk),
        'wrk -t2': () => wrkOnce(lab, users, seconds, page, ['-t', '2', ...asWrk]),
        autocannon: () =>
          autocannonOnce(autocannon.program, lab, users, seconds, page, asAutocannon),
      };
      const names = Object.keys(measured);
      for (let round = 0; round < rounds; round++) {
        for (const name of round % 2 === 0 ? names : names.toReversed()) {
          const done = await clients[name]();
          if (name === 'gryphon') seconds = done.seconds;
          measured[name].push(done);
          process.stderr.write(`round ${round + 1}, ${title}: ${name} ${phrase(done)}\n`);
        }
      }
    },
    server,
  );
  printTable(measured, {
    rounds,
    users,
    requestsPerUser: requestsPerUser * iterations,
    what: 'requests',
  });
  return measured;
}

function comparePackets() {
  write('\npackets that leave:');
  const variants = 'packet,xdp,raw-socket,tcpreplay';
  const size = ['--runs', `${rounds}`, '--packets', `${packets}`, '--variants', variants];
  const figures = benchOf('io/senders.bench.mjs', size);
  const rate = (name) => median(figures.get(`${name}: packets/s`));
  for (const [how, sender] of [
    ['', 'packet'],
    [', by AF_XDP', 'xdp'],
  ]) {
    atLeast(`packets/s ÷ tcpreplay --topspeed’s${how}`, 1.2, rate(sender) / rate('tcpreplay'));
    atLeast(`packets/s ÷ raw-socket’s${how}`, 2.5, rate(sender) / rate('raw-socket'));
  }
}

function compareReading() {
  write('\ncaptures that are read:');
  benchOf('capture/reading.bench.mjs', ['--rounds', `${rounds}`]);
}

function showBars() {
  write('\n| bar | reached | |\n|---|---|---|');
  for (const { what, bound, figure, isHeld } of bars) {
    write(`| ${what} ${bound} | ${figure.toFixed(2)} | ${isHeld ? 'held' : 'missed'} |`);
  }
}

/** Another bench in a process of its own, shown as it is. @returns what it told, by figure */
function benchOf(path, argv) {
  const told = join(folder, 'told');
  writeFileSync(told, '');
  const program = fileURLToPath(new URL(`../${path}`, import.meta.url));
  execFileSync(process.execPath, [program, ...argv], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, [TOLD_VARIABLE]: told },
  });
  const figures = new Map();
  for (const line of readFileSync(told, 'utf8').split('\n')) {
    const [, what, figure] = /^(.*): ([^:]+)$/.exec(line.slice(FIGURE.length + 1)) ?? [];
    if (what === undefined) continue;
    figures.set(what, [...(figures.get(what) ?? []), moved(what, Number(figure))]);
  }
  return figures;
}

function ratio(measured, peer, pick, own = 'gryphon') {
  return median(measured[own].map(pick)) / median(measured[peer].map(pick));
}

function atLeast(what, bound, figure) {
  bars.push({ what, bound: `≥ ${bound}`, figure: moved(what, figure), isHeld: figure >= bound });
}

function atMost(what, bound, figure) {
  bars.push({ what, bound: `≤ ${bound}`, figure: moved(what, figure), isHeld: figure <= bound });
}
