/** The path on which packets overtake each other: the kernel at both ends says what became of them. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Host, type Lab, makeLab, mustInside, startInside } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { until } from '../helpers/process.ts';
import { onRoughPath, ROUGH_PATH_TOOLS } from '../helpers/rough-path.ts';

const PYTHON = '/usr/bin/python3';
const TOOLS = [...ROUGH_PATH_TOOLS, 'ip', 'ethtool', 'ss', PYTHON];
const PORT = 7_000;
const CONNECTIONS = 40;
/** Bytes of each message, which are sent back. One byte cannot be cut, and more than 1,448 are several packets. */
const MESSAGES = [2, 3, 1, 1_448, 700, 1, 64, 65, 1_447, 9, 10, 11, 40_000];
/** Of them, those that are one packet, and can be cut. */
const PACKETS = 10;

const SERVER = `
import socketserver
class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while octets := self.request.recv(65536):
            self.request.sendall(octets)
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    request_queue_size = 100
Server(("", ${PORT}), Echo).serve_forever()
`;

const CLIENT = `
import json, os, socket, sys, threading
def converse():
    s = socket.create_connection((sys.argv[1], ${PORT}))
    for size in json.loads(sys.argv[2]):
        said = os.urandom(size)
        s.sendall(said)
        heard = b""
        while len(heard) < size:
            octets = s.recv(65536)
            assert octets
            heard += octets
        assert heard == said
    alike.append(True)
alike = []
threads = [threading.Thread(target=converse) for _ in range(${CONNECTIONS})]
[t.start() for t in threads]
[t.join() for t in threads]
print(len(alike))
`;

describe.runIf(canRun('a path that reorders', TOOLS))('a rough path', () => {
  let lab: Lab;

  beforeAll(async () => {
    lab = await makeLab({ gateway: true });
  });

  afterAll(async () => {
    await lab?.close();
  });

  const counter = async (host: Host, group: string, name: string): Promise<number> => {
    const text = await mustInside(host, ['cat', '/proc/net/netstat', '/proc/net/snmp']);
    const [names = [], values = []] = text
      .split('\n')
      .filter((line) => line.startsWith(`${group}:`))
      .map((line) => line.split(' '));
    return Number(values[names.indexOf(name)]);
  };

  test('what waits for its answer is overtaken, too, and octets arrive as they were sent', async () => {
    const server = startInside(lab.target, [PYTHON, '-c', SERVER]);
    try {
      await until('the server listens', async () => {
        const text = await mustInside(lab.target, ['ss', '-Hltn', `sport = :${PORT}`]);
        return text !== '';
      });
      const converse = (sizes: readonly number[]) =>
        onRoughPath(lab, () =>
          mustInside(lab.client, [PYTHON, '-c', CLIENT, lab.target.ipv4, JSON.stringify(sizes)]),
        );
      const single = await converse(MESSAGES.filter((size) => size <= 1_448));
      expect(single.value).toBe(`${CONNECTIONS}\n`);
      // Of ten packets the 1st and the 6th, or the 2nd and the 7th: whatever was lost, and however late both ends are.
      expect(PACKETS).toBe(MESSAGES.filter((size) => size > 1 && size <= 1_448).length);
      expect(single.overtaken).toEqual({ toTarget: 2 * CONNECTIONS, fromTarget: 2 * CONNECTIONS });

      const outOfOrder = () =>
        Promise.all([lab.target, lab.client].map((host) => counter(host, 'TcpExt', 'TCPOFOQueue')));
      // Both ends got as many out of order; a repeat of what was lost may be more.
      for (const count of await outOfOrder()) expect(count).toBeGreaterThanOrEqual(2 * CONNECTIONS);

      const { value, overtaken } = await converse(MESSAGES);
      expect(value).toBe(`${CONNECTIONS}\n`);
      expect(overtaken.toTarget).toBeGreaterThanOrEqual(3 * CONNECTIONS);
      expect(overtaken.fromTarget).toBeGreaterThanOrEqual(3 * CONNECTIONS);
      for (const host of [lab.client, lab.target]) {
        expect(await counter(host, 'Tcp', 'InCsumErrors')).toBe(0);
        expect(await counter(host, 'Ip', 'InHdrErrors')).toBe(0);
      }
    } finally {
      await server.stop('SIGKILL');
    }
  });
});
