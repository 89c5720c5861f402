/**
 * The same transfers by gryphon and by the kernel's own client, over paths of the same length that lose
 * the same packets: what gryphon puts on the wire, and how long it takes, must be what the kernel does.
 *
 * The paths are a program that forwards packets late (test/privileged/servers/relay.py), since not
 * every kernel has netem. All transfers of a client without loss run at the same time, and all with.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  DEVICE_TO_TARGET,
  type Host,
  type Lab,
  makeLab,
  mustInside,
  routeClients,
  setCongestionControl,
  startInside,
} from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { FIRST_OF_ALL, type Running, until } from '../helpers/process.ts';
import { completed, FIRST, replay } from '../helpers/replay.ts';
import { type Folder, makeFolder } from '../helpers/servers.ts';
import { recordedTransfers, type Transfer } from '../helpers/transfers.ts';

const TOOLS = ['ip', 'ethtool', 'chrt', 'nstat', '/usr/bin/python3'];
const PYTHON = '/usr/bin/python3';
const SERVERS = fileURLToPath(new URL('servers', import.meta.url));
/**
 * Those who take part come before all else on the machine (sched(7)): the kernel's client needs no turn on a core
 * to answer a segment, and where cores are busy the comparison would be of that.
 */
const RELAY = [...FIRST_OF_ALL, PYTHON, '-B', join(SERVERS, 'relay.py')];
const TRANSFER = [...FIRST_OF_ALL, PYTHON, join(SERVERS, 'transfer.py')];
/** Each client does everything so often; of times the best counts, for the machine may be busy. */
const ROUNDS_MIN = 2;
const ROUNDS_MAX = 4;
/** `U` or `D` and eight digits, before an upload's octets. */
const HEAD_BYTES = 9;
const RTT_MS = [1, 40, 300];
/**
 * A sender that has heard nothing for two round trips says its last segment again (RFC 8985, section 7.3): over a short
 * path a core that had other work for some milliseconds makes such a probe, though nothing is lost.
 */
const TAIL_PROBE_BYTES = 1_460;
const SIZES = [10_000, 100_000, 1_000_000];
/** Packets with payload that are lost, for each size, in the direction of the transfer. */
const LOST = [[3], [30], [200, 230, 500]];
/** What gryphon may take more than the kernel, in octets and in time. */
const SHARE = 1.3;
/** Beyond that: what a busy machine may take from a transfer that takes a few milliseconds. */
const BUSY_SECONDS = 0.4;

/** A connection as the relay saw it; [towards the server, towards the client]. */
interface Seen {
  readonly client: string;
  readonly serverPort: number;
  readonly syns: number;
  readonly octets: readonly [number, number];
  readonly seconds: readonly [number, number];
}

/** Every transfer has a server port of its own, by which the relay knows its path. */
const TRANSFERS = RTT_MS.flatMap((rttMs) =>
  SIZES.flatMap((bytes, size) =>
    (['up', 'down'] as const).flatMap((direction) =>
      [[], LOST[size] ?? []].map((lost) => ({ rttMs, bytes, direction, lost })),
    ),
  ),
).map((path, i) => ({ ...path, port: 7_000 + i }));

const isLossless = ({ lost }: { readonly lost: readonly number[] }): boolean => lost.length === 0;
/** Those that run at the same time. Of the first ones every probe that the server's kernel counts is needless. */
const GROUPS = [
  TRANSFERS.filter(isLossless),
  TRANSFERS.filter((transfer) => !isLossless(transfer)),
] as const;

/** Room for the largest transfer with all that the kernel counts to it. */
const BUFFER_BYTES = 8_388_608;

/** Who makes the transfers. */
type Client = 'gryphon' | 'without SACK' | 'kernel';
/** What the relay saw of them, by server port, a row a round. */
const SEEN: Readonly<Record<Client, Map<number, Seen[]>>> = {
  gryphon: new Map(),
  'without SACK': new Map(),
  kernel: new Map(),
};
const OURS = ['gryphon', 'without SACK'] as const;
/** Tail probes of the server's kernel while a client made the transfers of a group, a row a round. */
const PROBES: Readonly<Record<Client, Map<readonly Transfer[], number[]>>> = {
  gryphon: new Map(),
  'without SACK': new Map(),
  kernel: new Map(),
};

