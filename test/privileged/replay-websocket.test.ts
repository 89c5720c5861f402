/**
 * Replays against a WebSocket server that answers with other lengths than recorded, and pushes and pings at
 * times of its own. The oracle is its own account.
 */
import { describe, expect, test } from 'vitest';
import { CLIENTS_ROUTED } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { completed, connectionsGone } from '../helpers/replay.ts';
import { expectOvertaken, onRoughPath, ROUGH_PATH_TOOLS } from '../helpers/rough-path.ts';
import { onWebSocketGround, WEBSOCKET_TOOLS } from '../helpers/websocket-ground.ts';

const TOOLS = [...ROUGH_PATH_TOOLS, ...WEBSOCKET_TOOLS];
const RECORDED = 8;
const MESSAGES = 6;
const USERS = 1_000;

interface Done {
  readonly connections: number;
  readonly echoed: number;
  readonly pushed: number;
}

describe.runIf(canRun('replay against a WebSocket server', TOOLS))('WebSocket', () => {
  const ground = onWebSocketGround<Done>({
    program: 'websocket.py',
    connections: RECORDED,
    messages: MESSAGES,
    check: (done) => {
      expect(done).toMatchObject({ connections: RECORDED, echoed: RECORDED * MESSAGES });
    },
  });

  // Without loss `replay-true-latencies-more` does this, and compares times as well.
  test('every message is answered, and no push is an answer, where packets are lost and overtake each other', async () => {
    await ground.start();
    const play = () => ground.replay(USERS, 500);
    const { value, overtaken } = await onRoughPath(ground.lab(), play);
    const result = completed(value, USERS);
    expectOvertaken(overtaken, USERS);
    await connectionsGone(ground.lab().target, CLIENTS_ROUTED.ipv4);
    const done = await ground.stop();
    // Besides its messages each user asks for the upgrade, and for the close.
    const expected = USERS * (MESSAGES + 2);
    expect(result.exchanges).toMatchObject({ answered: expected, unsolicited: 0, failed: 0 });
    expect(result.answerRules).toMatchObject({ protocol: expected });
    expect(result.packets.retransmitted).toBeGreaterThan(0);
    expect(done).toMatchObject({ connections: USERS, echoed: USERS * MESSAGES });
    expect(done.pushed).toBeGreaterThan(USERS);
  });
});
