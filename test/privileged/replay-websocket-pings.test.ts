/** Replays against a WebSocket server that insists on pongs. The oracle is its own account. */
import { describe, expect, test } from 'vitest';
import { loseAtGateway } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { completed, replay } from '../helpers/replay.ts';
import { onWebSocketGround, WEBSOCKET_TOOLS } from '../helpers/websocket-ground.ts';

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

describe.runIf(canRun('replay against a WebSocket server that pings', WEBSOCKET_TOOLS))(
  'pings',
  () => {
    const ground = onWebSocketGround<Done>({
      program: 'websocket-pings.py',
      connections: RECORDED,
      messages: MESSAGES,
      check: (done) => {
        expect(done).toMatchObject({ connections: RECORDED, dropped: 0, strays: 0 });
        // There is something to be left out: answers to pings that no other server sends.
        expect(done.pongs).toBeGreaterThan(RECORDED * MESSAGES);
      },
    });

    test('each is answered, also where packets are lost, and no recorded pong goes out', async () => {
      await loseAtGateway(ground.lab(), 0.02);
      await ground.start();
      const result = completed(await ground.replay(USERS, 400), USERS);
      const done = await ground.stop();
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
      const argv = [ground.capture(), '--target', 'embedded', '--users', '100'];
      const { exchanges } = completed(await replay(ground.lab().client, argv), 100);
      expect(exchanges).toMatchObject({ answered: 100 * (MESSAGES + 3), pingsAnswered: 0 });
    });
  },
);
