/**
 * Laboratories with somebody else's TCP between the load machine and the server:
 *
 *   load: gryphon ── tap0 ── the stack, in the server's namespace ── sockets ── server on 127.0.0.1
 *
 * The stack ends each connection that comes by the tap device and opens one of its own to the server.
 */
import { join } from 'node:path';
import { type Host, inside, makeNamespaces } from './netns.ts';
import { must, type Running, startProgram, until } from './process.ts';
import { type Folder, makeFolder } from './servers.ts';

const TAP = 'tap0';

export interface StackLab {
  readonly load: Host;
  readonly server: Host;
  /** Where the stack passes connections on to the server's 127.0.0.1. */
  readonly target: string;
  readonly close: () => Promise<void>;
}

/** libslirp (BSD's TCP: no window scaling, timestamps or SACK), as slirp4netns. */
export const startSlirp = (): Promise<StackLab> =>
  startStack('10.0.2.2', '10.0.2.100', async (load) => [
    'slirp4netns',
    '--configure',
    '--mtu=1500',
    '--netns-type=path',
    `/run/netns/${load}`,
    TAP,
  ]);

/** passt's TCP (window scaling alone), as pasta; it looks at the server's addresses and routes. */
export const startPasta = (): Promise<StackLab> =>
  startStack('10.9.0.1', '10.9.0.5', async (load, server) => {
    const ip = (...argv: string[]) => must(['ip', '-n', server, ...argv]);
    await ip('link', 'add', 'out0', 'type', 'veth', 'peer', 'name', 'out1');
    await ip('link', 'set', 'out0', 'up');
    await ip('link', 'set', 'out1', 'up');
    await ip('address', 'add', '10.9.0.5/24', 'dev', 'out0');
    await ip('route', 'add', 'default', 'via', '10.9.0.1');
    const toNobody = ['-t', 'none', '-u', 'none', '-T', 'none', '-U', 'none'];
    const space = ['--config-net', '--netns-only', '--netns', `/run/netns/${load}`];
    return ['pasta', '-f', '--runas', '0', '-m', '1500', '-I', TAP, ...toNobody, ...space];
  });

async function startStack(
  target: string,
  own: string,
  command: (load: string, server: string) => Promise<string[]>,
): Promise<StackLab> {
  const { names, close: removeNamespaces } = await makeNamespaces(2);
  const [load, server] = names.map((name) => ({ name, device: TAP, ipv4: own, ipv6: '' }));
  let stack: Running | null = null;
  const close = async (): Promise<void> => {
    await stack?.stop();
    removeNamespaces();
  };
  try {
    stack = startProgram(inside(server, await command(load.name, server.name)));
    const show = ['sh', '-c', `ip -n "$0" address show dev ${TAP} 2>&1 || true`, load.name];
    const isUp = async () => (await must(show)).includes(`inet ${own}/`);
    await until(`the stack's ${TAP}`, isUp, 15_000);
    return { load, server, target, close };
  } catch (fault) {
    await close();
    throw fault;
  }
}

const LWIP_SOURCE = new URL('../privileged/servers/lwip.c', import.meta.url).pathname;
const LWIP = { own: '10.8.0.1', target: '10.8.0.2', netmask: '255.255.255.0' } as const;

/** A web server whose TCP is lwIP's, at the other end of the load machine's tap device. */
export interface LwipLab {
  readonly load: Host;
  readonly target: string;
  /** What each client sent, a file a client. */
  readonly streams: Folder;
  readonly server: Running;
  readonly close: () => Promise<void>;
}

/** Compiles that server and starts it in a namespace of its own. */
export async function startLwip(): Promise<LwipLab> {
  const folder = makeFolder('lwip');
  const streams = makeFolder('lwip-streams');
  const { names, close: removeNamespaces } = await makeNamespaces(1);
  const load: Host = { name: names[0] ?? '', device: TAP, ipv4: LWIP.own, ipv6: '' };
  let server: Running | null = null;
  const close = async (): Promise<void> => {
    await server?.stop();
    removeNamespaces();
    folder.remove();
    streams.remove();
  };
  try {
    const program = join(folder.path, 'lwip');
    await must(['cc', '-O1', '-o', program, LWIP_SOURCE, '-I/usr/include/lwip', '-llwip']);
    const ip = (...argv: string[]) => must(['ip', '-n', load.name, ...argv]);
    await ip('tuntap', 'add', 'dev', TAP, 'mode', 'tap');
    await ip('address', 'add', `${LWIP.own}/24`, 'dev', TAP);
    await ip('link', 'set', TAP, 'up');
    const argv = [program, TAP, LWIP.target, LWIP.netmask, streams.path];
    const running = startProgram(inside(load, argv));
    server = running;
    await until('lwIP', () => running.output().includes('ready'), 15_000);
    return { load, target: LWIP.target, streams, server: running, close };
  } catch (fault) {
    await close();
    throw fault;
  }
}
