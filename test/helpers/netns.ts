/**
 * Laboratories of network namespaces: made for one test file, removed on every path.
 *
 *   link     client 10.77.0.2 ──────────────────────── 10.77.0.1 target      10.77.0.0/16, fd77::/64
 *   switch   client 10.77.0.2 ─── switch ─── 10.77.0.1 target, other client 10.77.0.4
 *   gateway  client 10.77.0.2 ── 10.77.0.3 gateway 10.78.0.3 ── 10.78.0.1 target
 *
 * The client ranges that replays use are either on the link (10.77.64.0/18, fd77::64:0/112: nobody
 * owns them and the replay answers for them) or routed (198.18.0.0/15, fd77:18::/64: the target's
 * route for them leads to the client host or the gateway).
 */
import { existsSync, readdirSync } from 'node:fs';
import {
  must,
  type Running,
  type RunOptions,
  run,
  runWhileEnding,
  startProgram,
  undoAtExit,
} from './process.ts';

const PREFIX = 'gryphon-test';
/** Every device in a namespace bears this name, so that tests need not look it up. */
export const DEVICE = 'link0';
/** The gateway's second device, towards the target. */
export const DEVICE_TO_TARGET = 'link1';

/** Addresses that nobody owns, for replays to take their clients from. */
export const CLIENTS_ON_LINK = { ipv4: '10.77.64.0/18', ipv6: 'fd77::64:0/112' } as const;
export const CLIENTS_ROUTED = { ipv4: '198.18.0.0/15', ipv6: 'fd77:18::/64' } as const;

/** One network namespace with one device, or two for a gateway. */
export interface Host {
  /** The namespace's name, for `ip netns exec`. */
  readonly name: string;
  readonly device: string;
  readonly ipv4: string;
  readonly ipv6: string;
}

export interface Lab {
  readonly client: Host;
  readonly target: Host;
  /** The client itself when there is no gateway: whoever the target's routes lead to. */
  readonly gateway: Host;
  /** Removes the namespaces and with them the devices; what still runs in them is killed. */
  readonly close: () => Promise<void>;
}

export interface LabOptions {
  /** A gateway between client and target, where packets can be lost; none by default. */
  readonly gateway?: boolean;
  /** Segmentation and checksum offload, so that frames exceed the MTU; off by default. */
  readonly offload?: boolean;
}

let made = 0;

/** So many namespaces with nothing in them but `lo`, and what removes them on every path. */
export async function makeNamespaces(
  count: number,
): Promise<{ readonly names: readonly string[]; readonly close: () => void }> {
  removeOrphans();
  const id = `${PREFIX}-${process.pid}-${made++}`;
  const names = Array.from({ length: count }, (_, i) => `${id}-${i}`);
  const remove = (): void => {
    for (const name of names) removeNamespace(name);
  };
  const forget = undoAtExit(remove);
  const close = (): void => {
    remove();
    forget();
  };
  try {
    for (const name of names) await addNamespace(name);
    return { names, close };
  } catch (fault) {
    close();
    throw fault;
  }
}

/** Makes the namespaces, addresses and routes drawn at the top of this file. Needs root. */
export async function makeLab(options: LabOptions = {}): Promise<Lab> {
  removeOrphans();
  const id = `${PREFIX}-${process.pid}-${made++}`;
  const names = options.gateway
    ? [`${id}-client`, `${id}-gateway`, `${id}-target`]
    : [`${id}-client`, `${id}-target`];
  const forget = undoAtExit(() => {
    for (const name of names) removeNamespace(name);
  });
  const close = async () => {
    for (const name of names) removeNamespace(name);
    forget();
  };
  try {
    for (const name of names) await addNamespace(name);
    const lab = options.gateway ? await connectByGateway(id) : await connectByLink(id);
    for (const name of names) await setOffload(name, options.offload ?? false);
    for (const name of names) await until6(name);
    return { ...lab, close };
  } catch (fault) {
    await close();
    throw fault;
  }
}

/** A target on a switch with two hosts that can be clients. */
export interface SwitchedLab extends Lab {
  readonly other: Host;
}

