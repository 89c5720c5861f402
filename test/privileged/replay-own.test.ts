/**
 * Replays from the load machine's own addresses: no route, nothing on the target. The oracles are the
 * server's own account, what crosses the target's link, and the load machine's own connections.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { startCapture } from '../helpers/capture.ts';
import { keepGround } from '../helpers/ground.ts';
import { onNginxGround } from '../helpers/lab-ground.ts';
import {
  DEVICE,
  type Host,
  kernelCount,
  type Lab,
  makeNamespaces,
  mustInside,
  runInside,
  startInside,
} from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { type Running, signalTo, until } from '../helpers/process.ts';
import { completed, fixture, replay, replayCommand, watched } from '../helpers/replay.ts';
import { makeFolder, type Nginx, startNginx } from '../helpers/servers.ts';

const TOOLS = ['ip', 'ethtool', 'ss', 'iptables', 'nft', 'nginx', 'curl', 'tcpdump', 'tshark'];
const SHORT = fixture('http-short.pcap');
/** Of the ports that runs take: between and beside 8008 and 8009, 8080 and 8081, where nginx listens, and behind the kernel's own. */
const SPANS = 4;

/** nginx in a namespace behind a bridge of the host, and a port of the host that leads to it. */
async function startContainer(host: Host, port: number): Promise<Nginx> {
  const { names, close } = await makeNamespaces(1);
  const [name = ''] = names;
  const inner: Host = { name, device: 'eth0', ipv4: '172.30.0.2', ipv6: '' };
  try {
    await mustInside(host, ['ip', 'link', 'add', 'docker0', 'type', 'bridge']);
    await mustInside(host, ['ip', 'address', 'add', '172.30.0.1/24', 'dev', 'docker0']);
    await mustInside(host, ['ip', 'link', 'set', 'docker0', 'up']);
    const peer = ['peer', 'name', inner.device, 'netns', name];
    await mustInside(host, ['ip', 'link', 'add', 'inner', 'type', 'veth', ...peer]);
    await mustInside(host, ['ip', 'link', 'set', 'inner', 'master', 'docker0', 'up']);
    await mustInside(inner, ['ip', 'address', 'add', `${inner.ipv4}/24`, 'dev', inner.device]);
    await mustInside(inner, ['ip', 'link', 'set', inner.device, 'up']);
    await mustInside(inner, ['ip', 'route', 'add', 'default', 'via', '172.30.0.1']);
    await mustInside(host, ['sysctl', '-qw', 'net.ipv4.ip_forward=1']);
    const match = ['-p', 'tcp', '--dport', `${port}`, '-j', 'DNAT'];
    const nat = ['-t', 'nat', '-A', 'PREROUTING', ...match, '--to-destination'];
    await mustInside(host, ['iptables', ...nat, `${inner.ipv4}:80`]);
    const nginx = await startNginx(inner);
    const stop = async (): Promise<void> => {
      await nginx.stop();
      await mustInside(host, ['sysctl', '-qw', 'net.ipv4.ip_forward=0']);
      close();
    };
    return { ...nginx, stop };
  } catch (fault) {
    close();
    throw fault;
  }
}

describe.runIf(canRun('a large replay from one address', TOOLS))('60,000 users', () => {
  let lab: Lab;
  let nginx: Nginx;

  onNginxGround({}, (ground) => {
    ({ lab, nginx } = ground);
  });

  /**
   * Resets of the load machine's own kernel, which alone passes this hook: what a packet socket sends does
   * not, such as the answer to a FIN that the server has repeated when its user was done.
   */
  const RESETS = 'type filter hook output priority 0; tcp dport 80 tcp flags & rst == rst counter;';

  test('play from one address, and connections of the machine itself go on meanwhile', async () => {
    const users = 60_000;
    // As a run with these ports tells: connections of the machine itself have others.
    const [ports, left] = ['1024-63999', '64000 65535'];
    await mustInside(lab.client, ['sysctl', '-qw', `net.ipv4.ip_local_port_range=${left}`]);
    await mustInside(lab.client, ['nft', `table inet watched { chain c { ${RESETS} }; }`]);
    const before = nginx.accessLog().length;
    let isOver = false;
    const argv = [SHORT, '--target', `${lab.target.ipv4}:80`, '--clients', 'own', '--ports', ports];
    const run = replay(lab.client, [...argv, '--users', `${users}`, '--accel', '0.02']).finally(
      () => {
        isOver = true;
      },
    );
    await until('users play', async () => (await nginx.stubStatus()).requests > 100, 60_000);
    let fetched = 0;
    while (!isOver && fetched < 50) {
      const url = `http://${lab.target.ipv4}/page.html`;
      expect(await mustInside(lab.client, ['curl', '-sS', '-m', '10', url])).toHaveLength(1_024);
      fetched++;
    }
    expect(fetched).toBeGreaterThan(3);
    const { exchanges } = completed(await run, users);
    const entries = nginx.accessLog().slice(before);
    expect(entries).toHaveLength(exchanges.sent + fetched);
    expect(new Set(entries.map(({ port }) => port)).size).toBe(users + fetched);
    expect(await mustInside(lab.client, ['nft', 'list', 'ruleset'])).toContain(
      'counter packets 0 ',
    );
    expect(await kernelCount(lab.target, 'TcpInCsumErrors')).toBe(0);
  });
});

