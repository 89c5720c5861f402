/** Runs on a machine whose table of tracked connections is full. The limit is one for all namespaces, and stays. */
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Lab, makeLab, mustInside, startInside } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { type Running, until } from '../helpers/process.ts';
import { fixture, replay, withLedger } from '../helpers/replay.ts';

const TRACKED = fileURLToPath(new URL('servers/tracked.py', import.meta.url));
const SLOW_HTTP = fileURLToPath(new URL('servers/slow-http.mjs', import.meta.url));
const USERS = 200;
/** Entries that the other run finds room for; the probe's is one. */
const LEFT = 20;
/** All users start within this time: the kernel makes room by dropping what is over. */
const ANSWER_MS = 1_500;
const FULL = 'its table of tracked connections is full (conntrack: ';

describe.runIf(canRun('a full conntrack table', ['ip', 'iptables', 'python3']))(
  'where tracked connections have no room any more',
  () => {
    let lab: Lab;
    let server: Running;
    beforeAll(async () => {
      lab = await makeLab();
      await mustInside(lab.target, ['ip', 'link', 'set', 'lo', 'up']);
      // Connections are tracked as soon as a rule wants to know of them.
      const rule = ['OUTPUT', '-m', 'conntrack', '--ctstate', 'NEW', '-j', 'ACCEPT'];
      await mustInside(lab.target, ['iptables', '-A', ...rule]);
      server = startInside(lab.target, [process.execPath, SLOW_HTTP, '80', `${ANSWER_MS}`]);
      await until('the server', async () => {
        const listening = await mustInside(lab.target, ['ss', '-Hltn', 'sport = :80']);
        return listening !== '';
      });
      await mustInside(lab.target, ['python3', TRACKED, 'fill'], { timeoutMs: 280_000 });
    }, 300_000);
    afterAll(async () => {
      await server?.stop('SIGTERM');
      await lab?.close();
    });

    /** From the machine's own address to itself, which netfilter sees. */
    const play = () => {
      const own = ['--clients', 'own', '--target', '127.0.0.1:80', '--users', `${USERS}`];
      const pace = ['--rate', '1000/s', '--timeout', '3s'];
      return replay(lab.target, [fixture('http-short.pcap'), ...own, ...pace]);
    };

    test('a run that finds it full does not begin, and says why', async () => {
      const { code, stderr } = await play();
      expect(code).toBe(5);
      expect(stderr).toContain(`did not leave by lo: this machine refused it: ${FULL}`);
      expect(stderr).toContain('sysctl -w net.netfilter.nf_conntrack_max=');
    });

    test('a run that fills it says so at its end', async () => {
      await mustInside(lab.target, ['python3', TRACKED, 'free', `${LEFT}`]);
      const played = await play();
      const { packets, users } = withLedger(played);
      expect(packets.dropped.unsentNotPermitted).toBeGreaterThan(0);
      expect(users.completed).toBeLessThan(USERS);
      expect(played.stderr).toContain(FULL);
      expect(played.stderr).toMatch(/this machine did not let [\d,]+ packets out: /);
    });
  },
);
