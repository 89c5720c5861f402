/**
 * Whole replays against nginx with every way for the replies, and wrk beside them: the same server,
 * the same requests, the same minutes.
 *
 *     npm run build && sudo node bench/intercept/modes.bench.mjs
 *         [--smoke] [--rounds 5] [--requests 2000] [--users 1000]
 *
 * As e2e/nginx-wrk.bench.mjs, with the replies caught by the replay itself (`local`), by an
 * intercept on an auxiliary machine (`advanced`), and by one on the target (`nfqueue`, `sink`); the
 * channel has a secret. Who begins a round changes by turns. The intercept's CPU time is given
 * apart: both its threads, from the replay's start to its end. All run on one machine, so that the
 * modes with an intercept have one process more to share its processors with.
 */
import { readFileSync } from 'node:fs';
import '../../test/helpers/typescript.mjs';
import { replayOnce, wrkOnce } from '../e2e/page-clients.mjs';
import { withPageServer } from '../e2e/page-server.mjs';
import { median, phrase, printTable, readSizes } from '../e2e/rounds-table.mjs';
import { skip } from '../figures.mjs';

const { addAuxiliary, makeToken, startIntercept } = await import('../../test/helpers/intercept.ts');
const { CLIENTS_ROUTED, mustInside } = await import('../../test/helpers/netns.ts');
const { missingFor } = await import('../../test/helpers/privilege.ts');
const { must } = await import('../../test/helpers/process.ts');

const TOOLS = ['ip', 'ethtool', 'ss', 'nginx', 'wrk', 'curl', 'tcpdump', 'bash', 'iptables'];

const sizes = readSizes();
const missing = missingFor([...TOOLS, 'getconf']);
if (missing !== null) skip('modes', `it needs ${missing}`);
const ticksPerSecond = Number(await must(['getconf', 'CLK_TCK']));
const measured = { local: [], advanced: [], nfqueue: [], sink: [], wrk: [] };
const names = Object.keys(measured);
await withPageServer(sizes.requestsPerUser, async ({ lab, capture }) => {
  const auxiliary = await addAuxiliary(lab);
  try {
    // The default route leads to the auxiliary; nfqueue needs any, and the sink makes its own.
    await mustInside(lab.target, ['ip', 'route', 'add', 'default', 'via', auxiliary.gateway]);
    const setting = { lab, auxiliary, capture, token: makeToken() };
    for (let round = 0; round < sizes.rounds; round++) {
      for (let turn = 0; turn < names.length; turn++) {
        const name = names[(round + turn) % names.length];
        const figures = await measure(setting, name);
        measured[name].push(figures);
        process.stderr.write(`round ${round + 1}: ${name} ${phrase(figures)}\n`);
      }
    }
  } finally {
    await auxiliary.close();
  }
});
const intercept = { heading: 'intercept µs/request', pick: ({ interceptCpu }) => interceptCpu };
printTable(measured, sizes, [intercept]);
const toLocal = (name) => ratio(name, 'local', ({ perSecond }) => perSecond);
const rates = ['advanced', 'nfqueue', 'sink'].map((name) => `${name} ${toLocal(name)}`);
process.stdout.write(`\nrequests/s ÷ local, medians: ${rates.join(', ')}\n`);

async function measure(setting, name) {
  if (name === 'local') return { ...(await replayLocal(setting)), interceptCpu: null };
  if (name !== 'wrk') return await replayIntercepted(setting, name);
  // As long as a replay takes: the first round begins with one.
  const asked = await wrkOnce(setting.lab, sizes.users, measured.local.at(-1).seconds);
  return { ...asked, interceptCpu: null };
}

async function replayLocal({ lab, capture }) {
  const route = [CLIENTS_ROUTED.ipv4, 'via', lab.client.ipv4];
  await mustInside(lab.target, ['ip', 'route', 'add', ...route]);
  try {
    return await replayOnce(lab, capture, sizes.users);
  } finally {
    // A sink would leave a route of the same clients alone, and refuse.
    await mustInside(lab.target, ['ip', 'route', 'del', ...route]);
  }
}

async function replayIntercepted({ lab, auxiliary, capture, token }, mode) {
  const host = mode === 'advanced' ? auxiliary : lab.target;
  const daemon = await startIntercept(host, ['--mode', mode], { token });
  try {
    const before = cpuSecondsOf(daemon.pid);
    const argv = ['-s', host.ipv4, '--token-file', token];
    const replayed = await replayOnce(lab, capture, sizes.users, argv);
    const cpuSeconds = cpuSecondsOf(daemon.pid) - before;
    return { ...replayed, interceptCpu: (cpuSeconds / replayed.requests) * 1e6 };
  } finally {
    await daemon.stop();
  }
}

/** User and system time of a process and its threads so far: fields 14 and 15 of proc(5)'s stat. */
function cpuSecondsOf(pid) {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

function ratio(one, other, pick) {
  return (median(measured[one].map(pick)) / median(measured[other].map(pick))).toFixed(2);
}
