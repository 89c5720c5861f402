/**
 * One long transfer over a path that loses packets, by gryphon and by the kernel's own TCP beside it: a Python
 * client at a Python server, and curl at nginx, which gryphon replays. The same octets, the same namespaces, in
 * turn, and every other round in the other order.
 *
 *     npm run build && sudo node bench/e2e/lossy-transfer.bench.mjs [--smoke] [--rounds 5] [--congestion cubic,bbr] [--with curl|kernel]
 *
 * A gateway drops packets by chance in both directions; offloads are off, so that a packet is a
 * segment. The kernel's congestion control is the same for all: by default CUBIC, which Linux and recorded
 * clients have, whatever this machine has. What is measured is the transfer as its client sees it, from its SYN to the last octet of the
 * answer (the kernel's to its close, curl's `time_total`), starts of processes left out.
 */
import '../../test/helpers/typescript.mjs';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { moved, skip } from '../figures.mjs';
import { median } from './rounds-table.mjs';

const netns = await import('../../test/helpers/netns.ts');
const { missingFor } = await import('../../test/helpers/privilege.ts');
const { until } = await import('../../test/helpers/process.ts');
const { startCapture } = await import('../../test/helpers/capture.ts');
const { startNginx } = await import('../../test/helpers/servers.ts');
const { recordedTransfers } = await import('../../test/helpers/transfers.ts');

const GRYPHON = fileURLToPath(new URL('../../bin/gryphon.js', import.meta.url));
const TRANSFER = fileURLToPath(
  new URL('../../test/privileged/servers/transfer.py', import.meta.url),
);
const PYTHON = '/usr/bin/python3';
const PORT = 7_000;

const { values } = parseArgs({
  options: {
    smoke: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    congestion: { type: 'string', default: 'cubic' },
    with: { type: 'string', default: '' },
  },
});
const rounds = Number(values.rounds ?? (values.smoke ? 1 : 5));
const bytes = values.smoke ? 100_000 : 10_000_000;

const missing = missingFor(['ip', 'ethtool', 'iptables', 'ip6tables', 'nginx', 'curl', PYTHON]);
if (missing !== null) skip('lossy-transfer', `it needs ${missing}`);

const folder = mkdtempSync(join(tmpdir(), 'lossy-transfer-'));
const lab = await netns.makeLab({ gateway: true });
try {
  await netns.routeClients(lab);
  await netns.mustInside(lab.client, ['sysctl', '-qw', 'net.ipv4.tcp_no_metrics_save=1']);
  await netns.mustInside(lab.target, ['sysctl', '-qw', 'net.ipv4.tcp_no_metrics_save=1']);
  const serve = [PYTHON, TRANSFER, 'serve', lab.target.ipv4, `${PORT}`];
  const server = netns.startInside(lab.target, serve);
  await until('server ready', () => server.output().includes('serving'));
  const nginx = await startNginx(lab.target);
  nginx.addPage('transfer', bytes);
  writeFileSync(join(folder, 'body'), Buffer.alloc(bytes, 'gryphon'));
  for (const direction of ['down', 'up']) {
    const asked = await recordCurl(direction);
    const capture = join(folder, `${direction}.pcap`);
    writeFileSync(capture, recordedTransfers([{ port: PORT, direction, bytes }]));
    for (const [congestion, share] of values.congestion
      .split(',')
      .flatMap((name) => [0.01, 0.05].map((lost) => [name, lost]))) {
      await netns.setCongestionControl(lab, congestion);
      await netns.loseAtGateway(lab, share);
      const seconds = { kernel: [], gryphon: [], curl: [], 'gryphon at nginx': [] };
      const ways = [
        ['kernel', () => byKernel(direction)],
        ['gryphon', (round) => byGryphon(capture, PORT, round)],
        ['curl', () => byCurl(direction)],
        ['gryphon at nginx', (round) => byGryphon(asked, 80, round)],
      ].filter((_, way) => values.with === '' || (values.with === 'curl') === way >= 2);
      for (let round = 0; round < rounds; round++) {
        const inOrder = round % 2 === 0 ? ways : ways.toReversed();
        for (const [name, transfer] of inOrder) {
          const what = `${direction}, ${congestion}, ${share * 100} % lost: seconds of ${name}`;
          seconds[name].push(moved(what, await transfer(round)));
        }
      }
      report(`${direction}, ${congestion}`, share, seconds);
    }
  }
  await nginx.stop();
  await server.stop();
} finally {
  await lab.close();
  rmSync(folder, { recursive: true });
}

async function byKernel(direction) {
  const what = `${PORT}:${direction === 'up' ? 'U' : 'D'}${bytes}`;
  // The script without its last line, which would run it.
  const timed = `import sys, time
exec(open(sys.argv[1]).read().rsplit('main()', 1)[0])
start = time.monotonic()
asyncio.run(fetch('${lab.target.ipv4}', ['${what}']))
print(time.monotonic() - start)
`;
  const options = { timeoutMs: 120_000 };
  return Number(await netns.mustInside(lab.client, [PYTHON, '-c', timed, TRANSFER], options));
}

/** What curl says, without loss. @returns the capture's path */
async function recordCurl(direction) {
  await netns.loseAtGateway(lab, 0);
  const path = join(folder, `curl-${direction}.pcap`);
  const capture = await startCapture(lab.client, path, { filter: 'tcp port 80' });
  await byCurl(direction);
  await capture.stop();
  return path;
}

async function byCurl(direction) {
  const url = `http://${lab.target.ipv4}`;
  const body = ['-H', 'Expect:', '--data-binary', `@${join(folder, 'body')}`, `${url}/upload`];
  const what = direction === 'up' ? body : [`${url}/transfer`];
  const argv = ['curl', '-sS', '-f', '-o', '/dev/null', '-w', '%{time_total}', ...what];
  return Number(await netns.mustInside(lab.client, argv, { timeoutMs: 120_000 }));
}

async function byGryphon(capture, port, round) {
  const json = join(folder, 'result.json');
  const pool = ['--clients', `198.18.${round}.0/24`, '--threads', '1'];
  const map = `${port}-${lab.target.ipv4}:${port}`;
  const target = ['--map', map, '--timeout', '60s', '--json', json];
  const argv = [process.execPath, GRYPHON, 'replay', capture, ...target, ...pool];
  await netns.mustInside(lab.client, argv, { timeoutMs: 120_000 });
  const result = JSON.parse(readFileSync(json, 'utf8'));
  if (result.users.completed !== 1) throw new Error('the transfer was not completed');
  const { connect, response } = result.latency;
  return (connect.max + response.max) / 1_000;
}

function report(way, share, seconds) {
  const figures = (name) =>
    `${Math.min(...seconds[name]).toFixed(2)} (${median(seconds[name]).toFixed(2)})`;
  for (const [other, ours] of [
    ['kernel', 'gryphon'],
    ['curl', 'gryphon at nginx'],
  ]) {
    if (seconds[ours].length === 0) continue;
    const ratio = (median(seconds[ours]) / median(seconds[other])).toFixed(2);
    process.stdout.write(
      `${way}, ${share * 100} % lost: ${other} ${figures(other)} s, ${ours} ${figures(ours)} s, ` +
        `medians ${ratio}\n`,
    );
  }
}
