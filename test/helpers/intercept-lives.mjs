/**
 * Lives of intercepts, one after another in this process, each with tools that fail at another
 * call: `node intercept-lives.mjs MODE WHEN TARGET4 TARGET6` in the namespace of a target, for the
 * built command. WHEN is `instead of` or `after` the tool's work, or `abort`: then nothing fails,
 * and the intercept is told to end once that call has begun.
 *
 * In a life the intercept starts, a replay of each family registers, one leaves, it is told to end.
 * A line of JSON for each: what was called, how it ended, what was left, and what was left once the
 * command that its error names has been run.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseAddress } from '../../dist/base/address.js';
import { describeFailure } from '../../dist/cli/failure.js';
import { parseClients } from '../../dist/cli/values/clients.js';
import { ReplayPeer } from '../../dist/intercept/replay-peer.js';
import { parseOctets } from '../../dist/io/way/interfaces.js';
import { helloOf, wallClock } from '../../dist/run/channel/channel-ends.js';
import { runIntercept } from '../../dist/run/intercept/intercept-run.js';

const [mode, when, target4, target6] = process.argv.slice(2);
const PORT = 36_700;
const TOOLS = ['ip', 'iptables', 'ip6tables', 'iptables-restore', 'ip6tables-restore'];
// Links in brief: for more `ip` looks at every named namespace, and complains of one that is just coming or going.
const LOOK = 'ip route; ip -6 route; ip -br link; iptables-save; ip6tables-save';
const REAL_PATH = process.env.PATH;
const nowNs = () => performance.now() * 1e6;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const folder = mkdtempSync(join(tmpdir(), 'gryphon-tools-'));
const log = join(folder, 'calls');

/** Scripts of the tools' names; the `nth` call of all fails. */
function wrapTools(nth) {
  writeFileSync(log, '');
  for (const tool of TOOLS) {
    const real = execFileSync('sh', ['-c', `PATH="$PATH:/usr/sbin:/sbin" command -v ${tool}`], {
      encoding: 'utf8',
      env: { ...process.env, PATH: REAL_PATH },
    }).trim();
    const work = when === 'after' ? `${real} "$@"` : ':';
    const fails = when === 'abort' ? 'false' : `[ "$(wc -l <${log})" = ${nth} ]`;
    const script = `#!/bin/sh
PATH='${REAL_PATH}'
echo "${tool} $*" >>${log}
if ${fails}; then ${work}; echo 'made to fail' >&2; exit 7; fi
exec ${real} "$@"
`;
    writeFileSync(join(folder, tool), script);
    chmodSync(join(folder, tool), 0o755);
  }
}

const calls = () => readFileSync(log, 'utf8').split('\n').slice(0, -1);

/** A replay that registers; resolves when it is answered, in whatever way, with how it leaves. */
function register(clients, target) {
  const { family, ranges } = parseClients(clients);
  const socket = connect(PORT, '127.0.0.1');
  return new Promise((resolve) => {
    const answered = () => resolve(() => socket.destroy());
    socket.on('error', answered);
    socket.on('close', answered);
    socket.on('connect', () => {
      const peer = new ReplayPeer(
        {
          hello: helloOf('test'),
          request: {
            name: 'test:1',
            run: clients,
            prefixBytes: 0,
            family,
            ranges,
            ports: { first: 1_024, last: 65_535 },
            targets: [{ address: parseOctets(target), port: 80 }],
          },
          send: (octets) => socket.write(octets),
          now: wallClock(),
          onRegistered: answered,
          onRecords: () => undefined,
          onClockKnown: () => undefined,
          end: () => socket.destroy(),
        },
        nowNs(),
      );
      socket.on('data', (chunk) => peer.onOctets(chunk, nowNs()));
    });
  });
}

/** @param nth the call that fails, or at which it is told to end; 0: none */
async function live(nth) {
  wrapTools(nth);
  process.env.PATH = `${folder}:${REAL_PATH}`;
  const controller = new AbortController();
  const said = [];
  const options = {
    mode,
    host: '127.0.0.1',
    port: PORT,
    key: null,
    prefixBytes: 64,
    prefixBytesMax: 64,
    source: { prefixBytes: 64, prefixBytesMax: 64, ringFrames: 64 },
    logFile: null,
    pidFile: null,
    metrics: null,
  };
  const ended = runIntercept(options, {
    version: 'test',
    isTerminal: false,
    write: (text) => said.push(text),
    interrupted: controller.signal,
  }).then(
    () => null,
    (error) => error,
  );
  let isOver = false;
  void ended.then(() => {
    isOver = true;
  });
  const watch = setInterval(() => {
    if (when === 'abort' && nth > 0 && calls().length >= nth) controller.abort();
  }, 1);
  while (!isOver && !said.join('').includes('"msg":"ready"')) await pause(1);
  if (!isOver) {
    const leave = await register('198.18.0.0/24', target4);
    leave();
    const leaveLast = await register('fd77:18::/112', target6);
    // Until the first one's going has been dealt with.
    for (let ms = 0; ms < 300 && !isOver && !said.join('').includes('a replay is gone'); ms++) {
      await pause(1);
    }
    controller.abort();
    await ended;
    leaveLast();
  }
  clearInterval(watch);
  return { error: await ended, said: said.join('') };
}

function leftovers() {
  process.env.PATH = REAL_PATH;
  return execFileSync('sh', ['-c', LOOK], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => /gryphon-s|NFQUEUE/.test(line));
}

if (parseAddress(target4) === null) throw new Error(`${target4} is no address`);
for (let nth = 0, most = 1; nth <= most; nth++) {
  const { error, said } = await live(nth);
  const called = calls();
  if (nth === 0) most = called.length;
  const left = leftovers();
  const { text, code } = error === null ? { text: '', code: 0 } : describeFailure(error, false);
  const command = /remove them: (.*?)(?: \(or .*)?\n?$/.exec(text)?.[1] ?? null;
  if (left.length > 0 && command !== null) {
    execFileSync('sh', ['-c', command], { stdio: 'ignore' });
  }
  const still = leftovers();
  const line = {
    nth,
    call: called[nth - 1] ?? null,
    calls: called.length,
    code,
    text,
    left,
    still,
  };
  process.stdout.write(`${JSON.stringify({ ...line, said })}\n`);
}
rmSync(folder, { recursive: true });
process.exit(0);