const wayOf = ({ direction }: Transfer): 0 | 1 => (direction === 'up' ? 0 : 1);

function bestSeconds(client: Client, transfer: Transfer): number {
  const rounds = SEEN[client].get(transfer.port) ?? [];
  return Math.min(...rounds.map(({ seconds }) => seconds[wayOf(transfer)]));
}

function octetsOf(client: Client, transfer: Transfer): number[] {
  const rounds = SEEN[client].get(transfer.port) ?? [];
  return rounds.map(({ octets }) => octets[wayOf(transfer)]);
}

const mostOctets = (client: Client, transfer: Transfer): number =>
  Math.max(...octetsOf(client, transfer));

const limitSeconds = (transfer: Transfer): number =>
  SHARE * bestSeconds('kernel', transfer) + BUSY_SECONDS;

const isFastEnough = (transfer: Transfer): boolean =>
  OURS.every((client) => bestSeconds(client, transfer) <= limitSeconds(transfer));

describe.runIf(canRun('gryphon beside the kernel', TOOLS))('gryphon beside the kernel', () => {
  let lab: Lab;
  let folder: Folder;
  let server: Running;

  beforeAll(async () => {
    lab = await makeLab({ gateway: true });
    folder = makeFolder('differential');
    await routeClients(lab);
    // From the SYN on: one that begins as BBR goes on being paced when its control is changed.
    await setCongestionControl(lab, 'cubic');
    for (const host of [lab.client, lab.target]) {
      // What a connection has learnt is not to help the next one.
      await mustInside(host, ['sysctl', '-qw', 'net.ipv4.tcp_no_metrics_save=1']);
      // A buffer that need not grow: how far Linux opens a window depends on when its reader gets a core.
      await mustInside(host, [
        'sysctl',
        '-qw',
        `net.ipv4.tcp_rmem=4096 ${BUFFER_BYTES} ${BUFFER_BYTES}`,
      ]);
    }
    // The relay forwards, not the kernel.
    await mustInside(lab.gateway, ['sysctl', '-qw', 'net.ipv4.ip_forward=0']);
    const ports = TRANSFERS.map(({ port }) => port).join(',');
    server = startInside(lab.target, [...TRANSFER, 'serve', lab.target.ipv4, ports]);
    await until('server ready', () => server.output().includes('serving'));
    let pool = 0;
    for (const transfers of GROUPS) {
      for (let round = 0; round < ROUNDS_MAX; round++) {
        if (round >= ROUNDS_MIN && transfers.every(isFastEnough)) break;
        await probed('kernel', transfers, () => fetchAll(transfers));
        await probed('gryphon', transfers, () => replayAll(transfers, pool++));
        await probed('without SACK', transfers, () => replayAll(transfers, pool++, '--no-sack'));
      }
    }
  }, 400_000);

  afterAll(async () => {
    await server?.stop();
    await lab?.close();
    folder?.remove();
  });

  async function fetchAll(transfers: readonly Transfer[]): Promise<void> {
    const wanted = transfers.map(
      ({ port, direction, bytes }) => `${port}:${direction === 'up' ? 'U' : 'D'}${bytes}`,
    );
    await mustInside(lab.client, [...TRANSFER, 'fetch', lab.target.ipv4, wanted.join(',')]);
  }

  async function replayAll(
    transfers: readonly Transfer[],
    pool: number,
    ...options: string[]
  ): Promise<void> {
    const path = join(folder.path, 'transfers.pcap');
    writeFileSync(path, recordedTransfers(transfers));
    const map = transfers.map(({ port }) => `${port}-${lab.target.ipv4}:${port}`).join(',');
    const clients = ['--clients', `198.18.${pool}.0/24`, '--threads', '1'];
    completed(
      await replay(lab.client, [path, '--map', map, ...clients, ...options], FIRST),
      transfers.length,
    );
  }

  /** As `relayed`; notes how many tail probes the server's kernel has sent meanwhile. */
  async function probed(
    client: Client,
    transfers: readonly Transfer[],
    run: () => Promise<void>,
  ): Promise<void> {
    const before = await tailProbes();
    await relayed(client, run);
    const counts = PROBES[client].get(transfers) ?? [];
    PROBES[client].set(transfers, [...counts, (await tailProbes()) - before]);
  }

  async function tailProbes(): Promise<number> {
    const said = await mustInside(lab.target, ['nstat', '-asz', 'TcpExtTCPLossProbes']);
    return Number(/TcpExtTCPLossProbes\s+(\d+)/.exec(said)?.[1]);
  }

  /** Notes what the relay saw while a client made its transfers. */
  async function relayed(client: Client, run: () => Promise<void>): Promise<void> {
    const paths = TRANSFERS.map(({ port, rttMs, direction, lost }) => [
      port,
      { delay: rttMs / 2_000, up: [], down: [], [direction]: lost },
    ]);
    const sides = [
      `${lab.gateway.device}:${await macOf(lab.client)}`,
      `${DEVICE_TO_TARGET}:${await macOf(lab.target)}`,
    ];
    const argv = [...RELAY, JSON.stringify(Object.fromEntries(paths)), ...sides];
    const relay = startInside(lab.gateway, argv);
    try {
      await until('relay ready', () => relay.output().includes('relaying'));
      await run();
    } finally {
      await relay.stop();
    }
    for (const line of relay.output().split('\n')) {
      if (!line.startsWith('{')) continue;
      const one = JSON.parse(line) as Seen;
      // Not a transfer: a server's last words to a client of the round before, or gryphon's probe.
      if (one.syns === 0 || one.octets[0] === 0) continue;
      SEEN[client].set(one.serverPort, [...(SEEN[client].get(one.serverPort) ?? []), one]);
    }
  }

  async function macOf(host: Host): Promise<string> {
    return (await mustInside(host, ['cat', `/sys/class/net/${host.device}/address`])).trim();
  }

  const runs = OURS.flatMap((client) => TRANSFERS.map((transfer) => ({ client, ...transfer })));

  test.each(runs)('$client: $direction, $bytes octets over $rttMs ms, lost: $lost', (run) => {
    const { client, port, bytes } = run;
    const ours = SEEN[client].get(port) ?? [];
    expect(ours.length).toBeGreaterThanOrEqual(ROUNDS_MIN);
    expect(SEEN.kernel.get(port)?.length).toBe(ours.length);
    // Octets are no matter of luck: every round counts.
    const sent = mostOctets(client, run);
    expect(sent).toBeGreaterThanOrEqual(bytes);
    expect(sent).toBeLessThanOrEqual(SHARE * mostOctets('kernel', run));
    // The head of an upload counts, too. What the server's kernel says again as a probe is judged below.
    if (isLossless(run) && run.direction === 'up') {
      expect(sent).toBeLessThanOrEqual(bytes + HEAD_BYTES);
    }
    expect(ours.map(({ syns }) => syns)).toEqual(ours.map(() => 1));
    expect(bestSeconds(client, run)).toBeLessThanOrEqual(limitSeconds(run));
  });

  test.each(OURS)('%s: without loss nothing is said again but probes of the tail', (client) => {
    const [transfers] = GROUPS;
    const probes = PROBES[client].get(transfers) ?? [];
    expect(probes.length).toBeGreaterThanOrEqual(ROUNDS_MIN);
    const repeated = probes.map((_, round) =>
      transfers
        .map((transfer) => (octetsOf(client, transfer)[round] ?? Number.NaN) - transfer.bytes)
        .map((octets, i) => octets - (transfers[i]?.direction === 'up' ? HEAD_BYTES : 0))
        .map((octets) => Math.ceil(octets / TAIL_PROBE_BYTES)),
    );
    for (const [round, count] of probes.entries()) {
      const sum = repeated[round].reduce((all, each) => all + each, 0);
      expect(sum, `segments of ${repeated[round]}`).toBeLessThanOrEqual(count);
    }
  });
});
