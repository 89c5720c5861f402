/** PHP's own sessions: rules that correlation wrote, and none, against php-fpm behind nginx, whose log is the oracle. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startCapture } from '../helpers/capture.ts';
import { CLIENTS_ROUTED, type Lab, makeLab, mustInside, routeClients } from '../helpers/netns.ts';
import { PHP_FPM, startVisits, type Visits } from '../helpers/php.ts';
import { canRun } from '../helpers/privilege.ts';
import { must } from '../helpers/process.ts';
import { completed, replay } from '../helpers/replay.ts';
import { type Folder, makeFolder } from '../helpers/servers.ts';

const TOOLS = ['ip', 'ethtool', 'nginx', PHP_FPM, 'curl', 'tcpdump'];
const COMMAND = fileURLToPath(new URL('../../bin/gryphon.js', import.meta.url));
const RECORDED = 2;
/** Of a visit, each on a connection of its own. */
const REQUESTS = 5;
const CLIENTS = 50;

describe.runIf(canRun('replay to php-fpm', TOOLS))("PHP's sessions", () => {
  let lab: Lab;
  let visits: Visits;
  let folder: Folder;
  let capture: string;
  let rules: string;

  beforeAll(async () => {
    lab = await makeLab();
    await routeClients(lab);
    visits = await startVisits(lab.target);
    folder = makeFolder('php-recorded');
    capture = join(folder.path, 'visits.pcap');
    rules = join(folder.path, 'rules.yaml');
    const recording = await startCapture(lab.target, capture, { filter: 'tcp port 80' });
    for (let i = 1; i <= RECORDED; i++) await visit(i);
    await recording.stop();
    visits.forget();
    await must([process.execPath, COMMAND, 'inspect', capture, '--write-rules', rules]);
  }, 60_000);

  afterAll(async () => {
    await visits?.stop();
    await lab?.close();
    folder?.remove();
  });

  /** Logs in and writes a note, from an address of its own. */
  async function visit(i: number): Promise<void> {
    const address = `10.77.65.${i}`;
    const own = ['addr', 'add', `${address}/16`, 'dev', lab.client.device];
    await mustInside(lab.client, ['ip', ...own]);
    const jar = join(folder.path, `jar-${i}`);
    const ask = (path: string, ...more: readonly string[]) => {
      const curl = ['curl', '-sS', '--fail', '-b', jar, '-c', jar, '--interface', address, ...more];
      return mustInside(lab.client, [...curl, `http://${lab.target.ipv4}${path}`]);
    };
    const tokenOf = (page: string) => /name="_token" value="(\w+)"/.exec(page)?.[1] ?? '';
    const login = tokenOf(await ask('/login'));
    await ask('/login', '-d', `user=visitor-${i}&_token=${login}`);
    const note = tokenOf(await ask('/notes'));
    const to = ['-o', '/dev/null', '-w', '%{redirect_url}'];
    const written = await ask('/notes', ...to, '-d', `_token=${note}`);
    await ask(new URL(written).pathname);
    await mustInside(lab.client, ['ip', ...own.with(1, 'del')]);
  }

  async function statuses(options: readonly string[]): Promise<readonly number[]> {
    const before = visits.accessLog().length;
    const target = ['--target', `${lab.target.ipv4}:80`, '--clients', CLIENTS_ROUTED.ipv4];
    const clients = [
      '--per',
      'client',
      '--users',
      `${CLIENTS}`,
      '--rate',
      '100/s',
      '--max-gap',
      '20ms',
    ];
    const argv = [capture, ...target, ...clients, '--bind-timeout', '60s', ...options];
    completed(await replay(lab.client, argv), CLIENTS * REQUESTS);
    return visits
      .accessLog()
      .slice(before)
      .map(({ status }) => status);
  }

  const count = (of: readonly number[], status: number): number =>
    of.filter((each) => each === status).length;

  test('with rules that were found nobody is refused, and without them everybody is', async () => {
    const found = await statuses(['--rules', rules]);
    expect({ 200: count(found, 200), 303: count(found, 303), all: found.length }).toEqual({
      ...{ 200: 3 * CLIENTS, 303: 2 * CLIENTS, all: REQUESTS * CLIENTS },
    });
    const without = await statuses([]);
    expect(count(without, 403)).toBe(4 * CLIENTS);
  }, 60_000);
});
