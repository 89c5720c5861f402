/**
 * Laboratories with somebody else's TCP between the load machine and the server:
 *
 *   load: gryphon ── tap0 ── the stack, in the server's namespace ── sockets ── server on 127.0.0.1
 *
 * The stack ends each connection that comes by the tap device and opens one of its own to the server.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packetFields } from './capture.ts';
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

/** Room for servers whose TCP is lwIP's, at the other end of the load machine's tap device. */
export interface LwipLab {
  readonly load: Host;
  readonly target: string;
  /** What each client sent, a file a client. */
  readonly streams: Folder;
  /**
   * Starts the server that says what those of a capture said.
   * @param port where clients of the capture went, and where it listens
   */
  readonly startServer: (capture: string, port: number) => Promise<Running>;
  readonly close: () => Promise<void>;
}

/** Compiles that server; it is started in a namespace of its own. */
export async function startLwip(): Promise<LwipLab> {
  const folder = makeFolder('lwip');
  const streams = makeFolder('lwip-streams');
  const { names, close: removeNamespaces } = await makeNamespaces(1);
  const load: Host = { name: names[0] ?? '', device: TAP, ipv4: LWIP.own, ipv6: '' };
  const close = async (): Promise<void> => {
    removeNamespaces();
    folder.remove();
    streams.remove();
  };
  const program = join(folder.path, 'lwip');
  const startServer = async (capture: string, port: number): Promise<Running> => {
    const talks = join(folder.path, 'talks');
    writeFileSync(talks, await talksOf(capture, port));
    const ends = [TAP, LWIP.target, LWIP.netmask, `${port}`];
    const server = startProgram(inside(load, [program, ...ends, talks, streams.path]));
    await until('lwIP', () => server.output().includes('ready'), 15_000);
    return server;
  };
  try {
    await must(['cc', '-O1', '-o', program, LWIP_SOURCE, '-I/usr/include/lwip', '-llwip']);
    const ip = (...argv: string[]) => must(['ip', '-n', load.name, ...argv]);
    await ip('tuntap', 'add', 'dev', TAP, 'mode', 'tap');
    await ip('address', 'add', `${LWIP.own}/24`, 'dev', TAP);
    await ip('link', 'set', TAP, 'up');
    return { load, target: LWIP.target, streams, startServer, close };
  } catch (fault) {
    await close();
    throw fault;
  }
}

/** The sessions of a capture, in the form that lwip.c reads. */
async function talksOf(capture: string, port: number): Promise<Buffer> {
  const fields = ['tcp.stream', 'tcp.dstport', 'tcp.flags.fin', 'tcp.payload'];
  const isNew = '!tcp.analysis.retransmission && (tcp.len > 0 || tcp.flags.fin == 1)';
  const sessions = new Map<string, { rows: Buffer[]; hasEnded: boolean }>();
  for (const [stream = '', to, fin, hex = ''] of await packetFields(capture, fields, isNew)) {
    const session = sessions.get(stream) ?? { rows: [], hasEnded: false };
    sessions.set(stream, session);
    const isClient = Number(to) === port;
    if (hex !== '') session.rows.push(talkRow(isClient ? 'C' : 'S', Buffer.from(hex, 'hex')));
    // Who answers an end by its own does so without being told.
    const isEnd = fin === '1' || fin === 'True';
    if (isEnd && !isClient && !session.hasEnded) session.rows.push(talkRow('E'));
    if (isEnd) session.hasEnded = true;
  }
  const all = [...sessions.values()].flatMap(({ rows }) => [...rows, talkRow('N')]);
  return Buffer.concat(all);
}

function talkRow(kind: string, octets: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.from([kind.charCodeAt(0), 0, 0, 0, 0]);
  head.writeUInt32LE(octets.length, 1);
  return Buffer.concat([head, octets]);
}
