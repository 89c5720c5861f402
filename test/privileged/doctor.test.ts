/**
 * `gryphon doctor`: each fault of a way is made in turn, has to be named, and is undone. One laboratory
 * for all of them: client, target and a third host on a switch.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseAddress } from '../../src/base/address.ts';
import { PathTap } from '../../src/io/doctor/path-tap.ts';
import { inNamespace } from '../../src/io/sys/namespace.ts';
import {
  DEVICE,
  type Host,
  type Lab,
  makeLab,
  makeSwitchedLab,
  mustInside,
  runInside,
  type SwitchedLab,
  startInside,
} from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { must, type Running, undoAtExit, until } from '../helpers/process.ts';
import { RawClients, rangeOf, TcpFlag } from '../helpers/raw-client.ts';
import { listening, makeFolder } from '../helpers/servers.ts';

const COMMAND = fileURLToPath(new URL('../../bin/gryphon.js', import.meta.url));
const DOCTOR = [process.execPath, COMMAND, 'doctor', '--target', '10.77.0.1:8080'];
const CLIENTS = '198.18.0.0/15';
const WAIT = ['--wait', '400ms'];
const RESET = ['-j', 'REJECT', '--reject-with', 'tcp-reset'];
const ROUTE = ['route', 'add', CLIENTS, 'via', '10.77.0.2'];

describe.runIf(canRun('gryphon doctor', ['ip', 'iptables', 'nft', 'python3', 'ss']))(
  'doctor',
  () => {
    let lab: SwitchedLab;
    let bridge: string;
    const running: Running[] = [];

    const ip = (host: Host, ...argv: string[]) => must(['ip', '-n', host.name, ...argv]);
    const setting = (host: Host, text: string) => mustInside(host, ['sysctl', '-qw', text]);
    const startServer = async (host: Host, argv: readonly string[], port: number) => {
      const server = startInside(host, argv);
      running.push(server);
      await listening(host, server, port);
    };

    beforeAll(async () => {
      lab = await makeSwitchedLab();
      bridge = lab.target.name.replace(/target$/, 'switch');
      await ip(lab.target, ...ROUTE);
      const server = ['python3', '-m', 'http.server', '--bind', '0.0.0.0', '8080'];
      await startServer(lab.target, server, 8080);
    }, 60_000);

    afterAll(async () => {
      for (const each of running) await each.stop('SIGKILL');
      await lab?.close();
    });

    /** What the doctor says on the load machine, its lines joined. */
    async function said(...more: string[]): Promise<string> {
      const { stdout, stderr } = await runInside(lab.client, [...DOCTOR, ...WAIT, ...more]);
      return `${stdout.replace(/\n {5,}/g, ' ')}${stderr}`;
    }

    /** What it says on the target while the load machine sends; with that pasted there, if asked for. */
    async function saidByBoth(
      isPasted = false,
    ): Promise<{ readonly target: string; readonly load: string }> {
      const listening = startInside(lab.target, [...DOCTOR, '--on-target', '--wait', '30s']);
      running.push(listening);
      await until('it listens', () => listening.output().includes('listening'));
      const load = await said();
      await listening.stop('SIGINT');
      const pasted = /--pasted (\S+)/.exec(listening.output())?.[1] ?? '';
      return {
        target: listening.output().replace(/\n {5,}/g, ' '),
        load: isPasted ? await said('--pasted', pasted) : load,
      };
    }

    test('a way that is in order', async () => {
      const { target, load } = await saidByBoth();
      expect(load).toMatch(/^✓ nothing is wrong that can be seen from here\n/);
      expect(load).toMatch(/✓ packet size +1500 octets get through/);
      // As the kernel counts it here, whichever that is.
      expect(load).toMatch(/✓ clock +is synchronised .* (at most|and more).*; no latency needs it/);
      expect(load).toMatch(/✓ offload +packets come one by one/);
      await mustInside(lab.client, ['ethtool', '-K', lab.client.device, 'gro', 'on']);
      expect(await said()).toMatch(/✓ offload +GRO is on \(link0\)/);
      await mustInside(lab.client, ['ethtool', '-K', lab.client.device, 'gro', 'off']);
      expect(target).toContain('✓ nothing is wrong');
      expect(target).toMatch(/SYNs came by link0, and were answered/);
      expect(await said('--clients', 'own')).toMatch(/^✓ nothing is wrong/);
    }, 60_000);

    interface Fault {
      readonly name: string;
      readonly make: () => Promise<unknown>;
      readonly undo: () => Promise<unknown>;
      /** Options of the doctor. */
      readonly options?: readonly string[];
      readonly says: RegExp;
    }

    const rule = (host: () => Host, ...argv: string[]) => ({
      make: () => mustInside(host(), ['iptables', '-A', ...argv]),
      undo: () => mustInside(host(), ['iptables', '-D', ...argv]),
    });
    const nothing = { make: async () => undefined, undo: async () => undefined };

    test('what the load machine can tell', async () => {
      const folder = makeFolder('doctor');
      for (const name of ['one', 'two']) writeFileSync(join(folder.path, name), name.repeat(20));
      const intercepted = ['--intercept', '10.77.0.4', '--token-file', join(folder.path, 'one')];
      const faults: readonly Fault[] = [
        {
          name: 'ip_forward=1',
          make: () => setting(lab.client, 'net.ipv4.ip_forward=1'),
          undo: () => setting(lab.client, 'net.ipv4.ip_forward=0'),
          says: /✗ forwarding +is on: this machine/,
        },
        {
          name: 'a firewall of the target drops all',
          ...rule(() => lab.target, 'INPUT', '-p', 'tcp', '-j', 'DROP'),
          says: /✗ target's port +does not answer this machine itself/,
        },
        {
          name: 'a firewall of the target rejects the clients',
          ...rule(() => lab.target, 'INPUT', '-s', CLIENTS, '-j', 'REJECT'),
          says: /✗ a client +the probe .* did not get through/,
        },
        {
          name: 'a firewall of the target resets the clients alone',
          ...rule(() => lab.target, 'INPUT', '-s', CLIENTS, '-p', 'tcp', ...RESET),
          says: /✗ a client +a SYN from .* answered with a reset, .*a firewall rejects the clients/,
        },
        {
          name: 'a firewall here drops what goes to the target',
          ...rule(() => lab.client, 'OUTPUT', '-d', '10.77.0.1', '-p', 'tcp', '-j', 'DROP'),
          // What gryphon sends passes it by.
          says: /\? firewall +may drop or reject the clients: .*10\.77\.0\.1[\s\S]*\? target's port +answers the clients, but/,
        },
        {
          name: 'a firewall here drops what the target sends',
          ...rule(() => lab.client, 'INPUT', '-s', '10.77.0.1', '-j', 'DROP'),
          says: /\? firewall +may drop or reject the clients: .*10\.77\.0\.1/,
        },
        {
          name: 'a firewall here rejects what the target sends',
          ...rule(() => lab.client, 'INPUT', '-s', '10.77.0.1', '-p', 'tcp', '-j', 'REJECT'),
          says: /\? firewall +may drop or reject the clients: .*reject/i,
        },
        {
          name: 'the port is closed',
          ...nothing,
          options: ['--target', '10.77.0.1:81'],
          says: /✗ target's port +refuses .*\n[\s\S]*✗ a client +.*nothing listens there/,
        },
        {
          name: 'a wrong next hop',
          ...nothing,
          options: ['--next-hop', '10.77.0.4'],
          says: /✗ the answer .*--next-hop 10\.77\.0\.4 leads elsewhere/,
        },
        {
          name: 'a wrong interface',
          make: () => ip(lab.client, 'link', 'add', 'wrong0', 'up', 'type', 'bridge'),
          undo: () => ip(lab.client, 'link', 'delete', 'wrong0'),
          options: ['--interface', 'wrong0'],
          says: /✗ path .*wrong0/,
        },
        {
          name: 'an intercept that does not run',
          ...nothing,
          options: intercepted,
          says: /✗ intercept .*10\.77\.0\.4/,
        },
        {
          name: 'a smaller MTU on the way',
          make: () => must(['ip', '-n', bridge, 'link', 'set', 'port2', 'mtu', '1300']),
          undo: () => must(['ip', '-n', bridge, 'link', 'set', 'port2', 'mtu', '1500']),
          says: /✗ packet size +packets of 1500 octets do not get through, of 1280 they do/,
        },
        {
          name: 'another program on the port',
          make: async () => {
            const argv = ['python3', '-m', 'http.server', '61001'];
            await startServer(lab.client, argv, 61_001);
          },
          undo: async () => await running.pop()?.stop('SIGKILL'),
          options: ['--clients', 'own', '--ports', '61001'],
          says: /✗ plan +this machine uses every port of 61001/,
        },
      ];
      for (const { name, make, undo, options = [], says } of faults) {
        await make();
        const text = await said(...options);
        await undo();
        expect(text, name).toMatch(says);
      }
      folder.remove();
    }, 120_000);

    test('an intercept with another secret, and one that hears nothing', async () => {
      const folder = makeFolder('doctor');
      for (const name of ['one', 'two']) writeFileSync(join(folder.path, name), name.repeat(20));
      const line = ['intercept', '--listen', '10.77.0.4:36524'];
      const secret = (name: string) => ['--token-file', join(folder.path, name)];
      running.push(startInside(lab.other, [process.execPath, COMMAND, ...line, ...secret('one')]));
      await until('it is ready', () => running.at(-1)?.output().includes('"ready"') ?? false);
      const options = ['--intercept', '10.77.0.4'];
      expect(await said(...options, ...secret('two'))).toMatch(/✗ intercept .*secret/);
      // The target's route leads to the load machine and not to the intercept.
      const text = await said(...options, ...secret('one'));
      expect(text).toMatch(/✓ intercept's clock +10\.77\.0\.4:36524: it is this machine's/);
      expect(text).toMatch(/✗ a client .*was seen by the intercept/);
      expect(text).toMatch(/✗ the answer +came here by link0, where gryphon does not listen/);
      await running.pop()?.stop();
      folder.remove();
    }, 60_000);

    test('on the target own clients have to be named, and it does not listen before', async () => {
      const options = ['--on-target', '--clients', 'own'];
      const { code, stderr } = await runInside(lab.target, [...DOCTOR, ...options]);
      expect(code).toBe(2);
      expect(stderr).toMatch(/^gryphon: --on-target does not know .*load machine's address\n$/);
    });

    test('on the target what it says again to a SYN of before is no answer', async () => {
      const address = parseAddress(lab.target.ipv4);
      if (address === null) throw new Error(`${lab.target.ipv4} is no address`);
      const range = rangeOf('198.18.0.0', 65_536);
      const tapThere = (isAtTarget: boolean) =>
        inNamespace(
          lab.target.name,
          () => new PathTap({ address, port: 8080 }, [range], { isAtTarget }),
        );
      const answers = (tap: PathTap) => tap.hear().reduce((sum, { synAck }) => sum + synAck.out, 0);
      const clients = new RawClients(lab.client, lab.target);
      const syn = { client: '198.18.0.9', flags: TcpFlag.SYN, seq: 7, targetPort: 8080 };
      const all = tapThere(false);
      clients.send({ ...syn, port: 40_001 });
      await until('the target answers', () => answers(all) > 0);
      const tap = tapThere(true);
      const said = answers(all);
      await until('it says so again', () => answers(all) > said);
      expect(tap.hear()).toEqual([]);
      clients.send({ ...syn, port: 40_002 });
      await until('an answer of now counts', () => answers(tap) > 0);
      clients.forget();
      for (const each of [all, tap, clients]) each.close();
    }, 60_000);

    test('what the target has to tell, pasted on the load machine', async () => {
      await ip(lab.target, 'route', 'delete', CLIENTS);
      const missing = await saidByBoth();
      expect(missing.target).toMatch(/✗ target: way back +there is no route to 198\.18\.0\.1/);

      await ip(lab.target, 'route', 'add', CLIENTS, 'via', '10.77.0.4');
      const wrong = await saidByBoth(true);
      expect(wrong.load).toMatch(
        /✗ target: way back .*10\.77\.0\.4, which is not the load machine/,
      );

      await ip(lab.target, 'link', 'add', 'other0', 'up', 'type', 'bridge');
      await ip(lab.target, 'route', 'replace', CLIENTS, 'dev', 'other0');
      await setting(lab.target, 'net.ipv4.conf.link0.rp_filter=1');
      const strict = await saidByBoth();
      expect(strict.target).toMatch(/✗ target: seen here .*this machine drops them/);
      expect(strict.target).toMatch(/✗ target: rp_filter .*strict \(1\) on link0/);
      await setting(lab.target, 'net.ipv4.conf.link0.rp_filter=0');
      await ip(lab.target, 'link', 'delete', 'other0');
      await ip(lab.target, ...ROUTE);

      const drop = ['INPUT', '-s', CLIENTS, '-j', 'DROP'];
      await mustInside(lab.target, ['iptables', '-A', ...drop]);
      const dropped = await saidByBoth();
      expect(dropped.target).toMatch(/✗ target: firewall .*198\.18\.0\.0\/15/);
      await mustInside(lab.target, ['iptables', '-D', ...drop]);

      const lost = ['OUTPUT', '-d', CLIENTS, '-j', 'DROP'];
      await mustInside(lab.target, ['iptables', '-A', ...lost]);
      const unsent = await saidByBoth();
      expect(unsent.target).toMatch(/✗ target: firewall +may drop .*OUTPUT.*198\.18\.0\.0\/15/);
      await mustInside(lab.target, ['iptables', '-D', ...lost]);

      const let8080In = ['INPUT', '-p', 'tcp', '--dport', '8080', '-j', 'ACCEPT'];
      await mustInside(lab.target, ['iptables', '-A', ...let8080In]);
      for (const chain of ['INPUT', 'FORWARD'])
        await mustInside(lab.target, ['iptables', '-P', chain, 'DROP']);
      const usual = await saidByBoth();
      expect(usual.target).toMatch(
        /^✓ nothing is wrong[\s\S]*✓ target: firewall +lets the clients/m,
      );
      for (const chain of ['INPUT', 'FORWARD'])
        await mustInside(lab.target, ['iptables', '-P', chain, 'ACCEPT']);
      await mustInside(lab.target, ['iptables', '-D', ...let8080In]);

      const table =
        'table bridge f { chain c { type filter hook forward priority 0; ip saddr 198.18.0.0/15 drop; }; }';
      await must(['ip', 'netns', 'exec', bridge, 'nft', table]);
      const spoofed = await saidByBoth(true);
      expect(spoofed.load).toMatch(/✗ on the way +SYNs from 198\.18\.\S+ do not reach the target/);
      await must(['ip', 'netns', 'exec', bridge, 'nft', 'delete table bridge f']);
    }, 120_000);
  },
);

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

/*
 * Full tables of a target's kernel. That of neighbours is one for the whole machine and that of connections
 * has one limit for it, so what is made here leaves the others theirs: no limit is lowered. In this file
 * since the case of a way that is in order looks at the same table.
 */
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