/** Makes client, other client and target on one link. Needs root. */
export async function makeSwitchedLab(): Promise<SwitchedLab> {
  removeOrphans();
  const id = `${PREFIX}-${process.pid}-${made++}`;
  const client = host(`${id}-client`, DEVICE, '10.77.0.2', 'fd77::2');
  const other = host(`${id}-other`, DEVICE, '10.77.0.4', 'fd77::4');
  const target = host(`${id}-target`, DEVICE, '10.77.0.1', 'fd77::1');
  const bridge = `${id}-switch`;
  const hosts = [client, other, target];
  const names = [bridge, ...hosts.map(({ name }) => name)];
  const forget = undoAtExit(() => {
    for (const name of names) removeNamespace(name);
  });
  const close = async () => {
    for (const name of names) removeNamespace(name);
    forget();
  };
  try {
    for (const name of names) await addNamespace(name);
    await must(['ip', '-n', bridge, 'link', 'add', 'br0', 'type', 'bridge', 'mcast_snooping', '0']);
    await must(['ip', '-n', bridge, 'link', 'set', 'br0', 'up']);
    for (const [i, each] of hosts.entries()) {
      const port = `port${i}`;
      const peer = ['peer', 'name', each.device, 'netns', each.name];
      await must(['ip', 'link', 'add', port, 'netns', bridge, 'type', 'veth', ...peer]);
      await must(['ip', '-n', bridge, 'link', 'set', port, 'master', 'br0', 'up']);
      await configure(each);
    }
    for (const name of names) await setOffload(name, false);
    for (const name of names) await until6(name);
    return { client, other, target, gateway: client, close };
  } catch (fault) {
    await close();
    throw fault;
  }
}

/** The command line that runs `argv` inside a host; its process id is the command's own. */
export function inside(host: Host, argv: readonly string[]): string[] {
  return ['ip', 'netns', 'exec', host.name, ...argv];
}

/** Runs a command inside a host to its end, which must be 0, and returns its stdout. */
export function mustInside(host: Host, argv: readonly string[], options?: RunOptions) {
  return must(inside(host, argv), options);
}

/** A counter of the host's kernel since it began, by its name in nstat: `TcpPassiveOpens`. */
export async function kernelCount(host: Host, name: string): Promise<number> {
  const text = await mustInside(host, ['nstat', '-az', name]);
  return Number(new RegExp(`^${name}\\s+(\\d+)`, 'm').exec(text)?.[1]);
}

/** Runs a command inside a host to its end, whatever that is. */
export function runInside(host: Host, argv: readonly string[], options?: RunOptions) {
  return run(inside(host, argv), options);
}

/** Starts a program inside a host. */
export function startInside(host: Host, argv: readonly string[], options?: RunOptions): Running {
  return startProgram(inside(host, argv), options);
}

/** Gives the target routes for the routed client ranges, by way of the gateway or the client host. */
export async function routeClients(lab: Lab): Promise<void> {
  const { target, gateway } = lab;
  const [via4, via6] =
    gateway === lab.client ? [gateway.ipv4, gateway.ipv6] : ['10.78.0.3', 'fd78::3'];
  await mustInside(target, ['ip', 'route', 'add', CLIENTS_ROUTED.ipv4, 'via', via4]);
  await mustInside(target, ['ip', '-6', 'route', 'add', CLIENTS_ROUTED.ipv6, 'via', via6]);
}

/**
 * Loses this share of the packets that the gateway forwards, in both directions.
 * @param share 0 to 1
 */
export async function loseAtGateway(lab: Lab, share: number): Promise<void> {
  const rule = ['-m', 'statistic', '--mode', 'random', '--probability', `${share}`, '-j', 'DROP'];
  for (const tool of ['iptables', 'ip6tables']) {
    await mustInside(lab.gateway, [tool, '-F', 'FORWARD']);
    if (share > 0) await mustInside(lab.gateway, [tool, '-A', 'FORWARD', '-p', 'tcp', ...rule]);
  }
}

/**
 * Client and target use this congestion control on every way through the gateway: by their routes, since a
 * namespace may be refused it for a default.
 * @param name one of `net.ipv4.tcp_available_congestion_control`
 */
export async function setCongestionControl({ client, target }: Lab, name: string): Promise<void> {
  for (const host of [client, target]) {
    const routes = (await mustInside(host, ['ip', 'route', 'show'])).split('\n');
    for (const route of routes.filter((each) => each.includes(' via '))) {
      const words = route
        .replace(/ congctl \S+/, '')
        .trim()
        .split(' ');
      await mustInside(host, ['ip', 'route', 'change', ...words, 'congctl', name]);
    }
  }
}

/**
 * The target's connections with peers in `range`, one line each as `ss` prints them. TIME-WAIT is
 * left out: it is what a server that closed first rightly keeps for a minute.
 */
export async function connectionsWith(host: Host, range: string): Promise<string[]> {
  const filter = ['state', 'connected', 'exclude', 'time-wait', 'dst', range];
  const text = await mustInside(host, ['ss', '-Htn', ...filter]);
  return text.split('\n').filter((line) => line !== '');
}

