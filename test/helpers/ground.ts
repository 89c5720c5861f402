/** A host's network as a case found it, put back when the case is over, however it ended. */
import { afterEach, beforeEach } from 'vitest';
import { type Host, inside } from './netns.ts';
import { must, run } from './process.ts';

/** What a case may leave behind; lines as the tools print them. */
interface Ground {
  readonly links: ReadonlySet<string>;
  readonly addresses: ReadonlySet<string>;
  readonly routes: ReadonlySet<string>;
  readonly routes6: ReadonlySet<string>;
  readonly rules: string;
  readonly rules6: string;
  readonly settings: string;
}

/** Between the answers of several tools that one shell runs. */
const NEXT = '--next--';
/** Kernel settings that cases change; one an interface. */
const SETTINGS = '/proc/sys/net/ipv4/conf/*/rp_filter /proc/sys/net/ipv4/conf/*/route_localnet';
const LOOK = [
  'ip -o link',
  'ip -o address',
  'ip route',
  'ip -6 route',
  // Counters and times change by themselves; `|| true`: a host without the tool has no rules.
  "iptables-save | sed 's/^#.*//; s/\\[[0-9:]*\\]/[0:0]/' || true",
  "ip6tables-save | sed 's/^#.*//; s/\\[[0-9:]*\\]/[0:0]/' || true",
  `grep -H . ${SETTINGS}`,
].join(`; echo ${NEXT}; `);

/**
 * Puts back what a case has changed on these hosts: links, addresses, routes, firewall rules and
 * settings. To be called where hooks are registered; others' `afterEach` run before it.
 */
export function keepGround(hosts: () => readonly Host[]): void {
  const found = new Map<Host, Ground>();
  beforeEach(async () => {
    for (const host of hosts()) found.set(host, await look(host));
  });
  afterEach(async () => {
    for (const [host, ground] of found) await putBack(host, ground);
    found.clear();
  });
}

async function look(host: Host): Promise<Ground> {
  const text = await must(inside(host, ['sh', '-c', LOOK]));
  const parts = text.split(`${NEXT}\n`);
  const lines = (part = '') => new Set(part.split('\n').filter((line) => line !== ''));
  return {
    links: new Set([...lines(parts[0])].map((line) => line.split(/[:@] ?/)[1] ?? '')),
    addresses: new Set([...lines(parts[1])].map(addressOf)),
    routes: new Set([...lines(parts[2])].map(routeOf)),
    routes6: new Set([...lines(parts[3])].map(routeOf)),
    rules: parts[4] ?? '',
    rules6: parts[5] ?? '',
    settings: parts[6] ?? '',
  };
}

/** `2: link0    inet 10.77.0.1/16 …`: device and address. */
function addressOf(line: string): string {
  const [, device = '', , address = ''] = line.split(/\s+/);
  return `${address} dev ${device}`;
}

/** A route as `ip route` takes it again: without what it only reports. */
function routeOf(line: string): string {
  return line.replace(/ (linkdown|dead|pref medium|expires \S+|error \S+)/g, '').trim();
}

async function putBack(host: Host, before: Ground): Promise<void> {
  const now = await look(host);
  const ip = (...argv: string[]) => run(inside(host, ['ip', ...argv]));
  for (const link of missing(now.links, before.links)) await ip('link', 'del', link);
  for (const address of missing(now.addresses, before.addresses)) {
    await ip('address', 'del', ...address.split(' '));
  }
  for (const [family, is, was] of [
    ['-4', now.routes, before.routes],
    ['-6', now.routes6, before.routes6],
  ] as const) {
    for (const route of missing(is, was)) await ip(family, 'route', 'del', ...route.split(' '));
    for (const route of missing(was, is)) await ip(family, 'route', 'add', ...route.split(' '));
  }
  for (const [tool, is, was] of [
    ['iptables-restore', now.rules, before.rules],
    ['ip6tables-restore', now.rules6, before.rules6],
  ] as const) {
    // A table that was not there before is emptied: its first rule has made it.
    if (is !== was) await run(inside(host, [tool]), { input: `${emptied(is)}\n${was}` });
  }
  if (now.settings !== before.settings) {
    for (const line of before.settings.split('\n').filter((text) => text !== '')) {
      const at = line.lastIndexOf(':');
      const [path, value] = [line.slice(0, at), line.slice(at + 1)];
      await run(inside(host, ['sh', '-c', 'test ! -e "$0" || echo "$1" >"$0"', path, value]));
    }
  }
}

/** The tables of a dump without rules and without chains of somebody's own (policy `-`). */
function emptied(dump: string): string {
  return dump
    .split('\n')
    .filter((line) => /^(\*|:\S+ [A-Z]|COMMIT)/.test(line))
    .join('\n');
}

function missing(from: ReadonlySet<string>, others: ReadonlySet<string>): string[] {
  return [...from].filter((one) => !others.has(one));
}
