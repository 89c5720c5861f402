/**
 * Tables of a target's kernel that are full, which `gryphon doctor --on-target` has to name. That of
 * neighbours is one for the whole machine and that of connections has one limit for it, so what is made
 * here leaves the others theirs: no limit is lowered.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DEVICE, type Lab, makeLab, mustInside, runInside } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { undoAtExit } from '../helpers/process.ts';

const COMMAND = fileURLToPath(new URL('../../bin/gryphon.js', import.meta.url));

/** An entry each, by packets to as many addresses of this machine itself; prints how many there can be. */
const TRACKED = `
import socket
most = int(open('/proc/sys/net/netfilter/nf_conntrack_max').read())
heard = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
heard.bind(('0.0.0.0', 9))
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(most):
    sender.sendto(b'', ('127.%d.%d.%d' % (1 + (i >> 16), i >> 8 & 255, i & 255), 9))
print(most)
`;

/** As many neighbours as the whole machine may have for a while, and how many are made of them. */
const NEIGHBOURS_MAX = 20_000;
const NEIGHBOURS_MADE = 18_500;

describe.runIf(canRun('full tables', ['ip', 'iptables', 'python3', 'ss']))('full tables', () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await makeLab();
  });
  afterAll(async () => await lab?.close());

  /** What the doctor says on the target, its lines joined. */
  async function saidOnTarget(address: string): Promise<string> {
    const argv = ['doctor', '--on-target', '--target', address, '--wait', '50ms'];
    const { stdout } = await runInside(lab.target, [process.execPath, COMMAND, ...argv]);
    return stdout.replace(/\n {4,}/g, ' ');
  }

  test('of tracked connections', async () => {
    const { target } = lab;
    await mustInside(target, ['ip', 'link', 'set', 'lo', 'up']);
    const rule = ['OUTPUT', '-m', 'conntrack', '--ctstate', 'NEW', '-j', 'ACCEPT'];
    await mustInside(target, ['iptables', '-A', ...rule]);
    // However slow the machine is: none is over before the doctor looks.
    await mustInside(target, ['sysctl', '-qw', 'net.netfilter.nf_conntrack_udp_timeout=600']);
    try {
      const before = await saidOnTarget(`${target.ipv4}:80`);
      expect(before).toMatch(/✓ target: conntrack +\d+ of \d+ tracked connections\n/);
      expect(before).toMatch(/✓ target: neighbours +\d+ of \d+ neighbours\n/);
      const most = Number(await mustInside(target, ['python3', '-c', TRACKED]));
      // The kernel makes room for some of the last by dropping what nobody has answered.
      const full = new RegExp(
        `✗ target: conntrack +\\d+ of ${most} tracked connections: the table is (nearly )?full ` +
          `→ sysctl -w net\\.netfilter\\.nf_conntrack_max=${most * 4}`,
      );
      expect(await saidOnTarget(`${target.ipv4}:80`)).toMatch(full);
    } finally {
      await mustInside(target, ['iptables', '-D', ...rule]);
    }
  });

  test.each([
    { family: 4, neighbour: (i: number) => `10.77.${128 + (i >> 8)}.${i & 255}` },
    { family: 6, neighbour: (i: number) => `fd77::128:${i.toString(16)}` },
  ])('of IPv$family neighbours', async ({ family, neighbour }) => {
    const { target } = lab;
    const address = family === 4 ? `${target.ipv4}:80` : `[${target.ipv6}]:80`;
    const putBack = raiseLimits(family);
    try {
      const added = Array.from({ length: NEIGHBOURS_MADE }, (_, i) => {
        const entry = `${neighbour(i)} lladdr 02:00:00:00:00:01 nud reachable`;
        return `neigh add ${entry} dev ${DEVICE}`;
      });
      await mustInside(target, ['ip', '-batch', '-'], { input: `${added.join('\n')}\n` });
      const setting = `net\\.ipv${family}\\.neigh\\.default\\.gc_thresh3`;
      const full = new RegExp(
        `✗ target: neighbours +\\d+ of ${NEIGHBOURS_MAX} neighbours: the table is nearly full ` +
          `→ sysctl -w ${setting}=${NEIGHBOURS_MAX * 4} `,
      );
      expect(await saidOnTarget(address)).toMatch(full);
    } finally {
      await mustInside(target, ['ip', `-${family}`, 'neigh', 'flush', 'dev', DEVICE]);
      putBack();
    }
  });
});

/** Raises the machine's limits of neighbours, those at which it clears up, too. @returns what puts them back */
function raiseLimits(family: number): () => void {
  const limits = [3, 2].map((n) => `/proc/sys/net/ipv${family}/neigh/default/gc_thresh${n}`);
  const found = limits.map((path) => readFileSync(path, 'utf8'));
  const putBack = (): void => {
    // From below: no limit is ever above the next one.
    for (const [i, path] of [...limits.entries()].reverse()) writeFileSync(path, found[i] ?? '');
  };
  const forget = undoAtExit(putBack);
  for (const path of limits) writeFileSync(path, `${NEIGHBOURS_MAX}`);
  return () => {
    putBack();
    forget();
  };
}
