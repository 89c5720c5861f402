/** A module that says where answers of a made-up protocol end; the oracle is the server, whom nobody may ask too early. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { startCapture } from '../helpers/capture.ts';
import { onLabGround } from '../helpers/lab-ground.ts';
import { CLIENTS_ROUTED, type Lab, mustInside } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { completed, replay } from '../helpers/replay.ts';
import { type Folder, startTelling } from '../helpers/servers.ts';

const TOOLS = ['ip', 'ethtool', 'ss', 'tcpdump', 'tshark', '/usr/bin/python3'];
const SERVER = fileURLToPath(new URL('servers/framed.mjs', import.meta.url));
const PORT = 7_107;
const USERS = 60;
const REQUESTS = 5;

const MODULE = `export default {
  name: 'framed',
  plan: () => ({ plan: null, rewrites: [], reads: [] }),
  client: () => null,
  connection: () => null,
  answerEnd: (plan, message, octets) =>
    octets.length < 4 ? undefined : 4 + Buffer.from(octets).readUInt32BE(0),
};`;

describe.runIf(canRun('answers whose ends a module tells', TOOLS))('answerEnd of a module', () => {
  let lab: Lab;
  let folder: Folder;

  onLabGround({ isRouted: true }, (ground) => {
    ({ lab, folder } = ground);
    return Promise.resolve();
  });

  test('users wait for the whole of answers that are of other lengths than recorded', async () => {
    const server = await startTelling<{ requests: number; early: number }>(
      lab.target,
      [process.execPath, SERVER, `${PORT}`],
      PORT,
    );
    const capture = join(folder.path, 'framed.pcap');
    const recording = await startCapture(lab.client, capture, { filter: `tcp port ${PORT}` });
    const ask = `import socket
s = socket.create_connection(("${lab.target.ipv4}", ${PORT}))
for i in range(${REQUESTS}):
    s.sendall(b"ask %d\\n" % i); left = 24
    while left > 0: left -= len(s.recv(left))
s.close()`;
    await mustInside(lab.client, ['/usr/bin/python3', '-c', ask]);
    await recording.stop();
    const module = join(folder.path, 'framed.mjs');
    writeFileSync(module, MODULE);
    const value = await replay(lab.client, [
      capture,
      ...['--target', `${lab.target.ipv4}:${PORT}`, '--clients', CLIENTS_ROUTED.ipv4],
      ...['--users', `${USERS}`, '--rate', '100/s', '--module', module],
    ]);
    completed(value, USERS);
    expect(value.result?.answerRules).toMatchObject({
      protocol: USERS * REQUESTS,
      'push-quiet': 0,
    });
    const { requests, early } = await server.stop();
    expect({ requests, early }).toEqual({ requests: (USERS + 1) * REQUESTS, early: 0 });
  });
});
