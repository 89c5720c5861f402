/**
 * Replays against a WebSocket server that answers with other lengths than recorded, and pushes and pings at
 * times of its own. The oracle is its own account.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { captureWhile } from '../helpers/capture.ts';
import { CLIENTS_ROUTED, type Lab, makeLab, mustInside, routeClients } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { completed, connectionsGone, replay } from '../helpers/replay.ts';
import { onRoughPath, ROUGH_PATH_TOOLS } from '../helpers/rough-path.ts';
import { type Folder, makeFolder, startTelling, type TellingServer } from '../helpers/servers.ts';

const TOOLS = [...ROUGH_PATH_TOOLS, 'ip', 'ethtool', 'ss', 'tc', 'tcpdump', '/usr/bin/python3'];
const PROGRAM = [
  '/usr/bin/python3',
  '-B',
  fileURLToPath(new URL('servers/websocket.py', import.meta.url)),
];
const PORT = 8_080;
const RECORDED = 8;
const MESSAGES = 6;
const USERS = 1_000;

interface Done {
  readonly connections: number;
  readonly echoed: number;
  readonly pushed: number;
}

describe.runIf(canRun('replay against a WebSocket server', TOOLS))('WebSocket', () => {
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
    folder = makeFolder('websocket');
    capture = join(folder.path, 'recorded.pcap');
    await start();
    const url = `ws://${lab.target.ipv4}:${PORT}/`;
    const argv = [...PROGRAM, url, `${RECORDED}`, `${MESSAGES}`];
    const act = () => mustInside(lab.client, argv);
    await captureWhile(lab.client, capture, { filter: `tcp port ${PORT}` }, act);
    expect(await server.stop()).toMatchObject({
      connections: RECORDED,
      echoed: RECORDED * MESSAGES,
    });
  });

  afterAll(async () => {
    await server?.stop();
    await lab?.close();
    folder?.remove();
  });

  // Without loss `replay-true-latencies-more` does this, and compares times as well.
  test('every message is answered, and no push is an answer, where packets are lost and overtake each other', async () => {
    await start();
    const load = ['--users', `${USERS}`, '--rate', '500', '--clients', CLIENTS_ROUTED.ipv4];
    const argv = [capture, '--target', `${lab.target.ipv4}:${PORT}`, ...load];
    const { value, overtaken } = await onRoughPath(lab, () => replay(lab.client, argv));
    const result = completed(value, USERS);
    expect(overtaken.fromTarget).toBeGreaterThan(0);
    await connectionsGone(lab.target, CLIENTS_ROUTED.ipv4);
    const done = await server.stop();
    // Besides its messages each user asks for the upgrade, and for the close.
    const expected = USERS * (MESSAGES + 2);
    expect(result.exchanges).toMatchObject({ answered: expected, unsolicited: 0, failed: 0 });
    expect(result.answerRules).toMatchObject({ protocol: expected });
    expect(result.packets.retransmitted).toBeGreaterThan(0);
    expect(done).toMatchObject({ connections: USERS, echoed: USERS * MESSAGES });
    expect(done.pushed).toBeGreaterThan(USERS);
  });
});