async function addNamespace(name: string): Promise<void> {
  await must(['ip', 'netns', 'add', name]);
  await must(['ip', '-n', name, 'link', 'set', 'lo', 'up']);
  // A namespace inherits some of these; a test must not depend on the machine that it runs on.
  for (const setting of [
    'net.ipv4.conf.all.rp_filter=0',
    'net.ipv4.conf.default.rp_filter=0',
    'net.ipv4.ip_forward=0',
  ]) {
    await must(['ip', 'netns', 'exec', name, 'sysctl', '-qw', setting]);
  }
}

async function connectByLink(id: string): Promise<Omit<Lab, 'close'>> {
  const client = host(`${id}-client`, DEVICE, '10.77.0.2', 'fd77::2');
  const target = host(`${id}-target`, DEVICE, '10.77.0.1', 'fd77::1');
  await connect(client, target);
  return { client, target, gateway: client };
}

async function connectByGateway(id: string): Promise<Omit<Lab, 'close'>> {
  const client = host(`${id}-client`, DEVICE, '10.77.0.2', 'fd77::2');
  const gateway = host(`${id}-gateway`, DEVICE, '10.77.0.3', 'fd77::3');
  const behind = host(`${id}-gateway`, DEVICE_TO_TARGET, '10.78.0.3', 'fd78::3');
  const target = host(`${id}-target`, DEVICE, '10.78.0.1', 'fd78::1');
  await connect(client, gateway);
  await connect(behind, target);
  await mustInside(gateway, [
    'sysctl',
    '-qw',
    'net.ipv4.ip_forward=1',
    'net.ipv6.conf.all.forwarding=1',
  ]);
  for (const [name, via4, via6] of [
    [client.name, gateway.ipv4, gateway.ipv6],
    [target.name, behind.ipv4, behind.ipv6],
  ] as const) {
    await must(['ip', '-n', name, 'route', 'add', 'default', 'via', via4]);
    await must(['ip', '-n', name, '-6', 'route', 'add', 'default', 'via', via6]);
  }
  await must(['ip', '-n', gateway.name, 'route', 'add', CLIENTS_ROUTED.ipv4, 'via', client.ipv4]);
  await must([
    'ip',
    '-n',
    gateway.name,
    '-6',
    'route',
    'add',
    CLIENTS_ROUTED.ipv6,
    'via',
    client.ipv6,
  ]);
  return { client, target, gateway };
}

function host(name: string, device: string, ipv4: string, ipv6: string): Host {
  return { name, device, ipv4, ipv6 };
}

async function connect(one: Host, other: Host): Promise<void> {
  const peer = ['peer', 'name', other.device, 'netns', other.name];
  await must(['ip', 'link', 'add', one.device, 'netns', one.name, 'type', 'veth', ...peer]);
  for (const each of [one, other]) await configure(each);
}

async function configure({ name, device, ipv4, ipv6 }: Host): Promise<void> {
  await must(['ip', '-n', name, 'address', 'add', `${ipv4}/16`, 'dev', device]);
  // Without `nodad` an IPv6 address cannot be used for its first second.
  await must(['ip', '-n', name, 'address', 'add', `${ipv6}/64`, 'dev', device, 'nodad']);
  await must(['ip', '-n', name, 'link', 'set', device, 'up']);
}

async function setOffload(name: string, isOn: boolean): Promise<void> {
  const text = await must(['ip', '-n', name, '-json', 'link', 'show', 'type', 'veth']);
  const value = isOn ? 'on' : 'off';
  const features = ['rx', 'tx', 'tso', 'gso', 'gro'].flatMap((feature) => [feature, value]);
  for (const { ifname } of JSON.parse(text) as { ifname: string }[]) {
    await must(['ip', 'netns', 'exec', name, 'ethtool', '-K', ifname, ...features]);
  }
}

/** Waits until no IPv6 address of the namespace is tentative any more, link-local ones included. */
async function until6(name: string): Promise<void> {
  for (let attempt = 0; attempt < 150; attempt++) {
    const text = await must(['ip', '-n', name, '-6', 'address', 'show', 'tentative']);
    if (text === '') return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Removes what earlier runs left behind when they were killed outright: their process is gone. */
function removeOrphans(): void {
  const names = existsSync('/run/netns') ? readdirSync('/run/netns') : [];
  for (const name of names) {
    const pid = name.startsWith(`${PREFIX}-`) ? name.split('-').at(2) : undefined;
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) removeNamespace(name);
  }
}

function removeNamespace(name: string): void {
  if (!existsSync(`/run/netns/${name}`)) return;
  runWhileEnding(['sh', '-c', 'ip netns pids "$0" | xargs -r kill -9', name]);
  runWhileEnding(['ip', 'netns', 'delete', name]);
}
