/** What is particular to one source: verdicts, rules, refusals, warnings. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { addressOfBytes } from '../../src/base/address.ts';
import type { InterceptedSink, PacketSource, Registration } from '../../src/intercept/ports.ts';
import {
  openSource,
  type PacketSourceOptions,
  type SourceMode,
} from '../../src/io/intercept/intercept-source.ts';
import { queueLines } from '../../src/io/intercept/queue-lines.ts';
import { inNamespace } from '../../src/io/sys/namespace.ts';
import { type Host, type Lab, mustInside, routeClients, runInside } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { must, run } from '../helpers/process.ts';
import {
  countOnWire,
  octetsOf,
  type RawClients,
  rangeOf,
  registrationOf,
  TcpFlag,
  targetOf,
} from '../helpers/raw-client.ts';
import type { Nginx } from '../helpers/servers.ts';
import { onSourceGround, SOURCE_TOOLS } from '../helpers/source-ground.ts';

const isReady = canRun('modes of the intercept', SOURCE_TOOLS);

let lab: Lab;
let nginx: Nginx;
let clients: RawClients;
const opened = onSourceGround(isReady, (ground) => {
  ({ lab, nginx, clients } = ground);
});

/** A source whose calls are made in a host's namespace. */
function openIn(host: Host, mode: SourceMode, options: PacketSourceOptions = {}): PacketSource {
  const inside = <T>(work: () => T): T => inNamespace(host.name, work);
  const source = inside(() => openSource(mode, options));
  const wrapped: PacketSource = {
    data: source.data,
    fds: source.fds,
    setRegistrations: (registrations) => inside(() => source.setRegistrations(registrations)),
    receive: (limit, sink) => inside(() => source.receive(limit, sink)),
    readDropped: () => inside(() => source.readDropped()),
    describe: () => inside(() => source.describe()),
    close: () => inside(() => source.close()),
  };
  opened.push(wrapped);
  return wrapped;
}

const registrationFor = (first: string, count: number): Registration =>
  registrationOf(1, [rangeOf(first, count)], [targetOf(lab.target.ipv4, 80)]);

const COUNTING: InterceptedSink & { taken: number } = {
  taken: 0,
  onPacket() {
    this.taken++;
  },
};

/** How long a busy machine may keep packets. */
const PATIENCE_MS = 10_000;

const moment = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Takes what comes, for so long; as long again and again until as many as expected have come. */
async function takeFor(source: PacketSource, ms: number, expected = 0): Promise<number> {
  COUNTING.taken = 0;
  const startMs = performance.now();
  let end = startMs + ms;
  while (performance.now() < end) {
    source.receive(1_000, COUNTING);
    await moment(2);
    // A busy machine may be late; what comes beyond the expected is still seen.
    if (COUNTING.taken < expected && performance.now() < startMs + PATIENCE_MS) end += 2;
  }
  return COUNTING.taken;
}

const syn = (client: string, port: number) =>
  clients.send({ client, port, flags: TcpFlag.SYN, seq: 1 });

const queues = () => inNamespace(lab.target.name, queueLines);

/** Connects from an address of the client host's own, while the source does its work. */
async function fetchFrom(address: string | null, source: PacketSource): Promise<string> {
  const from = address === null ? [] : ['--interface', address];
  const url = `http://${lab.target.ipv4}/page.html`;
  const argv = ['curl', '-sS', '-m', '5', ...from, '-o', '/dev/null', '-w', '%{http_code}', url];
  let answer: string | null = null;
  const asking = runInside(lab.client, argv).then(({ stdout }) => {
    answer = stdout;
  });
  while (answer === null) {
    source.receive(1_000, COUNTING);
    await moment(2);
  }
  await asking;
  return answer;
}

