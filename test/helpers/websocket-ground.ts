/** The ground of tests with a WebSocket server: a laboratory, and a capture of clients that said something to it. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll } from 'vitest';
import { captureWhile } from './capture.ts';
import { CLIENTS_ROUTED, type Lab, makeLab, mustInside, routeClients } from './netns.ts';
import { type Replayed, replay } from './replay.ts';
import { type Folder, makeFolder, startTelling, type TellingServer } from './servers.ts';

const PYTHON = '/usr/bin/python3';
const PORT = 8_080;
/** Tools that it takes. */
export const WEBSOCKET_TOOLS = ['ip', 'ethtool', 'ss', 'tc', 'tcpdump', PYTHON];

/** What is recorded before the first test. */
export interface WebSocketRecording<Done> {
  /** A program of test/privileged/servers, which is server and client. */
  readonly program: string;
  readonly connections: number;
  readonly messages: number;
  /** Sees that there is in the recording what the tests are about. */
  readonly check: (done: Done) => void;
}

export interface WebSocketGround<Done> {
  readonly lab: () => Lab;
  readonly capture: () => string;
  /** Starts the server. */
  readonly start: () => Promise<void>;
  /** Ends it. @returns what it has done */
  readonly stop: () => Promise<Done>;
  /** Replays the capture against it. @param rate of users that start: `500` a second */
  readonly replay: (users: number, rate: number) => Promise<Replayed>;
}

/** Makes it for the tests of a `describe`. */
export function onWebSocketGround<Done>({
  program,
  connections,
  messages,
  check,
}: WebSocketRecording<Done>): WebSocketGround<Done> {
  const path = fileURLToPath(new URL(`../privileged/servers/${program}`, import.meta.url));
  const command = [PYTHON, '-B', path];
  let lab: Lab;
  let folder: Folder;
  let server: TellingServer<Done>;
  const capture = (): string => join(folder.path, 'recorded.pcap');
  const start = async (): Promise<void> => {
    server = await startTelling<Done>(lab.target, [...command, `${PORT}`], PORT);
  };

  beforeAll(async () => {
    lab = await makeLab({ gateway: true });
    await routeClients(lab);
    folder = makeFolder('websocket');
    await start();
    const argv = [...command, `ws://${lab.target.ipv4}:${PORT}/`, `${connections}`, `${messages}`];
    const act = () => mustInside(lab.client, argv);
    await captureWhile(lab.client, capture(), { filter: `tcp port ${PORT}` }, act);
    check(await server.stop());
  });

  afterAll(async () => {
    await server?.stop();
    await lab?.close();
    folder?.remove();
  });

  return {
    lab: () => lab,
    capture,
    start,
    stop: () => server.stop(),
    replay: (users, rate) => {
      const load = ['--users', `${users}`, '--rate', `${rate}`, '--clients', CLIENTS_ROUTED.ipv4];
      const target = ['--target', `${lab.target.ipv4}:${PORT}`];
      return replay(lab.client, [capture(), ...target, ...load]);
    },
  };
}
