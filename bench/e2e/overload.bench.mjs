/**
 * Short sessions offered faster than client and server can do: does what is done hold?
 *
 *     npm run build && sudo node bench/e2e/overload.bench.mjs
 *         [--smoke] [--rounds 3] [--users 60000] [--best 0] [--neighbour]
 *         [--backlog 4096] [--multiples 1.2,2,4,10]
 *
 * nginx with one worker and a page of 1 KB; every user connects, asks once and closes. First it is
 * found how many sessions a second can be done (`--best` says it instead), by offering more and more
 * until less than nine tenths of it get done; then 1.2, 2, 4 and 10 times that are offered. Figures:
 * users completed a second from the first start to the last end, as a share of the best; replies lost
 * in the ring; SYNs sent again; users that did not complete; starts that were late. `--neighbour`
 * keeps one of the processors busy beside it, `--backlog` is how many connections may wait to be accepted.
 */
import { spawn } from 'node:child_process';
import { parseArgs } from 'node:util';
import '../../test/helpers/typescript.mjs';
import { moved, skip } from '../figures.mjs';
import { replayed } from './page-clients.mjs';
import { withPageServer } from './page-server.mjs';

const { routeClients } = await import('../../test/helpers/netns.ts');
const { missingFor } = await import('../../test/helpers/privilege.ts');

const FIRST_RATE = 4_000;
const RATE_STEP = 1.3;
const SECONDS_OFFERED = 3;
/** One may have had a bad moment. */
const FAILED_IN_A_ROW = 3;

const { values } = parseArgs({
  options: {
    smoke: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '3' },
    users: { type: 'string', default: '60000' },
    best: { type: 'string', default: '0' },
    neighbour: { type: 'boolean', default: false },
    backlog: { type: 'string', default: '4096' },
    multiples: { type: 'string', default: '1.2,2,4,10' },
  },
});
const missing = missingFor(['ip', 'ethtool', 'ss', 'nginx', 'curl', 'tcpdump', 'bash']);
if (missing !== null) skip('overload', `it needs ${missing}`);
const write = (text) => process.stdout.write(`${text}\n`);
const neighbour = values.neighbour
  ? spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' })
  : null;
try {
  const backlog = Number(values.backlog);
  const measure = async ({ lab, capture }) => {
    await routeClients(lab);
    const offer = (rate, users) => offered(lab, capture, rate, users);
    if (values.smoke) {
      write(row(1, await offer(1_000, 200), 1_000));
      return;
    }
    const best = Number(values.best) || (await bestRate(offer));
    write(`best: ${Math.round(best)} sessions/s`);
    for (let round = 0; round < Number(values.rounds); round++) {
      for (const multiple of values.multiples.split(',').map(Number)) {
        write(row(multiple, await offer(multiple * best, Number(values.users)), best));
      }
    }
  };
  await withPageServer(1, measure, { backlog });
} finally {
  neighbour?.kill();
}

/** Offers more and more; the most that got done. */
async function bestRate(offer) {
  let best = 0;
  let failed = 0;
  for (let rate = FIRST_RATE; ; rate *= RATE_STEP) {
    const { perSecond } = await offer(rate, Math.round(rate * SECONDS_OFFERED));
    process.stderr.write(`offered ${Math.round(rate)}/s: ${Math.round(perSecond)}/s done\n`);
    best = Math.max(best, perSecond);
    failed = perSecond < 0.9 * rate ? failed + 1 : 0;
    if (failed === FAILED_IN_A_ROW) return best;
  }
}

async function offered(lab, capture, rate, users) {
  const argv = ['--users', `${users}`, '--rate', `${Math.round(rate)}/s`, '--pace', 'none'];
  const { result } = await replayed(lab, capture, argv);
  const perSecond = result.users.completed / result.durationSeconds;
  return { result, perSecond: moved(`sessions/s at ${Math.round(rate)}/s`, perSecond) };
}

function row(multiple, { result, perSecond }, best) {
  const { users, packets, generator } = result;
  const lost = users.planned - users.completed;
  return [
    `${multiple} times`,
    `${Math.round(perSecond)} sessions/s, ${(perSecond / best).toFixed(2)} of the best`,
    `${packets.dropped.ringFull} replies lost in the ring`,
    `${packets.synRetransmitted} SYNs again`,
    `${packets.retransmitted} segments again`,
    `${lost} users not completed`,
    `latest start ${Math.round(generator.startLagMsMax)} ms late`,
  ].join('; ');
}