describe.runIf(isReady)('nfqueue', () => {
  beforeAll(() => routeClients(lab));
  afterAll(async () => {
    await mustInside(lab.target, ['ip', 'route', 'del', '198.18.0.0/15']);
    await mustInside(lab.target, ['ip', '-6', 'route', 'del', 'fd77:18::/64']);
  });

  test('every packet of every queue gets its verdict, in one run or in many', async () => {
    const source = openIn(lab.target, 'nfqueue', {
      queues: { first: 20, last: 23 },
      noRules: true,
    });
    // The operator's rule is wider: a part of what it brings is not registered.
    const rule = [
      'OUTPUT',
      '-p',
      'tcp',
      '--sport',
      '80',
      '-j',
      'NFQUEUE',
      '--queue-balance',
      '20:23',
    ];
    await mustInside(lab.target, ['iptables', '-I', ...rule]);
    try {
      source.setRegistrations([registrationFor('198.18.0.0', 128)]);
      for (let i = 0; i < 200; i++) {
        syn(`198.18.0.${i}`, 5_000);
        if (i % 3 === 0) syn('198.18.0.1', 6_000 + i);
      }
      expect(await takeFor(source, 200, 128 + 67)).toBe(128 + 67);
      const lines = queues();
      expect(lines.map(({ queue }) => queue)).toEqual([20, 21, 22, 23]);
      expect(lines.map(({ waiting }) => waiting)).toEqual([0, 0, 0, 0]);
      expect(lines.reduce((sum, { id }) => sum + id, 0)).toBeGreaterThanOrEqual(267);
      expect(lines.filter(({ id }) => id > 0).length).toBeGreaterThan(1);
      expect(source.readDropped()).toBe(0);
      // Those that nobody has registered for were answered ACCEPT: they can be talked to.
      expect(await fetchFrom(null, source)).toBe('200');
    } finally {
      await mustInside(lab.target, ['iptables', '-D', ...rule]);
    }
    expect(source.describe().join('\n')).toContain(
      `needs: iptables -w -I OUTPUT -p tcp -s ${lab.target.ipv4} --sport 80 -d 198.18.0.0/25`,
    );
  });

  test('what is no whole TCP packet goes its way', async () => {
    const source = openIn(lab.target, 'nfqueue', { noRules: true });
    source.setRegistrations([registrationFor('10.77.0.0', 65_536)]);
    const rule = ['OUTPUT', '-p', 'udp', '-j', 'NFQUEUE', '--queue-num', '0'];
    await mustInside(lab.target, ['iptables', '-I', ...rule]);
    let taken = 0;
    const onWire = await countOnWire(
      lab.client,
      'udp dst port 9 or ip[6:2] & 0x1fff != 0',
      async () => {
        // One octet, none at all, and more than a frame holds: that leaves in three fragments.
        const datagrams = 'import socket; s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM);';
        const send = `[s.sendto(b'x'*n, ('${lab.client.ipv4}', 9)) for n in (1, 0, 4000)]`;
        await mustInside(lab.target, ['python3', '-c', datagrams + send]);
        taken = await takeFor(source, 100);
      },
    );
    await mustInside(lab.target, ['iptables', '-D', ...rule]);
    expect({ onWire, taken }).toEqual({ onWire: 5, taken: 0 });
    expect(queues().map(({ waiting }) => waiting)).toEqual([0]);
  });

  test('clients that are let through are served, their neighbours are not', async () => {
    await mustInside(lab.client, ['ip', 'address', 'add', '198.18.0.9/32', 'dev', 'link0']);
    await mustInside(lab.client, ['ip', 'address', 'add', '198.18.0.10/32', 'dev', 'link0']);
    const block = { address: addressOfBytes(octetsOf('198.18.0.9')), prefixBits: 32 };
    try {
      for (const noRules of [false, true]) {
        const source = openIn(lab.target, 'nfqueue', { pass: [{ block, port: 80 }], noRules });
        source.setRegistrations([registrationFor('198.18.0.0', 256)]);
        const rule = ['OUTPUT', '-p', 'tcp', '--sport', '80', '-j', 'NFQUEUE'];
        if (noRules) await mustInside(lab.target, ['iptables', '-I', ...rule]);
        expect(await fetchFrom('198.18.0.9', source)).toBe('200');
        expect(await fetchFrom('198.18.0.10', source)).toBe('000');
        if (noRules) await mustInside(lab.target, ['iptables', '-D', ...rule]);
        opened.pop()?.close();
      }
    } finally {
      await mustInside(lab.client, ['ip', 'address', 'del', '198.18.0.9/32', 'dev', 'link0']);
      await mustInside(lab.client, ['ip', 'address', 'del', '198.18.0.10/32', 'dev', 'link0']);
    }
  });

  test.each([
    { failOpen: false, code: '000' },
    { failOpen: true, code: '200' },
  ])('with its queue given up and fail-open $failOpen a client gets $code', async (row) => {
    const { failOpen, code } = row;
    await mustInside(lab.client, ['ip', 'address', 'add', '198.18.0.9/32', 'dev', 'link0']);
    const source = openIn(lab.target, 'nfqueue', { failOpen });
    source.setRegistrations([registrationFor('198.18.0.0', 256)]);
    const [rule = ''] = source.describe().filter((line) => line.includes('iptables'));
    opened.pop()?.close();
    // As after a kill -9: the rule is there, nobody listens.
    const argv = rule.slice(rule.indexOf('iptables')).split(' ');
    await mustInside(lab.target, argv);
    try {
      const url = `http://${lab.target.ipv4}/page.html`;
      const from = ['--interface', '198.18.0.9'];
      const curl = [
        'curl',
        '-sS',
        '-m',
        '1',
        ...from,
        '-o',
        '/dev/null',
        '-w',
        '%{http_code}',
        url,
      ];
      expect((await runInside(lab.client, curl)).stdout).toBe(code);
    } finally {
      await mustInside(
        lab.target,
        argv.map((part) => (part === '-I' ? '-D' : part)),
      );
      await mustInside(lab.client, ['ip', 'address', 'del', '198.18.0.9/32', 'dev', 'link0']);
    }
  });

  test('packets that a queue has no room for are counted', () => {
    const source = openIn(lab.target, 'nfqueue');
    source.setRegistrations([registrationFor('198.18.0.0', 256)]);
    // Nothing is taken meanwhile.
    for (let i = 0; i < 33_500; i++) {
      clients.send({
        client: `198.18.0.${i & 255}`,
        port: 1_024 + (i >> 8),
        flags: TcpFlag.ACK,
        seq: 1,
        ack: 1,
      });
    }
    const [line] = queues();
    expect(line?.waiting).toBeGreaterThan(30_000);
    expect(source.readDropped()).toBe((line?.dropped ?? 0) + (line?.userDropped ?? 0));
    expect(source.readDropped()).toBeGreaterThan(500);
    COUNTING.taken = 0;
    while (source.receive(5_000, COUNTING) > 0);
    expect(COUNTING.taken).toBe(line?.waiting);
    expect(queues().map(({ waiting }) => waiting)).toEqual([0]);
  });

  test('rules that somebody has flushed come back with the next change', async () => {
    const source = openIn(lab.target, 'nfqueue');
    source.setRegistrations([registrationFor('198.18.0.0', 256)]);
    await mustInside(lab.target, ['iptables', '-F', 'OUTPUT']);
    source.setRegistrations([registrationFor('198.18.0.0', 256)]);
    source.setRegistrations([registrationFor('198.18.0.0', 256)]);
    const rules = await mustInside(lab.target, ['iptables', '-S', 'OUTPUT']);
    // The replies', and that of messages about packets that are too big.
    expect(rules.match(/gryphon:/g)).toHaveLength(2);
  });

  test('a queue that is taken is named', () => {
    openIn(lab.target, 'nfqueue', { queues: { first: 4, last: 5 } });
    expect(() => openIn(lab.target, 'nfqueue', { queues: { first: 3, last: 4 } })).toThrow(
      expect.objectContaining({
        code: 'ERR_IO_QUEUE_TAKEN',
        kind: 'environment',
        message: expect.stringContaining('queue 4'),
      }),
    );
    // What was taken before the fault is given back.
    expect(queues().map(({ queue }) => queue)).toEqual([4, 5]);
  });

  test('ranges of more rules than are sensible are refused, and change nothing', async () => {
    const source = openIn(lab.target, 'nfqueue');
    source.setRegistrations([registrationFor('198.18.0.0', 256)]);
    const before = await mustInside(lab.target, ['iptables', '-S']);
    const ranges = Array.from({ length: 1_025 }, (_, i) =>
      rangeOf(`198.18.${i >> 7}.${2 * (i & 127)}`, 1),
    );
    const many = registrationOf(2, ranges, [targetOf(lab.target.ipv4, 80)]);
    expect(() => source.setRegistrations([many])).toThrow(
      expect.objectContaining({ code: 'ERR_IO_TOO_MANY_RULES', kind: 'usage' }),
    );
    expect(await mustInside(lab.target, ['iptables', '-S'])).toBe(before);
    syn('198.18.0.3', 4_000);
    expect(await takeFor(source, 50, 1)).toBeGreaterThan(0);
  });

  test('says that a client has no route, and that a target is not here', () => {
    const source = openIn(lab.target, 'nfqueue');
    source.setRegistrations([
      registrationOf(1, [rangeOf('203.0.113.1', 254)], [targetOf('10.99.0.1', 80)]),
    ]);
    const text = source.describe().join('\n');
    expect(text).toContain('warning: there is no route to client 203.0.113.1');
    expect(text).toContain(': ip route add 203.0.113.0/24 via ROUTER');
    expect(text).toContain('warning: target 10.99.0.1 is no address of this machine');
  });
});