describe.runIf(canRun('replays from own addresses', TOOLS))('replays from own addresses', () => {
  let lab: Lab;
  let nginx: Nginx;
  let here: Nginx;
  const running: Running[] = [];

  onNginxGround({}, async (ground) => {
    ({ lab, nginx } = ground);
    here = await startNginx(lab.client);
  });

  keepGround(() => [lab.client, lab.target]);

  afterEach(async () => {
    for (const program of running.splice(0)) await program.stop('SIGKILL');
    await runInside(lab.client, ['nft', 'flush', 'ruleset']);
  });

  afterAll(() => here?.stop());

  const target = (family: 'ipv4' | 'ipv6' = 'ipv4') =>
    family === 'ipv4' ? `${lab.target.ipv4}:80` : `[${lab.target.ipv6}]:80`;
  const play = (users: number, argv: readonly string[], prefix: readonly string[] = []) =>
    replay(lab.client, [SHORT, '--users', `${users}`, ...argv], { prefix });
  const playTo = (users: number, ...argv: string[]) =>
    play(users, ['--target', target(), '--clients', 'own', ...argv]);
  /** Starts a run that goes on until it is stopped, and waits until users play. */
  async function startEndless(...argv: string[]): Promise<Running> {
    const command = replayCommand([SHORT, '--target', target(), '--clients', 'own', ...argv]);
    const before = nginx.accessLog().length;
    const program = startInside(lab.client, [...command, '--users', '20', '--accel', '0.01']);
    running.push(program);
    await until('users play', () => {
      if (program.hasEnded()) throw new Error(`it ended:\n${program.output()}`);
      return nginx.accessLog().length > before;
    });
    return program;
  }

  let slices = 0;
  /**
   * Ports of which the target remembers no connection, for which it would be sent a reset: of the
   * kernel's own range, which runs without `--ports` leave alone.
   */
  const freshPorts = (): string[] => {
    const first = 33_000 + 500 * slices++;
    return ['--ports', `${first}-${first + 499}`];
  };

  /** Every rule of a host, of both tools, that is gryphon's. */
  async function rules(host: Host = lab.client): Promise<string[]> {
    const texts = await Promise.all(
      [['iptables-save'], ['ip6tables-save'], ['nft', 'list', 'ruleset']].map((argv) =>
        mustInside(host, argv),
      ),
    );
    return texts.flatMap((text) => text.split('\n')).filter((line) => line.includes('gryphon'));
  }

  test.each(['ipv4', 'ipv6'] as const)(
    'reach a target that knows nothing of it (%s)',
    async (family) => {
      const before = nginx.accessLog().length;
      const { value, seen } = await watched(lab, 80, () =>
        play(400, ['--target', target(family), '--clients', 'own', ...freshPorts()]),
      );
      const { exchanges } = completed(value, 400);
      expect(nginx.accessLog()).toHaveLength(before + exchanges.sent);
      const addresses = new Set(
        nginx
          .accessLog()
          .slice(before)
          .map(({ address }) => address),
      );
      expect([...addresses]).toEqual([lab.client[family]]);
      expect(seen).toMatchObject({ wrong: 0, clients: 400, syns: 400, resets: 0 });
      expect(value.stdout).toContain(`by 400 users from ${lab.client[family]} to`);
      expect(await rules()).toEqual([]);
    },
  );

  describe('the rule', () => {
    test('names target, own address and ports, and is there while users play', async () => {
      const program = await startEndless();
      const lines = await rules();
      const match = `-s ${lab.target.ipv4}/32 -d ${lab.client.ipv4}/32 -i ${DEVICE} -p tcp`;
      expect(lines).toHaveLength(SPANS);
      for (const line of lines) {
        expect(line).toContain(`-A PREROUTING ${match} -m tcp --sport 80 --dport `);
        expect(line).toMatch(/--comment "?gryphon:\d+:\d+"? -j DROP$/);
      }
      await program.stop('SIGINT');
      expect(await rules()).toEqual([]);
    });

    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;
    test.each(signals)('is gone after %s', async (signal) => {
      const program = await startEndless();
      await program.stop(signal);
      expect(await rules()).toEqual([]);
    });

    test('is gone after a second Ctrl-C, which waits for nothing', async () => {
      const program = await startEndless();
      signalTo(program.pid, 'SIGINT');
      await until('it has heard', () => program.output().includes('interrupted'));
      await new Promise((resolve) => setTimeout(resolve, 600));
      await program.stop('SIGINT');
      expect(await rules()).toEqual([]);
    });

    test('is gone where the probe finds nothing', async () => {
      const replayed = await play(9, ['--target', `${lab.target.ipv4}:81`, '--clients', 'own']);
      expect(replayed).toMatchObject({ code: 5 });
      expect(replayed.stderr).toContain('with a reset: nothing listens there');
      expect(await rules()).toEqual([]);
    });

    test('that a killed run left is taken over by the next, that of a living one is not', async () => {
      const killed = await startEndless();
      await killed.stop('SIGKILL');
      expect(await rules()).toHaveLength(SPANS);
      const living = await startEndless('--ports', '2000-2999');
      const left = await rules();
      expect(left).toHaveLength(1);
      expect(left[0]).toContain('--dport 2000:2999');
      completed(await playTo(50, '--ports', '3000-3999'), 50);
      expect(await rules()).toEqual(left);
      await living.stop('SIGINT');
      expect(await rules()).toEqual([]);
    });

    test('is made by nft where there is no iptables; what was left by one is left to nobody', async () => {
      const folder = makeFolder('tools');
      try {
        for (const tool of ['ip', 'nft']) {
          await mustInside(lab.client, [
            'sh',
            '-c',
            `ln -s "$(command -v ${tool})" ${folder.path}`,
          ]);
        }
        const prefix = ['env', `PATH=${folder.path}`];
        for (const family of ['ipv4', 'ipv6'] as const) {
          const argv = ['--target', target(family), '--clients', 'own', ...freshPorts()];
          const { value, seen } = await watched(lab, 80, () => play(50, argv, prefix));
          expect(completed(value, 50).users.completed).toBe(50);
          expect(seen.resets).toBe(0);
          expect(value.stdout).toContain('the rule was made by nft');
          expect(await rules()).toEqual([]);
        }
        const command = replayCommand([SHORT, '--target', target(), '--clients', 'own']);
        const before = nginx.accessLog().length;
        const slow = [...prefix, ...command, '--users', '20', '--accel', '0.01'];
        const program = startInside(lab.client, slow);
        running.push(program);
        await until('users play', () => nginx.accessLog().length > before, 60_000);
        await program.stop('SIGKILL');
        expect(await rules()).toEqual([expect.stringMatching(/^table inet gryphon-\d+-\d+ {$/)]);
        completed(await playTo(20), 20);
        expect(await rules()).toEqual([]);
      } finally {
        folder.remove();
      }
    });

    test('cannot be made without iptables and nft: 4, with packages and lines', async () => {
      const folder = makeFolder('no-tools');
      try {
        await mustInside(lab.client, ['sh', '-c', `ln -s "$(command -v ip)" ${folder.path}`]);
        const argv = ['--target', target(), '--clients', 'own'];
        const replayed = await play(9, argv, ['env', `PATH=${folder.path}`]);
        expect(replayed).toMatchObject({ code: 4, result: null });
        expect(replayed.stderr).toContain('neither iptables nor nft is installed');
        expect(replayed.stderr).toContain('install the package iptables, or nftables');
        expect(replayed.stderr).toContain('iptables -w -t raw -I PREROUTING');
      } finally {
        folder.remove();
      }
    });

    test('cannot be made with CAP_NET_RAW alone: 4, with what a container lacks', async () => {
      const caps = ['setpriv', '--inh-caps=-all,+net_raw', '--bounding-set=-all,+net_raw'];
      const argv = ['--target', target(), '--clients', 'own'];
      const replayed = await play(9, argv, [...caps, '--no-new-privs']);
      expect(replayed).toMatchObject({ code: 4, result: null });
      expect(replayed.stderr).toContain('takes CAP_NET_ADMIN');
      expect(replayed.stderr).toContain('--cap-add NET_ADMIN');
    });

    test('is made with CAP_NET_RAW and CAP_NET_ADMIN and no other', async () => {
      const two = '-all,+net_raw,+net_admin';
      const caps = ['setpriv', `--inh-caps=${two}`, `--bounding-set=${two}`, '--no-new-privs'];
      completed(await play(50, ['--target', target(), '--clients', 'own'], caps), 50);
    });
  });

  describe('half a connection that the target keeps', () => {
    /** What the target's kernel has of clients that it has answered, and that have not answered. */
    const halfOpen = async (): Promise<string> =>
      await mustInside(lab.target, ['ss', '-Htn', 'state', 'syn-recv', 'sport = :80']);
    const target = () => ['--target', `${lab.target.ipv4}:80`, '--clients', 'own'];
    /** The target's answers reach nobody from here on. */
    const mute = () =>
      mustInside(lab.target, [
        'nft',
        'table inet muted { chain c { type filter hook output priority 0; tcp sport 80 drop; }; }',
      ]);
    const unmute = () => mustInside(lab.target, ['nft', 'delete', 'table', 'inet', 'muted']);

    test('is not left by a probe that has heard nothing, nor by one that is told to end', async () => {
      await mute();
      const argv = [...target(), ...freshPorts()];
      const silent = await play(20, argv);
      expect(silent).toMatchObject({ code: 5 });
      expect(silent.stderr).toContain('no answer to the probe');
      expect(await halfOpen()).toBe('');
      const program = startInside(lab.client, replayCommand([SHORT, ...argv, '--users', '20']));
      running.push(program);
      await until('the target has answered', async () => (await halfOpen()) !== '');
      await program.stop('SIGINT');
      expect(program.exitCode()).toBe(130);
      expect(await halfOpen()).toBe('');
      await unmute();
    });

    test('of a killed run is ended by the next, which takes its own reset for no other', async () => {
      await mute();
      const [option = '', ports = ''] = freshPorts();
      // One port, so that both have it.
      const argv = [...target(), option, ports.split('-')[0] ?? ''];
      const program = startInside(lab.client, replayCommand([SHORT, ...argv, '--users', '1']));
      running.push(program);
      await until('the target has answered', async () => (await halfOpen()) !== '');
      await program.stop('SIGKILL');
      expect(await halfOpen()).not.toBe('');
      await unmute();
      completed(await play(1, argv), 1);
      expect(await halfOpen()).toBe('');
    });
  });

  describe('with --no-firewall-rules', () => {
    test('the kernel resets without a rule, and the probe says so: 4', async () => {
      const replayed = await playTo(9, '--no-firewall-rules');
      expect(replayed).toMatchObject({ code: 4, result: null });
      expect(replayed.stderr).toContain(
        `this machine's own kernel resets connections from ${lab.client.ipv4}:`,
      );
      expect(replayed.stderr).toContain(`nft 'table inet gryphon { chain replies {`);
      expect(await rules()).toEqual([]);
    });

    test.each(['iptables', 'nft'] as const)('the printed lines of %s do', async (tool) => {
      const argv = ['--no-firewall-rules', ...freshPorts()];
      const dry = await playTo(50, ...argv, '--dry-run');
      const lines = dry.stdout.split('\n').map((line) => line.trim());
      const making = lines.filter(
        (line) => line.startsWith(`${tool} `) && !/ (-D|delete) /.test(line),
      );
      expect(making).toHaveLength(1);
      for (const line of making) await mustInside(lab.client, ['sh', '-c', line]);
      const { value, seen } = await watched(lab, 80, () => playTo(50, ...argv));
      completed(value, 50);
      expect(seen.resets).toBe(0);
      const after = lines.filter(
        (line) => line.startsWith(`${tool} `) && / (-D|delete) /.test(line),
      );
      for (const line of after) await mustInside(lab.client, ['sh', '-c', line]);
      expect(await mustInside(lab.client, ['iptables', '-t', 'raw', '-S'])).not.toContain('DROP');
      expect(await mustInside(lab.client, ['nft', 'list', 'ruleset'])).not.toContain('gryphon');
    });
  });

  describe('a target on this machine', () => {
    test.each([
      ['127.0.0.1:80', 'own', '127.0.0.1'],
      ['[::1]:80', 'own', '::1'],
      ['127.0.0.1:80', '127.0.3.0/29', '127.0.3.1'],
    ])('%s is reached from %s, with no route and no setting', async (at, clients, first) => {
      const before = here.accessLog().length;
      const { exchanges } = completed(await play(300, ['--target', at, '--clients', clients]), 300);
      const entries = here.accessLog().slice(before);
      expect(entries).toHaveLength(exchanges.sent);
      expect(entries.map(({ address }) => address)).toContain(first);
      expect(await rules()).toEqual([]);
    });

    test('its own address is reached as well, and large answers and requests arrive whole', async () => {
      const folder = makeFolder('own-large');
      try {
        const path = join(folder.path, 'large.pcap');
        const url = `http://127.0.0.1${here.addPage('large.html', 2_000_000)}`;
        const capture = await startCapture(lab.client, path, {
          filter: 'tcp port 80',
          device: 'lo',
        });
        await mustInside(lab.client, ['curl', '-sS', '-o', '/dev/null', url]);
        const upload = ['-H', 'Expect:', '--data-binary', '@-', 'http://127.0.0.1/upload'];
        const body = Buffer.alloc(1_000_000, 'gryphon');
        await mustInside(lab.client, ['curl', '-sS', '-o', '/dev/null', ...upload], {
          input: body,
        });
        await capture.stop();
        const before = here.accessLog().length;
        const argv = ['--target', `${lab.client.ipv4}:80`, '--clients', 'own'];
        const finished = await replay(lab.client, [path, '--users', '10', ...argv]);
        completed(finished, 10);
        const entries = here.accessLog().slice(before);
        expect(entries).toHaveLength(10);
        for (const { uri, sentBytes, body: file } of entries) {
          if (uri === '/upload') expect(readFileSync(file).equals(body)).toBe(true);
          else expect(sentBytes).toBeGreaterThan(2_000_000);
        }
      } finally {
        folder.remove();
      }
    });

    test('without --clients the error names both ways, the own one first: 5', async () => {
      const replayed = await play(9, ['--target', '127.0.0.1:80']);
      expect(replayed).toMatchObject({ code: 5 });
      expect(replayed.stderr).toMatch(/--clients own, or: sysctl/);
      const far = await play(9, ['--target', target()]);
      expect(far).toMatchObject({ code: 5 });
      expect(far.stderr).toMatch(/--clients own; or on the target: ip route add 198\.18\.0\.0\/15/);
    });
  });

  describe('ports', () => {
    test('that a service of this machine listens on are left out', async () => {
      const dry = await playTo(2, '--dry-run', '--ports', '8079-8082');
      // nginx listens on 8080 and 8081.
      expect(dry.stdout).toContain('ports 8079,8082: 2 of 2 address-port pairs');
    });

    test('that do not suffice are told, with both ways out: 2', async () => {
      const replayed = await playTo(40_000);
      expect(replayed).toMatchObject({ code: 2, result: null });
      expect(replayed.stderr).toContain(`'${lab.client.ipv4}' has 1`);
      expect(replayed.stderr).toMatch(/--ports 1024-63999 .*, or use more addresses/);
      const wider = await playTo(40_000, '--ports', '1024-63999', '--dry-run');
      expect(wider.code).toBe(0);
      expect(wider.stderr).toContain("by sysctl -w net.ipv4.ip_local_port_range='64000 65535'");
    });

    test('of two runs at one target have to differ, and may', async () => {
      await startEndless();
      const second = await playTo(9);
      expect(second).toMatchObject({ code: 4, result: null });
      expect(second.stderr).toContain(`plays from ${lab.client.ipv4}/32 (ports 1024-`);
      completed(await playTo(50, '--ports', '58000-58999'), 50);
    });

    test.each([
      ['one thread', ['--threads', '1']],
      ['two threads', ['--threads', '2']],
    ])('serve a connection to each target at a time (%s)', async (_, asked) => {
      // nginx answers on both.
      const other = '10.77.0.201';
      await mustInside(lab.target, ['ip', 'address', 'add', `${other}/16`, 'dev', DEVICE]);
      const before = nginx.accessLog().length;
      const captures = [SHORT, fixture('http-ipv6.pcap')];
      const map = `10.77.0.1:80-${target()},[fd77::1]:80-${other}:80`;
      // Of 16 sessions 10 and 6 go to either.
      const [users, count] = [160, 100];
      const first = 50_000 + 1_000 * slices++;
      const ports = ['--ports', `${first}-${first + count - 1}`, '--clients', 'own'];
      const load = ['--users', `${users}`, '--rate', '400/s', ...asked];
      const argv = [...captures, '--map', map, ...ports, ...load];
      const dry = await replay(lab.client, [...argv, '--dry-run']);
      expect(dry.stdout).toContain(`: ${users}, ${count} address-port pairs at each of 2 targets`);
      completed(await replay(lab.client, argv), users);
      const entries = nginx.accessLog().slice(before);
      expect(new Set(entries.map(({ connection }) => connection)).size).toBe(users);
      expect(new Set(entries.map(({ port }) => port)).size).toBe(count);
      const refused = await replay(lab.client, [...argv, '--users', '161', '--dry-run']);
      expect(refused.code).toBe(2);
      expect(refused.stderr).toContain('101 connections to one target need 2 client addresses');
      expect(await rules()).toEqual([]);
    });

    test('of several addresses serve more users', async () => {
      await mustInside(lab.client, ['ip', 'address', 'add', '10.77.0.9/16', 'dev', DEVICE]);
      const before = nginx.accessLog().length;
      const clients = `${lab.client.ipv4},10.77.0.9`;
      const { value, seen } = await watched(lab, 80, () =>
        play(100, ['--target', target(), '--clients', clients, ...freshPorts()]),
      );
      completed(value, 100);
      const addresses = nginx
        .accessLog()
        .slice(before)
        .map(({ address }) => address);
      expect(new Set(addresses)).toEqual(new Set(clients.split(',')));
      expect(seen.resets).toBe(0);
    });
  });

  test('a target in a container, whose published port its machine translates, is reached', async () => {
    const container = await startContainer(lab.target, 8_090);
    try {
      const before = container.accessLog().length;
      const { value, seen } = await watched(lab, 8_090, () =>
        play(100, ['--target', `${lab.target.ipv4}:8090`, '--clients', 'own']),
      );
      const { exchanges } = completed(value, 100);
      expect(container.accessLog()).toHaveLength(before + exchanges.sent);
      expect(seen).toMatchObject({ syns: 100, resets: 0 });
    } finally {
      await container.stop();
    }
  });

  test('a container behind a bridge of this machine, whose packets meet iptables in its ports, is reached', async () => {
    const container = await startContainer(lab.client, 8_091);
    try {
      await mustInside(lab.client, ['sysctl', '-qw', 'net.bridge.bridge-nf-call-iptables=1']);
      const before = container.accessLog().length;
      const argv = ['--target', '172.30.0.2:80', '--clients', 'own', ...freshPorts()];
      const { exchanges } = completed(await play(100, argv), 100);
      expect(container.accessLog()).toHaveLength(before + exchanges.sent);
      // What is left in the chain for bridges the next run removes, whatever it plays over.
      const left = ['-m', 'comment', '--comment', 'gryphon:4194305:1', '-j', 'DROP'];
      const rule = ['iptables', '-I', 'INPUT', '-p', 'tcp', '--dport', '1', ...left];
      await mustInside(lab.client, rule);
      completed(await playTo(20, ...freshPorts()), 20);
      expect(await rules()).toEqual([]);
    } finally {
      await container.stop();
    }
  });

  test('is told by a dry run, which needs no privilege', async () => {
    const prefix = ['setpriv', '--inh-caps=-all', '--bounding-set=-all', '--no-new-privs'];
    const argv = ['--target', target(), '--clients', 'own', '--dry-run'];
    const { code, stdout, stderr } = await play(20, argv, prefix);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('on the target: nothing.');
    expect(stdout).toContain(`iptables -w -t raw -I PREROUTING -i ${DEVICE} -p tcp`);
    expect(await rules()).toEqual([]);
  });
});
