/** Replays against memcached, whose values are others than recorded; its own counts are the oracle. */
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { captureWhile } from '../helpers/capture.ts';
import { onLabGround } from '../helpers/lab-ground.ts';
import { CLIENTS_ROUTED, type Lab, mustInside, startInside } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import type { Running } from '../helpers/process.ts';
import { completed, replay } from '../helpers/replay.ts';
import { expectOvertaken, onRoughPath, ROUGH_PATH_TOOLS } from '../helpers/rough-path.ts';
import { type Folder, listening } from '../helpers/servers.ts';

const PYTHON = '/usr/bin/python3';
const TOOLS = [...ROUGH_PATH_TOOLS, 'ip', 'ethtool', 'ss', 'tcpdump', 'memcached', PYTHON];
const PORT = 11_211;
const USERS = 1_000;

/** What each connection asks for, in one go each; and how many gets and increments that are. */
const ASKED = [
  'get a\r\n',
  'get b missing a\r\n',
  'get a\r\ngets b\r\nincr n 1\r\n',
  'get missing\r\n',
];
const REQUESTS = 6;
const GETS = 7;

/** Sends texts one after another, and reads until each has as many ends of answers as it is given. */
const CLIENT = `
import json, re, socket, sys
host, *rest = sys.argv[1:]
s = socket.create_connection((host, ${PORT}))
for text, ends in json.loads(rest[0]):
    s.sendall(text.encode())
    got = b""
    while len(re.findall(rb"(?m)^(?:END|STORED|\\d+)\\r\\n", got)) < ends:
        got += s.recv(65536)
print(got.decode())
`;

describe.runIf(canRun('replay against memcached', TOOLS))('memcached', () => {
  let lab: Lab;
  let folder: Folder;
  let server: Running;
  let capture: string;

  const say = (host: Lab['client'], texts: readonly (readonly [string, number])[]) =>
    mustInside(host, [PYTHON, '-c', CLIENT, lab.target.ipv4, JSON.stringify(texts)]);

  const stats = async (): Promise<Map<string, number>> => {
    const text = await say(lab.target, [['stats\r\n', 1]]);
    return new Map(
      [...text.matchAll(/STAT (\w+) (\d+)/g)].map(([, key = '', n]) => [key, Number(n)]),
    );
  };

  /** @param value of both keys */
  const store = (value: string) => {
    const texts = ['a', 'b'].map((key) => `set ${key} 0 0 ${value.length}\r\n${value}\r\n`);
    return say(
      lab.target,
      [...texts, 'set n 0 0 1\r\n7\r\n'].map((text) => [text, 1] as const),
    );
  };

  onLabGround({ gateway: true, isRouted: true }, async (ground) => {
    ({ lab, folder } = ground);
    server = startInside(lab.target, ['memcached', '-u', 'root', '-l', '0.0.0.0', '-t', '1']);
    await listening(lab.target, server, PORT);
    await store('recorded');
    capture = join(folder.path, 'recorded.pcap');
    const asked = ASKED.map((text) => [text, text.match(/\r\n/g)?.length ?? 0] as const);
    const options = { filter: `tcp port ${PORT}` };
    await captureWhile(lab.client, capture, options, () => say(lab.client, asked));
  });

  afterAll(() => server?.stop());

  test('answers end where they say, where packets are lost and overtake each other', async () => {
    // What ends answers stands in the values, too.
    await store(`END\r\n${'x'.repeat(2_000)}\r\nEND`);
    const before = await stats();
    const load = ['--users', `${USERS}`, '--rate', '1000', '--clients', CLIENTS_ROUTED.ipv4];
    const argv = [capture, '--target', `${lab.target.ipv4}:${PORT}`, ...load];
    const { value, overtaken } = await onRoughPath(lab, () => replay(lab.client, argv));
    const { exchanges, answerRules, packets } = completed(value, USERS);
    expectOvertaken(overtaken, USERS);
    const answered = USERS * REQUESTS;
    expect(exchanges).toMatchObject({ answered, mismatched: 0, unfollowed: 0, unsolicited: 0 });
    expect(answerRules).toMatchObject({ protocol: answered });
    expect(packets.retransmitted).toBeGreaterThan(0);
    const after = await stats();
    const since = (name: string): number => (after.get(name) ?? 0) - (before.get(name) ?? 0);
    expect({ gets: since('cmd_get'), increments: since('incr_hits') }).toEqual({
      gets: USERS * GETS,
      increments: USERS,
    });
  });
});