describe.runIf(isReady)('sink', () => {
  test('a strict rp_filter on the way in is told, with the line that mends it', async () => {
    const setting = 'net.ipv4.conf.link0.rp_filter';
    await mustInside(lab.target, ['sysctl', '-qw', `${setting}=1`]);
    const source = openIn(lab.target, 'sink');
    // Clients that no case before has used: the target repeats its SYN-ACKs to those for seconds.
    source.setRegistrations([registrationFor('198.18.200.0', 256)]);
    const warning = source.describe().find((line) => line.startsWith('warning'));
    syn('198.18.200.3', 4_000);
    const whileStrict = await takeFor(source, 50);
    const [, line = ''] = /(sysctl -w \S+)/.exec(warning ?? '') ?? [];
    await mustInside(lab.target, line.split(' '));
    syn('198.18.200.4', 4_000);
    const afterwards = await takeFor(source, 50, 1);
    await mustInside(lab.target, ['sysctl', '-qw', `${setting}=0`]);
    expect({ whileStrict, afterwards: afterwards > 0 }).toEqual({
      whileStrict: 0,
      afterwards: true,
    });
    expect(line).toBe(`sysctl -w ${setting}=2`);
  });

  test.each([
    { name: 'a more specific route', route: '198.18.7.0/24' },
    { name: 'the same route', route: '198.18.0.0/16' },
  ])('$name of the target is not overridden', async ({ route }) => {
    await mustInside(lab.target, ['ip', 'route', 'add', route, 'via', lab.client.ipv4]);
    const source = openIn(lab.target, 'sink');
    const before = await mustInside(lab.target, ['ip', 'route']);
    expect(() => source.setRegistrations([registrationFor('198.18.0.0', 65_536)])).toThrow(
      expect.objectContaining({
        code: 'ERR_IO_SINK_CONFLICT',
        kind: 'usage',
        message: expect.stringContaining(route),
      }),
    );
    expect(await mustInside(lab.target, ['ip', 'route'])).toBe(before);
    await mustInside(lab.target, ['ip', 'route', 'del', route]);
    source.setRegistrations([registrationFor('198.18.0.0', 65_536)]);
  });

  test('a range with an address of the target is refused, and the former one stays', async () => {
    const source = openIn(lab.target, 'sink');
    source.setRegistrations([registrationFor('198.18.0.0', 256)]);
    expect(() => source.setRegistrations([registrationFor('10.77.0.0', 256)])).toThrow(
      expect.objectContaining({ code: 'ERR_IO_CLIENT_IN_USE', kind: 'usage' }),
    );
    syn('198.18.0.3', 4_000);
    expect(await takeFor(source, 50, 1)).toBeGreaterThan(0);
  });

  test('a policy rule that comes first is noticed', async () => {
    await mustInside(lab.target, [
      'ip',
      'route',
      'add',
      'default',
      'via',
      lab.client.ipv4,
      'table',
      '7',
    ]);
    await mustInside(lab.target, ['ip', 'rule', 'add', 'to', '198.18.0.0/15', 'table', '7']);
    const source = openIn(lab.target, 'sink');
    const before = await mustInside(lab.target, ['ip', 'route']);
    expect(() => source.setRegistrations([registrationFor('198.18.0.0', 256)])).toThrow(
      expect.objectContaining({ code: 'ERR_IO_SINK_CONFLICT' }),
    );
    expect(await mustInside(lab.target, ['ip', 'route'])).toBe(before);
    await mustInside(lab.target, ['ip', 'rule', 'del', 'to', '198.18.0.0/15', 'table', '7']);
    await mustInside(lab.target, ['ip', 'route', 'flush', 'table', '7']);
  });

  test('an answer larger than any frame comes as few packets', async () => {
    const big = nginx.addPage('big.txt', 200_000);
    const source = openIn(lab.target, 'sink');
    source.setRegistrations([registrationFor('198.18.0.0', 256)]);
    const client = { client: '198.18.0.5', port: 5_555 };
    clients.send({ ...client, flags: TcpFlag.SYN, seq: 1 });
    let next = 0;
    const sink = {
      onPacket: (start: number) => {
        // An IPv4 header of 20 octets, then TCP's sequence number.
        next = source.data.getUint32(start + 24) + 1;
      },
    };
    while (source.receive(1, sink) === 0) await moment(1);
    const payload = `GET ${big} HTTP/1.1\r\nHost: x\r\n\r\n`;
    clients.send({ ...client, flags: TcpFlag.PSH_ACK, seq: 2, ack: next, payload });
    // The first window of ten segments: an IPv4 header has the packet's length at octet 2.
    let longest = 0;
    const measuring = {
      onPacket: (start: number) => {
        longest = Math.max(longest, source.data.getUint16(start + 2));
      },
    };
    for (let turns = 0; turns < 1_000 && longest < 2_000; turns++) {
      source.receive(10, measuring);
      await moment(1);
    }
    expect(longest).toBeGreaterThan(2_000);
    expect(source.readDropped()).toBe(0);
  });
});

