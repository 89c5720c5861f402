/** An auxiliary machine beside a lab's link, and intercepts that run in it or on the target. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Host, type Lab, mustInside, startInside } from './netns.ts';
import { must, type Running, run, runWhileEnding, undoAtExit, until } from './process.ts';
import { makeFolder } from './servers.ts';

const COMMAND = fileURLToPath(new URL('../../bin/gryphon.js', import.meta.url));

/** Where the auxiliary machine meets the target, and where it meets the client. */
const TO_TARGET = {
  device: 'link0',
  ipv4: '10.79.0.3',
  peer: '10.79.0.1',
  ipv6: 'fd79::3',
  peer6: 'fd79::1',
} as const;
const TO_CLIENT = {
  device: 'link1',
  ipv4: '10.80.0.3',
  peer: '10.80.0.2',
  ipv6: 'fd80::3',
  peer6: 'fd80::2',
} as const;

export interface Auxiliary extends Host {
  /** Its addresses on the link to the target: the next hops of the target's routes. */
  readonly gateway: string;
  readonly gateway6: string;
  readonly close: () => Promise<void>;
}

/**
 * A third machine: `link0` leads to the target (10.79.0.0/16, fd79::/64), `link1` to the client
 * (10.80.0.0/16, fd80::/64), by which replays reach its intercept. It forwards nothing.
 */
export async function addAuxiliary(lab: Lab): Promise<Auxiliary> {
  const name = lab.client.name.replace(/client$/, 'auxiliary');
  const remove = () => {
    runWhileEnding(['sh', '-c', 'ip netns pids "$0" | xargs -r kill -9', name]);
    runWhileEnding(['ip', 'netns', 'delete', name]);
  };
  await must(['ip', 'netns', 'add', name]);
  const forget = undoAtExit(remove);
  await must(['ip', '-n', name, 'link', 'set', 'lo', 'up']);
  for (const [{ device, ipv4, peer, ipv6, peer6 }, other, otherDevice] of [
    [TO_TARGET, lab.target, 'aux0'],
    [TO_CLIENT, lab.client, 'aux0'],
  ] as const) {
    const end = ['peer', 'name', otherDevice, 'netns', other.name];
    await must(['ip', 'link', 'add', device, 'netns', name, 'type', 'veth', ...end]);
    await must(['ip', '-n', name, 'address', 'add', `${ipv4}/16`, 'dev', device]);
    await must(['ip', '-n', other.name, 'address', 'add', `${peer}/16`, 'dev', otherDevice]);
    for (const [where, address, dev] of [
      [name, ipv6, device],
      [other.name, peer6, otherDevice],
    ] as const) {
      await must(['ip', '-n', where, 'address', 'add', `${address}/64`, 'dev', dev, 'nodad']);
    }
    await must(['ip', '-n', name, 'link', 'set', device, 'up']);
    await must(['ip', '-n', other.name, 'link', 'set', otherDevice, 'up']);
  }
  const home = ['route', 'add', '10.77.0.0/16', 'via', TO_TARGET.peer, 'dev', TO_TARGET.device];
  const home6 = ['-6', 'route', 'add', 'fd77::/64', 'via', TO_TARGET.peer6];
  await must(['ip', '-n', name, ...home]);
  await must(['ip', '-n', name, ...home6]);
  const off = ['net.ipv4.ip_forward=0', 'net.ipv6.conf.all.forwarding=0'];
  await must(['ip', 'netns', 'exec', name, 'sysctl', '-qw', ...off]);
  const close = async () => {
    remove();
    forget();
  };
  const { device, ipv4, ipv6 } = TO_CLIENT;
  return { name, device, ipv4, ipv6, gateway: TO_TARGET.ipv4, gateway6: TO_TARGET.ipv6, close };
}

/** A file with a secret for both ends, removed with the tests. */
export function makeToken(text = 'a secret of more than sixteen octets'): string {
  const path = join(makeFolder('token').path, 'token');
  writeFileSync(path, text);
  return path;
}

export interface RunningIntercept extends Running {
  readonly port: number;
}

/** Starts `gryphon intercept` in a host and waits for its line `ready`. */
export async function startIntercept(
  host: Host,
  argv: readonly string[],
  at: { readonly token: string; readonly port?: number },
): Promise<RunningIntercept> {
  const listen = `${host.ipv4}:${at.port ?? 36_524}`;
  const command = [process.execPath, COMMAND, 'intercept', '--listen', listen];
  const program = startInside(host, [...command, '--token-file', at.token, ...argv]);
  await until(`${listen} ready`, () => {
    if (program.hasEnded()) throw new Error(`the intercept ended:\n${program.output()}`);
    return program.output().includes('"msg":"ready"');
  });
  return { ...program, port: at.port ?? 36_524 };
}

/** What an intercept may leave behind on a host: routes, interfaces, rules; a line each. */
export async function leftovers(host: Host): Promise<string[]> {
  const routes = await mustInside(host, ['ip', 'route']);
  const routes6 = await mustInside(host, ['ip', '-6', 'route']);
  const links = await mustInside(host, ['ip', '-o', 'link']);
  const rules = await run(['ip', 'netns', 'exec', host.name, 'iptables-save']);
  const rules6 = await run(['ip', 'netns', 'exec', host.name, 'ip6tables-save']);
  const all = [routes, routes6, links].join('\n').split('\n');
  return [
    // The namespaces' own names begin with gryphon-test.
    ...all.filter((line) => /gryphon-(?!test)/.test(line)),
    ...`${rules.stdout}\n${rules6.stdout}`.split('\n').filter((line) => line.includes('NFQUEUE')),
  ];
}
