/**
 * Intercepts among others: strangers on their port, several replays and intercepts at a time, and what is said
 * where one cannot be used.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { leftovers, makeToken } from '../helpers/intercept.ts';
import { hasRegistered, interceptGround, MODES, notesOf } from '../helpers/intercept-ground.ts';
import { CLIENTS_ROUTED, DEVICE, inside, mustInside } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { run, signalTo, startProgram } from '../helpers/process.ts';
import { completed, fixture, replay } from '../helpers/replay.ts';
import { makeFolder } from '../helpers/servers.ts';

const TOOLS = ['ip', 'ethtool', 'ss', 'nginx', 'curl', 'iptables', '/usr/bin/python3'];

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe.runIf(canRun('intercepts among others', TOOLS))('a replay with intercepts', () => {
  const at = interceptGround();
  const { start, play } = at;

  test('strangers on the port change nothing: octets, scans, half-open ends, a wrong secret', async () => {
    const daemon = await start('sink');
    const replaying = play(['sink'], ['-u', '160', '-a', '0.5']);
    await hasRegistered(daemon);
    const { ipv4 } = at.lab.target;
    const script = `
import os, socket, time
held = []
for i in range(120):
    s = socket.socket(); s.settimeout(2)
    try:
        s.connect(('${ipv4}', 36524))
        if i % 3 == 0: s.send(os.urandom(2000))
        if i % 3 == 1: held.append(s)
        else: s.close()
    except OSError: pass
time.sleep(1.5)
`;
    const noise = startProgram(inside(at.lab.client, ['/usr/bin/python3', '-c', script]));
    const wrong = makeToken('another secret of more than sixteen octets');
    const other = await replay(at.lab.client, [
      fixture('http-short.pcap'),
      ...['--target', `${ipv4}:80`, '-s', ipv4, '--token-file', wrong, '-c', '10.99.0.0/24'],
    ]);
    expect(other.code).toBe(5);
    // With 40 of them holding the line a right one may be turned away, but never the running one.
    expect(other.stderr).toMatch(/secret|cannot be reached/);
    completed(await replaying, 160);
    await noise.stop();
    expect(daemon.hasEnded()).toBe(false);
    expect(daemon.output()).toContain('connections were turned away');
    completed(await play(['sink'], ['-u', '16', '-a', '10']), 16);
  });

  test('two replays on one intercept, each with clients of its own', async () => {
    await start('nfqueue');
    const before = at.nginx.accessLog().length;
    const [one, other] = await Promise.all([
      play(['nfqueue'], ['-u', '80', '-a', '2', '-c', '198.18.0.0/24']),
      play(['nfqueue'], ['-u', '80', '-a', '2', '-c', '198.18.1.0/24']),
    ]);
    const sent = completed(one, 80).exchanges.sent + completed(other, 80).exchanges.sent;
    expect(at.nginx.accessLog()).toHaveLength(before + sent);
  });

  test('a second replay that wants the same clients is refused by the name of the first', async () => {
    const daemon = await start('sink');
    const first = play(['sink'], ['-u', '32', '-a', '0.5']);
    await hasRegistered(daemon);
    const second = await play(['sink'], ['-u', '32']);
    expect(second.code).toBe(5);
    expect(second.stderr).toMatch(
      /has registered clients 198\.18\.0\.1-198\.19\.255\.254 with ports/,
    );
    completed(await first, 32);
  });

  test('two intercepts for one replay', async () => {
    await start('sink');
    await start('advanced');
    const replayed = await play(['sink', 'advanced'], ['-u', '160', '-a', '10']);
    completed(replayed, 160);
    expect(notesOf(replayed).plan.mode).toBe('sink+advanced');
  });

  test('two targets behind one intercept: a client has its ports for each of them', async () => {
    await start('nfqueue');
    // nginx answers on both.
    const other = '10.77.0.201';
    await mustInside(at.lab.target, ['ip', 'address', 'add', `${other}/16`, 'dev', DEVICE]);
    const before = at.nginx.accessLog().length;
    const { ipv4 } = at.lab.target;
    // Of 16 sessions 10 and 6 go to either.
    const [users, ports] = [160, 100];
    const replayed = await replay(at.lab.client, [
      ...[fixture('http-short.pcap'), fixture('http-ipv6.pcap')],
      ...['--map', `10.77.0.1:80-${ipv4}:80,[fd77::1]:80-${other}:80`],
      ...['--token-file', at.token, '-s', ipv4, '-c', '198.18.0.1', '--threads', '2'],
      ...['--ports', `50000-${50_000 + ports - 1}`, '-u', `${users}`, '--rate', '400/s'],
    ]);
    completed(replayed, users);
    const entries = at.nginx.accessLog().slice(before);
    expect(new Set(entries.map(({ connection }) => connection)).size).toBe(users);
    expect(new Set(entries.map(({ port }) => port)).size).toBe(ports);
  });

  test('a client of the operator works undisturbed during a run', async () => {
    await start('nfqueue');
    const replaying = play(['nfqueue'], ['-u', '160', '-a', '1']);
    let answered = 0;
    for (let i = 0; i < 20; i++) {
      const url = `http://${at.lab.target.ipv4}/page.html`;
      const { code } = await run(
        inside(at.lab.client, ['curl', '-sSfm', '2', '-o', '/dev/null', url]),
      );
      if (code === 0) answered++;
      await pause(50);
    }
    expect(answered).toBe(20);
    completed(await replaying, 160);
  });

  describe('before anything is played it is said', () => {
    test('that nobody listens', async () => {
      const { code, stderr } = await play(['sink'], []);
      expect(code).toBe(5);
      expect(stderr).toContain(
        `intercept at ${at.lab.target.ipv4}:36524 cannot be reached: ECONNREFUSED`,
      );
    });

    test('that one end has no secret', async () => {
      await start('sink');
      const { ipv4 } = at.lab.target;
      const argv = ['--target', `${ipv4}:80`, '-s', ipv4];
      const { code, stderr } = await replay(at.lab.client, [fixture('http-short.pcap'), ...argv]);
      expect(code).toBe(5);
      expect(stderr).toContain('--token-file');
    });

    test('that nothing listens at the target', async () => {
      await start('sink');
      const { code, stderr } = await play(['sink'], [], { port: 81 });
      expect(code).toBe(5);
      expect(stderr).toContain("the target's host answered the probe");
    });

    test.each(MODES)(
      'that no answer was seen of a target with a strict rp_filter (%s), and what mends it',
      async (mode) => {
        await start(mode);
        const strict = 'net.ipv4.conf.all.rp_filter';
        await mustInside(at.lab.target, ['sysctl', '-qw', `${strict}=1`]);
        try {
          const { code, stderr } = await play([mode], []);
          expect(code).toBe(5);
          expect(stderr).toContain('no answer to the probe');
          if (mode === 'advanced') expect(stderr).toContain('ip route add 198.18.0.0/15 via');
          const [, line = ''] = /strict rp_filter.*: (sysctl -w \S+)/.exec(stderr) ?? [];
          expect(line).toBe(`sysctl -w ${strict}=2`);
          await mustInside(at.lab.target, line.split(' '));
          completed(await play([mode], ['-u', '16', '-a', '10']), 16);
        } finally {
          await mustInside(at.lab.target, ['sysctl', '-qw', `${strict}=0`]);
        }
      },
    );
  });

  test('over IPv6 the route that is wanting is told as `ip -6` takes it', async () => {
    await start('advanced');
    const clients = CLIENTS_ROUTED.ipv6;
    const { code, stderr } = await replay(at.lab.client, [
      fixture('http-ipv6.pcap'),
      ...['--target', `[${at.lab.target.ipv6}]:80`, '-c', clients],
      // Its address for replays is one of IPv4: no next hop for these clients.
      ...['-s', at.auxiliary.ipv4, '--token-file', at.token],
    ]);
    expect(code).toBe(5);
    const [, line = ''] = /on the target: (.*) via AUXILIARY/.exec(stderr) ?? [];
    expect(line).toBe(`ip -6 route add ${clients}`);
    await mustInside(at.lab.target, [...line.split(' '), 'via', at.auxiliary.gateway6]);
    await mustInside(at.lab.target, ['ip', '-6', 'route', 'del', clients]);
  });

  test('--daemon comes back when it can serve, and the log and the pid are in their files', async () => {
    const folder = makeFolder('daemon').path;
    const [log, pid] = [join(folder, 'log'), join(folder, 'pid')];
    const command = [process.execPath, 'bin/gryphon.js', 'intercept', '--mode', 'sink', '--daemon'];
    const files = ['--log-file', log, '--pid-file', pid, '--listen', '127.0.0.1:36600'];
    const { code, stderr } = await run(inside(at.lab.target, [...command, ...files]));
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(stderr).toContain('ready: 127.0.0.1:36600, mode sink');
    const id = Number(readFileSync(pid, 'utf8'));
    expect(readFileSync(log, 'utf8')).toContain('"msg":"ready"');
    signalTo(id, 'SIGTERM');
    for (let i = 0; i < 100 && existsSync(`/proc/${id}`); i++) await pause(50);
    expect(existsSync(`/proc/${id}`)).toBe(false);
    expect(await leftovers(at.lab.target)).toEqual([]);
  });
});