describe.runIf(isReady)('advanced', () => {
  afterEach(async () => {
    for (const setting of [
      'net.ipv4.ip_forward',
      'net.ipv4.conf.link0.forwarding',
      'net.ipv6.conf.all.forwarding',
      'net.ipv6.conf.link0.forwarding',
    ]) {
      await mustInside(lab.client, ['sysctl', '-qw', `${setting}=0`]);
    }
  });

  test.each([
    { setting: 'net.ipv4.ip_forward', line: 'sysctl -w net.ipv4.conf.link0.forwarding=0' },
    {
      setting: 'net.ipv4.conf.link0.forwarding',
      line: 'sysctl -w net.ipv4.conf.link0.forwarding=0',
    },
    { setting: 'net.ipv6.conf.all.forwarding', line: 'sysctl -w net.ipv6.conf.all.forwarding=0' },
  ])('does not start while $setting is on, until its line is typed', async ({ setting, line }) => {
    await mustInside(lab.client, ['sysctl', '-qw', `${setting}=1`]);
    const open = () => openIn(lab.client, 'advanced', { interfaces: ['link0'] });
    expect(open).toThrow(
      expect.objectContaining({
        code: 'ERR_IO_FORWARDING',
        kind: 'environment',
        hint: expect.stringContaining(line),
      }),
    );
    const forced = openIn(lab.client, 'advanced', { interfaces: ['link0'], force: true });
    forced.setRegistrations([
      registrationFor('198.18.0.0', 4),
      registrationOf(2, [rangeOf('fd77:18::', 4)], [targetOf(lab.target.ipv6, 80)]),
    ]);
    expect(forced.describe().join('\n')).toContain('warning: link0 forwards');
    await mustInside(lab.client, line.split(' '));
    open();
  });

  test('forwarding that is turned on later is noticed when somebody registers', async () => {
    const source = openIn(lab.client, 'advanced');
    await mustInside(lab.client, ['sysctl', '-qw', 'net.ipv4.ip_forward=1']);
    expect(() => source.setRegistrations([registrationFor('198.18.0.0', 4)])).toThrow(
      expect.objectContaining({ code: 'ERR_IO_FORWARDING' }),
    );
  });

  test('an interface that is not there, or not up, is named', () => {
    expect(() => openIn(lab.client, 'advanced', { interfaces: ['link0', 'nolink'] })).toThrow(
      expect.objectContaining({ code: 'ERR_IO_NO_INTERFACE', kind: 'environment' }),
    );
  });

  test('a target that is this machine itself is refused, with the modes for that', () => {
    const source = openIn(lab.target, 'advanced');
    expect(() => source.setRegistrations([registrationFor('198.18.0.0', 4)])).toThrow(
      expect.objectContaining({
        code: 'ERR_IO_TARGET_HERE',
        kind: 'usage',
        hint: expect.stringContaining('--mode nfqueue'),
      }),
    );
  });

  test.each([
    { on: [], forwards4: false, forwards6: false },
    { on: ['net.ipv4.conf.link0.forwarding'], forwards4: true, forwards6: false },
    // What `forwardingLines` says of IPv6: the setting of all interfaces is the one that counts.
    { on: ['net.ipv6.conf.link0.forwarding'], forwards4: false, forwards6: false },
    {
      on: ['net.ipv6.conf.all.forwarding', '-net.ipv6.conf.link0.forwarding'],
      forwards4: false,
      forwards6: true,
    },
  ])('captured packets leave the machine only where it forwards: $on', async (row) => {
    // A way out for the clients' packets, if the kernel takes it.
    const exit: Host = { ...lab.client, device: 'exit1' };
    await mustInside(exit, ['ip', 'link', 'add', 'exit0', 'type', 'veth', 'peer', 'name', 'exit1']);
    for (const device of ['exit0', 'exit1']) {
      await mustInside(exit, ['ip', 'link', 'set', device, 'arp', 'off', 'up']);
    }
    await mustInside(exit, ['ip', 'route', 'add', '198.18.0.0/15', 'dev', 'exit0']);
    await mustInside(exit, ['ip', '-6', 'route', 'add', 'fd77:18::/64', 'dev', 'exit0']);
    await routeClients(lab);
    for (const setting of row.on) {
      const value = setting.startsWith('-') ? 0 : 1;
      await mustInside(exit, ['sysctl', '-qw', `${setting.replace('-', '')}=${value}`]);
    }
    const source = openIn(lab.client, 'advanced', { interfaces: ['link0'], force: true });
    source.setRegistrations([
      registrationFor('198.18.0.0', 256),
      registrationOf(2, [rangeOf('fd77:18::', 256)], [targetOf(lab.target.ipv6, 80)]),
    ]);
    const count = async (client: string, net: string) => {
      let taken = 0;
      const onWire = await countOnWire(exit, `tcp and dst net ${net}`, async () => {
        syn(client, 4_000);
        taken = await takeFor(source, 50);
      });
      expect(taken).toBeGreaterThan(0);
      return onWire > 0;
    };
    const forwards4 = await count('198.18.0.3', '198.18.0.0/15');
    const forwards6 = await count('fd77:18::3', 'fd77:18::/64');
    const warns = source.describe().some((line) => line.startsWith('warning'));
    await mustInside(lab.client, ['ip', 'link', 'del', 'exit0']);
    await mustInside(lab.target, ['ip', 'route', 'del', '198.18.0.0/15']);
    await mustInside(lab.target, ['ip', '-6', 'route', 'del', 'fd77:18::/64']);
    expect({ forwards4, forwards6, warns }).toEqual({
      forwards4: row.forwards4,
      forwards6: row.forwards6,
      warns: row.forwards4 || row.forwards6,
    });
  });

  test("the operator's own filter holds besides", async () => {
    await routeClients(lab);
    const source = openIn(lab.client, 'advanced', {
      filter: 'dst port 4000 or (ip6 and dst port 4001)',
    });
    source.setRegistrations([
      registrationFor('198.18.0.0', 256),
      registrationOf(2, [rangeOf('fd77:18::', 256)], [targetOf(lab.target.ipv6, 80)]),
    ]);
    const taken: Record<string, boolean> = {};
    for (const client of ['198.18.0.3', '198.18.1.3', 'fd77:18::3']) {
      for (const port of [4_000, 4_001, 4_002]) {
        syn(client, port);
        taken[`${client} ${port}`] = (await takeFor(source, 20)) > 0;
      }
    }
    await mustInside(lab.target, ['ip', 'route', 'del', '198.18.0.0/15']);
    await mustInside(lab.target, ['ip', '-6', 'route', 'del', 'fd77:18::/64']);
    const wanted = ['198.18.0.3 4000', 'fd77:18::3 4000', 'fd77:18::3 4001'];
    expect(Object.keys(taken).filter((key) => taken[key])).toEqual(wanted);
    expect(source.describe().join('\n')).toContain('dst port 4000 or (ip6 and dst port 4001)');
  });

  test('a filter that libpcap does not understand is refused with its words', () => {
    expect(() => openIn(lab.client, 'advanced', { filter: 'tcp prot 80' })).toThrow(
      expect.objectContaining({ code: 'ERR_CAPTURE_FILTER', kind: 'usage' }),
    );
  });

  test('several interfaces share a ring, and what comes in by another is left', async () => {
    await mustInside(lab.client, [
      'ip',
      'link',
      'add',
      'other0',
      'type',
      'veth',
      'peer',
      'name',
      'other1',
    ]);
    await mustInside(lab.client, ['ip', 'link', 'set', 'other0', 'up']);
    await mustInside(lab.client, ['ip', 'link', 'set', 'other1', 'up']);
    await mustInside(lab.target, ['ip', 'route', 'add', '198.18.0.0/15', 'via', lab.client.ipv4]);
    const [both, wrong] = [
      ['other0', 'link0'],
      ['other0', 'other1'],
    ].map((interfaces) => {
      const source = openIn(lab.client, 'advanced', { interfaces });
      source.setRegistrations([registrationFor('198.18.0.0', 256)]);
      return source;
    });
    syn('198.18.0.3', 4_000);
    expect(await takeFor(both as PacketSource, 50)).toBeGreaterThan(0);
    expect(await takeFor(wrong as PacketSource, 20)).toBe(0);
    await mustInside(lab.client, ['ip', 'link', 'del', 'other0']);
    await mustInside(lab.target, ['ip', 'route', 'del', '198.18.0.0/15']);
  });
});

