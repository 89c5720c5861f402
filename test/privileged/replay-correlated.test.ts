/**
 * Rules by hand, without rules, and with those that correlation wrote, against a shop that answers whatever is
 * not its visitor's own with 403; its log is the oracle.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startCapture } from '../helpers/capture.ts';
import {
  CLIENTS_ROUTED,
  type Lab,
  makeLab,
  mustInside,
  routeClients,
  startInside,
} from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { must, type Running, until } from '../helpers/process.ts';
import { completed, replay } from '../helpers/replay.ts';
import { type Folder, makeFolder } from '../helpers/servers.ts';
import { tally } from '../helpers/tally.ts';

const TOOLS = ['ip', 'ethtool', 'tcpdump'];
const PORT = 8080;
const RECORDED = 4;
/** Each visitor has a connection for pages and one for the interface. */
const CONNECTIONS = 2;
const CLIENTS = 1_000;
/** Without rules: as many as tell. */
const CONTROLS = 40;
const server = (name: string) => fileURLToPath(new URL(`servers/${name}`, import.meta.url));
const COMMAND = fileURLToPath(new URL('../../bin/gryphon.js', import.meta.url));

const BY_HAND = `
cookies: auto
unbound: fail
learn:
  - { name: csrf, from: { between: ['name="csrf" value="', '"'] } }
  - { name: cart, when: { path: /account }, from: { between: ['name="cart" value="', '"'] } }
  - { name: token, when: { path: /api/* }, from: { json: $.access_token } }
  - { name: order, when: { path: /orders }, from: { header: Location, regex: '/orders/(\\d+)' } }
  - { name: nonce, when: { path: /orders }, from: { header: Location, regex: '[?]n=(\\w+)' } }
`;
const FIELD = `'name="form_token" value="', '"'`;
/** One by its action, one by its place, one by its id. */
const FORMS = `  - { name: forget, from: { after: 'action="/devices/forget"', between: [${FIELD}] } }
  - { name: rename, from: { between: [${FIELD}], nth: 3 } }
  - { name: alerts, from: { after: 'id="alerts"', between: [${FIELD}] } }
`;

interface Logged {
  readonly address: string;
  readonly method: string;
  readonly path: string;
  readonly status: number;
}

describe.runIf(canRun('replay with correlation', TOOLS))('a shop that knows its visitors', () => {
  let lab: Lab;
  let folder: Folder;
  let capture: string;
  let shop: Running;
  let logPath: string;
  let recorded: readonly Logged[];

  beforeAll(async () => {
    lab = await makeLab();
    await routeClients(lab);
    folder = makeFolder('correlated');
    capture = join(folder.path, 'shop.pcap');
    logPath = join(folder.path, 'log');
    shop = await startShop();
    const recording = await startCapture(lab.target, capture, { filter: `tcp port ${PORT}` });
    for (let i = 1; i <= RECORDED; i++) await visit(i);
    await recording.stop();
    recorded = log();
    // What was given out while it was recorded is foreign to the next start.
    await shop.stop();
    shop = await startShop();
  }, 60_000);

  afterAll(async () => {
    await shop?.stop();
    await lab?.close();
    folder?.remove();
  });

  async function startShop(): Promise<Running> {
    const started = startInside(lab.target, ['node', server('shop.mjs'), `${PORT}`, logPath]);
    await until('the shop listening', () => started.output().includes('listening'));
    return started;
  }

  /** From an address of its own. */
  async function visit(i: number): Promise<void> {
    const address = `10.77.65.${i}`;
    await mustInside(lab.client, ['ip', 'addr', 'add', `${address}/16`, 'dev', lab.client.device]);
    const to = [lab.target.ipv4, `${PORT}`, address, `visitor-${i}`];
    await mustInside(lab.client, ['node', server('shopper.mjs'), ...to]);
    await mustInside(lab.client, ['ip', 'addr', 'del', `${address}/16`, 'dev', lab.client.device]);
  }

  const log = (): readonly Logged[] =>
    readFileSync(logPath, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Logged);

  async function play(users: number, options: readonly string[]) {
    const before = log().length;
    const target = ['--target', `${lab.target.ipv4}:${PORT}`, '--clients', CLIENTS_ROUTED.ipv4];
    // On a busy machine the shop is slow, and a value may take its time.
    const patience = ['--bind-timeout', '60s'];
    const clients = [
      '--per',
      'client',
      '--users',
      `${users}`,
      '--rate',
      '300/s',
      '--max-gap',
      '50ms',
    ];
    const result = completed(
      await replay(lab.client, [capture, ...target, ...clients, ...patience, ...options]),
      users * CONNECTIONS,
    );
    return { result, entries: log().slice(before) };
  }

  /** What a visitor asks for, and gets, without what is its own. */
  const asked = ({ method, path, status }: Logged): string =>
    `${method} ${path.replace(/\/(?:c-[0-9a-f]+|\d{5,})/g, '/{own}')} ${status}`;

  /** Each of these clients was at the shop, and asked and got what a recorded one did, in its order. */
  function expectAsRecorded(entries: readonly Logged[], clients: number): void {
    const of = (all: readonly Logged[]) => {
      const visits = new Map<string, string[]>();
      for (const entry of all) {
        visits.set(entry.address, [...(visits.get(entry.address) ?? []), asked(entry)]);
      }
      return [...visits.values()];
    };
    const [visit, ...others] = of(recorded);
    for (const other of others) expect(other).toEqual(visit);
    const played = of(entries);
    expect(played).toHaveLength(clients);
    const text = (each: readonly string[] = []) => [...each].sort().join('\n');
    expect(tally(played.map(text))).toEqual(new Map([[text(visit), clients]]));
    // Nobody had the order or the cart of anybody else.
    const own = entries.filter(({ path, status }) => status === 201 || path.endsWith('/pay'));
    expect(new Set(own.map(({ path }) => path)).size).toBe(2 * clients);
  }

  test('without rules visitors are refused', async () => {
    const { result, entries } = await play(CONTROLS, []);
    const refused = entries.filter(({ status }) => status === 403).length;
    expect(refused).toBeGreaterThan(CONTROLS);
    expect(result.exchanges.statuses['4xx']).toBe(refused);
  });

  test('with a rule for the first form of a page alone, whoever sends the others is refused', async () => {
    const rules = join(folder.path, 'first-form.yaml');
    writeFileSync(rules, `${BY_HAND}  - { name: first, from: { between: [${FIELD}] } }\n`);
    const { entries } = await play(CONTROLS, ['--rules', rules]);
    const refused = entries.filter(({ status }) => status === 403);
    expect(refused.map(asked)).toEqual(Array(2 * CONTROLS).fill('POST /devices 403'));
  });

  test.each(['by hand', 'that were found, as they were written'])(
    `with rules ${'%s'} each of ${CLIENTS} is welcome`,
    async (how) => {
      const rules = join(folder.path, 'rules.yaml');
      if (how === 'by hand') writeFileSync(rules, BY_HAND + FORMS);
      else await must([process.execPath, COMMAND, 'inspect', capture, '--write-rules', rules]);
      const { entries } = await play(CLIENTS, ['--rules', rules]);
      expect(entries.filter(({ status }) => status === 403)).toEqual([]);
      expectAsRecorded(entries, CLIENTS);
    },
    90_000,
  );
});
