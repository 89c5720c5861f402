/**
 * Rules for own addresses, made and taken away again and again in this process, each time with tools that fail at
 * another call: `node reply-drop-lives.mjs TOOL WHEN` in a namespace of its own, for the built program. TOOL is
 * the one that is installed, `iptables` (and nft beside it) or `nft` alone; WHEN is `instead of` or `after` its work.
 * Before each life there is what a killed run has left.
 *
 * A line of JSON for each: what was called, what was said, what of its own was left, and what of that once the
 * commands that were told have been run.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseAddress } from '../../dist/base/address.js';
import { describeFailure } from '../../dist/cli/failure.js';
import { parseClients } from '../../dist/cli/values/clients.js';
import { ownMark } from '../../dist/io/rules/process-mark.js';
import { openReplyDrop } from '../../dist/io/rules/reply-drop.js';

const [installed, when] = process.argv.slice(2);
const CHAINS = ['iptables', 'ip6tables', 'iptables-restore', 'ip6tables-restore'];
const TOOLS = installed === 'nft' ? ['nft'] : [...CHAINS, 'nft'];
const REAL_PATH = `${process.env.PATH}:/usr/sbin:/sbin`;
const OWN = ownMark();
/** Of a process that cannot be: numbers end below. */
const DEAD = 'gryphon:4194305:1';
const asTable = (mark) => mark.replaceAll(':', '-');
const LOOK = 'iptables-save -t raw; ip6tables-save -t raw; nft list tables inet';
const LEAVE = `iptables -t raw -I PREROUTING -s 10.9.9.9 -m comment --comment ${DEAD} -j DROP; nft add table inet ${asTable(DEAD)}`;
const CLEAR =
  'iptables -t raw -F; ip6tables -t raw -F; nft list tables inet | grep gryphon | xargs -r -L 1 nft delete';
const SPEC = {
  device: 'lo',
  targets: [{ address: parseAddress('10.0.0.5'), port: 80 }],
  ranges: parseClients('10.0.0.2').ranges,
  ports: { first: 1_024, last: 65_535 },
};

const folder = mkdtempSync(join(tmpdir(), 'gryphon-tools-'));
const log = join(folder, 'calls');

const shell = (line) =>
  execFileSync('sh', ['-c', line], {
    encoding: 'utf8',
    env: { ...process.env, PATH: REAL_PATH },
    stdio: ['ignore', 'pipe', 'ignore'],
  });

/** Scripts of the tools' names; the `nth` call of all fails. */
function wrapTools(nth) {
  writeFileSync(log, '');
  for (const tool of TOOLS) {
    const real = shell(`command -v ${tool}`).trim();
    const work = when === 'after' ? `${real} "$@"` : ':';
    const script = `#!/bin/sh
PATH='${REAL_PATH}'
echo "${tool} $*" >>${log}
if [ "$(wc -l <${log})" = ${nth} ]; then ${work}; echo 'made to fail' >&2; exit 7; fi
exec ${real} "$@"
`;
    writeFileSync(join(folder, tool), script);
    chmodSync(join(folder, tool), 0o755);
  }
}

const calls = () => readFileSync(log, 'utf8').split('\n').slice(0, -1);
const linesOf = (mark) =>
  shell(LOOK)
    .split('\n')
    .filter((line) => line.includes(mark) || line.includes(asTable(mark)));

/** @param nth the call that fails; 0: none */
function live(nth) {
  shell(LEAVE);
  wrapTools(nth);
  // The scripts alone: what is not among them is not installed.
  process.env.PATH = folder;
  let fault = null;
  let inForce = [];
  try {
    const drop = openReplyDrop(SPEC);
    inForce = linesOf(OWN);
    drop.close();
  } catch (cause) {
    fault = cause;
  }
  return { fault, inForce };
}

for (let nth = 0, most = 1; nth <= most; nth++) {
  const { fault, inForce } = live(nth);
  const called = calls();
  if (nth === 0) most = called.length;
  const { text, code } = fault === null ? { text: '', code: 0 } : describeFailure(fault, false);
  const [left, dead] = [linesOf(OWN), linesOf(DEAD)];
  const told = [...text.matchAll(/remove (?:them|it): (.*?)(?: \(or |; |\n|$)/g)].map(
    ([, command]) => command,
  );
  for (const command of told.filter((each) => each.includes(OWN) || each.includes(asTable(OWN)))) {
    shell(command);
  }
  const still = linesOf(OWN);
  const line = { nth, call: called[nth - 1] ?? null, calls: called.length };
  process.stdout.write(`${JSON.stringify({ ...line, code, text, inForce, left, dead, still })}\n`);
  shell(CLEAR);
}
rmSync(folder, { recursive: true });