describe.runIf(isReady)('without privilege', () => {
  test.each(['advanced', 'nfqueue', 'sink'] as const)('%s says what it lacks', async (mode) => {
    const script =
      "await import('./test/helpers/typescript.mjs');" +
      "const { openSource } = await import('./src/io/intercept/intercept-source.ts');" +
      `try { openSource('${mode}') } catch ({ code, kind, hint }) ` +
      '{ console.log(JSON.stringify({ code, kind, hint })) }';
    const dropped = ['setpriv', '--bounding-set', '-all', '--inh-caps', '-all'];
    const argv = [...dropped, process.execPath, '--input-type=module', '-e', script];
    const { stdout, stderr } = await run(['ip', 'netns', 'exec', lab.target.name, ...argv]);
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual({
      code: 'ERR_IO_NOT_PERMITTED',
      kind: 'environment',
      hint: expect.stringContaining('sudo'),
    });
  });

  test('nfqueue without iptables says so', async () => {
    const script =
      "await import('./test/helpers/typescript.mjs');" +
      "const { openSource } = await import('./src/io/intercept/intercept-source.ts');" +
      "try { openSource('nfqueue') } catch ({ code, kind }) { console.log(code, kind) }";
    const argv = [
      'env',
      'PATH=/nonexistent',
      process.execPath,
      '--input-type=module',
      '-e',
      script,
    ];
    const text = await must(['ip', 'netns', 'exec', lab.target.name, ...argv]);
    expect(text.trim()).toBe('ERR_IO_NO_IPTABLES environment');
  });
});
