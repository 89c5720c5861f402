/** Log-ins as accounts of the target: mosquitto and slapd, whose logs are the oracle. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { captureWhile } from '../helpers/capture.ts';
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
import { completed, type Replayed, replay, withLedger } from '../helpers/replay.ts';
import { type Folder, listening, makeFolder } from '../helpers/servers.ts';
import { tally } from '../helpers/tally.ts';

const USERS = 300;
/** Clients take them in turn. */
const ACCOUNTS = 100;
const COMMON_TOOLS = ['ip', 'ethtool', 'ss', 'tcpdump'];

const accounts = Array.from({ length: ACCOUNTS }, (_, i) => `u${i}`);
const passwordOf = (name: string): string => `pass of "${name}"`;
/** As often as each account's turn comes. */
const eachInTurn = (name: (account: string) => string) =>
  new Map(accounts.map((account) => [name(account), USERS / ACCOUNTS]));

interface Ground {
  readonly lab: Lab;
  readonly folder: Folder;
  readonly capture: string;
}

/** A laboratory for a server on a port, and what is done before the server starts. */
function onGround(name: string, port: number, start: (ground: Ground) => Promise<Running>) {
  let ground: Ground;
  let server: Running;

  beforeAll(async () => {
    const lab = await makeLab();
    const folder = makeFolder(name);
    ground = { lab, folder, capture: join(folder.path, 'recorded.pcap') };
    await routeClients(lab);
    server = await start(ground);
    await listening(lab.target, server, port);
  });

  afterAll(async () => {
    await server?.stop();
    await ground?.lab.close();
    ground?.folder.remove();
  });

  return {
    target: () => ground.lab.target.ipv4,
    said: () => server.output(),
    record: (commands: readonly (readonly string[])[]) =>
      captureWhile(ground.lab.client, ground.capture, { filter: `tcp port ${port}` }, async () => {
        for (const command of commands) await mustInside(ground.lab.client, command);
      }),
    /** @param table rows of accounts */
    play: (users: number, option: string, table: readonly string[]) => {
      const path = join(ground.folder.path, 'accounts.csv');
      writeFileSync(path, ['user,password', ...table, ''].join('\n'));
      const { ipv4 } = ground.lab.target;
      const load = ['--users', `${users}`, '--rate', '300/s', '--clients', CLIENTS_ROUTED.ipv4];
      const argv = [ground.capture, '--target', `${ipv4}:${port}`, ...load, option, `@${path}`];
      return replay(ground.lab.client, argv);
    },
  };
}

const quoted = (cell: string): string => `"${cell.replaceAll('"', '""')}"`;
const rows = (name: (account: string) => string, password: (account: string) => string) =>
  accounts.map((account) => [name(account), password(account)].map(quoted).join(','));
const wrong = () => 'wrong';

/** Who ended, and what was said of it. */
function refused(replayed: Replayed) {
  const { code, stdout, stderr } = replayed;
  // Nobody has completed.
  expect(code).toBe(5);
  return { users: withLedger(replayed).users, said: stdout + stderr };
}

