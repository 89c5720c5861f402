/** Replays against a WebSocket server that insists on pongs. The oracle is its own account. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { captureWhile } from '../helpers/capture.ts';
import {
  CLIENTS_ROUTED,
  type Lab,
  loseAtGateway,
  makeLab,
  mustInside,
  routeClients,
} from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { completed, replay } from '../helpers/replay.ts';
import { type Folder, makeFolder, startTelling, type TellingServer } from '../helpers/servers.ts';

const TOOLS = ['ip', 'ethtool', 'ss', 'tc', 'tcpdump', '/usr/bin/python3'];
const PROGRAM = [
  '/usr/bin/python3',
  '-B',
  fileURLToPath(new URL('servers/websocket-pings.py', import.meta.url)),
];
const PORT = 8_080;
const RECORDED = 4;
const MESSAGES = 3;
const USERS = 1_000;

interface Done {
  readonly connections: number;
  readonly echoed: number;
  readonly pings: number;
  /** Those that answer a ping, and others. */
  readonly pongs: number;
  readonly strays: number;
  readonly dropped: number;
}

describe.runIf(canRun('replay against a WebSocket server that pings', TOOLS))('pings', () => {
  let lab: Lab;
  let folder: Folder;
  let capture: string;
  let server: TellingServer<Done>;

  const start = async (): Promise<void> => {
    server = await startTelling<Done>(lab.target, [...PROGRAM, `${PORT}`], PORT);
  };

  beforeAll(async () => {
    lab = await makeLab({ gateway: true });
    await routeClients(lab);
    folder = makeFolder('websocket-pings');
    capture = join(folder.path, 'recorded.pcap');
    await start();
    const argv = [...PROGRAM, `ws://${lab.target.ipv4}:${PORT}/`, `${RECORDED}`, `${MESSAGES}`];
    const act = () => mustInside(lab.client, argv);
    await captureWhile(lab.client, capture, { filter: `tcp port ${PORT}` }, act);
    const recorded = await server.stop();
    expect(recorded).toMatchObject({ connections: RECORDED, dropped: 0, strays: 0 });
    // There is something to be left out: answers to pings that no other server sends.
    expect(recorded.pongs).toBeGreaterThan(RECORDED * MESSAGES);
  });

  afterAll(async () => {
    await server?.stop();
    await lab?.close();
    folder?.remove();
  });

  test('each is answered, also where packets are lost, and no recorded pong goes out', async () => {
    await loseAtGateway(lab, 0.02);
    await start();
    const load = ['--users', `${USERS}`, '--rate', '400', '--clients', CLIENTS_ROUTED.ipv4];
    const argv = [capture, '--target', `${lab.target.ipv4}:${PORT}`, ...load];
    const result = completed(await replay(lab.client, argv), USERS);
    const done = await server.stop();
    // Besides its messages and the goodbye each user asks for the upgrade, and for the close.
    const expected = USERS * (MESSAGES + 3);
    expect(result.exchanges).toMatchObject({ answered: expected, unsolicited: 0, failed: 0 });
    expect(result.answerRules).toMatchObject({ protocol: expected });
    const echoed = USERS * (MESSAGES + 1);
    expect(done).toMatchObject({ connections: USERS, echoed, strays: 0, dropped: 0 });
    expect(result.exchanges.pingsAnswered).toBe(done.pongs);
    // No message was answered before its ping was.
    expect(done.pongs).toBeGreaterThanOrEqual(echoed);
    expect(done.pongs).toBeLessThanOrEqual(done.pings);
  });

  test('of the embedded target are answered as recorded', async () => {
    const argv = [capture, '--target', 'embedded', '--users', '100'];
    const { exchanges } = completed(await replay(lab.client, argv), 100);
    expect(exchanges).toMatchObject({ answered: 100 * (MESSAGES + 3), pingsAnswered: 0 });
  });
});