const MOSQUITTO = ['mosquitto', 'mosquitto_passwd', 'mosquitto_pub'];
describe.runIf(canRun('log-ins to mosquitto', [...COMMON_TOOLS, ...MOSQUITTO]))('mosquitto', () => {
  const PORT = 1_883;
  const ground = onGround('mosquitto', PORT, async ({ lab, folder }) => {
    const passwords = join(folder.path, 'passwords');
    const lines = ['recorded', ...accounts].map((name) => `${name}:${passwordOf(name)}\n`);
    writeFileSync(passwords, lines.join(''), { mode: 0o600 });
    await must(['mosquitto_passwd', '-U', passwords]);
    const configuration = join(folder.path, 'mosquitto.conf');
    writeFileSync(
      configuration,
      [
        `listener ${PORT} ${lab.target.ipv4}`,
        ...['user root', 'allow_anonymous false', `password_file ${passwords}`],
        // To standard output it is written by blocks: the last one would wait for the server's end.
        ...['log_dest stderr', 'log_type all', ''],
      ].join('\n'),
    );
    return startInside(lab.target, ['mosquitto', '-c', configuration]);
  });
  const VERSIONS = ['mqttv31', 'mqttv311', 'mqttv5'];

  beforeAll(async () => {
    const proof = ['-u', 'recorded', '-P', passwordOf('recorded')];
    const message = ['-q', '1', '-t', 'rooms/1', '-m', '21.5'];
    await ground.record(
      VERSIONS.map((version) => [
        ...['mosquitto_pub', '-h', ground.target(), '-i', `sensor-of-${version}`],
        ...['-V', version, ...proof, ...message],
      ]),
    );
  });

  test('each client publishes under a name and an id of its own', async () => {
    completed(await ground.play(USERS, '--mqtt-user', rows(String, passwordOf)), USERS);
    const published = () => ground.said().match(/Received PUBLISH from/g)?.length ?? 0;
    await until('all said', () => published() >= VERSIONS.length + USERS);
    expect(published()).toBe(VERSIONS.length + USERS);
    const said = ground.said();
    const connected = [
      ...said.matchAll(/New client connected from 198\S+ as (\S+) \(.* u'(\w+)'/g),
    ];
    expect(tally(connected.map(([, , user = '']) => user))).toEqual(eachInTurn(String));
    expect(new Set(connected.map(([, id]) => id)).size).toBe(USERS);
    expect(said).not.toContain('already connected');
  });

  test('who brings a wrong password is told so by the server, and ends', async () => {
    const { users, said } = refused(
      await ground.play(ACCOUNTS, '--mqtt-user', rows(String, wrong)),
    );
    expect(users).toMatchObject({ completed: 0, aborted: ACCOUNTS });
    expect(said).toContain('mqtt: the server says: ');
    expect(said).toMatch(/not authorized|Not authorized/);
    expect(said).not.toContain('wrong');
  });
});

const SLAPD = '/usr/sbin/slapd';
describe.runIf(canRun('log-ins to slapd', [...COMMON_TOOLS, SLAPD, 'ldapsearch']))('slapd', () => {
  const PORT = 389;
  const nameOf = (account: string): string => `uid=${account},dc=test`;
  const ground = onGround('slapd', PORT, async ({ lab, folder }) => {
    const configuration = join(folder.path, 'slapd.conf');
    const entries = join(folder.path, 'entries.ldif');
    writeFileSync(
      configuration,
      [
        'include /etc/ldap/schema/core.schema',
        `pidfile ${join(folder.path, 'pid')}`,
        ...['database ldif', 'suffix "dc=test"', `directory ${folder.path}`],
        'access to attrs=userPassword by anonymous auth by * none',
        ...['access to * by users read by * none', ''],
      ].join('\n'),
    );
    const entry = (account: string): string =>
      [
        `dn: ${nameOf(account)}`,
        ...['objectClass: person', 'objectClass: uidObject'],
        ...[`uid: ${account}`, `cn: ${account}`, `sn: ${account}`],
        `userPassword: ${passwordOf(account)}`,
      ].join('\n');
    const top = 'dn: dc=test\nobjectClass: organization\nobjectClass: dcObject\ndc: test\no: test';
    writeFileSync(entries, [top, ...['recorded', ...accounts].map(entry), ''].join('\n\n'));
    await must([SLAPD, '-T', 'add', '-f', configuration, '-l', entries]);
    const url = `ldap://${lab.target.ipv4}:${PORT}`;
    // Debugging of "stats": a line an operation.
    return startInside(lab.target, [SLAPD, '-f', configuration, '-h', url, '-d', '256']);
  });

  beforeAll(async () => {
    const proof = ['-x', '-D', nameOf('recorded'), '-w', passwordOf('recorded')];
    const search = ['-LLL', '-b', 'dc=test', '(uid=u7)', 'cn'];
    await ground.record([['ldapsearch', '-H', `ldap://${ground.target()}`, ...proof, ...search]]);
  });

  test('each client binds as itself, and finds what it asks for', async () => {
    completed(await ground.play(USERS, '--ldap-user', rows(nameOf, passwordOf)), USERS);
    // And the recorded one.
    const all = USERS + 1;
    const count = (what: RegExp) => ground.said().match(what)?.length ?? 0;
    await until('all said', () => count(/UNBIND/g) >= all);
    expect(count(/SEARCH RESULT tag=101 err=0 .*nentries=1/g)).toBe(all);
    expect(count(/RESULT tag=97 err=0/g)).toBe(all);
    const bound = [...ground.said().matchAll(/BIND dn="([^"]+)" method=128/g)];
    const names = bound.map(([, dn = '']) => dn).filter((dn) => dn !== nameOf('recorded'));
    expect(tally(names)).toEqual(eachInTurn(nameOf));
  });

  test('who brings a wrong password is told so by the server, and ends', async () => {
    const { users, said } = refused(
      await ground.play(ACCOUNTS, '--ldap-user', rows(nameOf, wrong)),
    );
    expect(users).toMatchObject({ completed: 0, aborted: ACCOUNTS });
    expect(said).toContain('ldap: the server says: invalidCredentials, code 49');
    expect(said).not.toContain('wrong');
  });
});
