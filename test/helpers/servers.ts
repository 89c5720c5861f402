/** Real servers inside a host of a lab, each from a configuration in test/privileged/servers. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Host, mustInside, runInside, startInside } from './netns.ts';
import { FIRST_OF_ALL, must, type Running, undoAtExit, until } from './process.ts';

const CONFIGURATIONS = fileURLToPath(new URL('../privileged/servers/', import.meta.url));
/** Debian's own interpreter: aiosmtpd is installed for this one only. */
const PYTHON = '/usr/bin/python3';
/** The page that keep-alive captures ask for: 1 KB of text. */
const PAGE_BYTES = 1024;

export interface Server {
  readonly pid: number;
  readonly port: number;
  /** Ends the server and removes its folder. */
  readonly stop: () => Promise<void>;
}

/** One request as nginx accounts for it, after its answer was sent. */
export interface AccessLogEntry {
  readonly address: string;
  readonly port: number;
  /** nginx's number of the connection; and which request on it this was, from 1. */
  readonly connection: number;
  readonly nth: number;
  readonly method: string;
  readonly uri: string;
  readonly status: number;
  /** Request line, headers and body. */
  readonly requestBytes: number;
  readonly sentBytes: number;
  /** When the request was finished, in seconds since 1970. */
  readonly time: number;
  readonly seconds: number;
  /** The file that holds the body, of an upload. */
  readonly body: string;
  /** Fields of the request's header: Host, Cookie, X-Run. */
  readonly host: string;
  readonly cookie: string;
  readonly run: string;
}

export interface StubStatus {
  readonly active: number;
  readonly accepted: number;
  readonly handled: number;
  readonly requests: number;
}

export interface Nginx extends Server {
  /** The worker process, which does everything; the server's own process only watches it. */
  readonly workerPid: number;
  readonly accessLog: () => AccessLogEntry[];
  /** Makes one more page, of this many octets, and returns its path on the server. */
  readonly addPage: (name: string, bytes: number) => string;
  /** Counts since the server's start, without the questions themselves. */
  readonly stubStatus: () => Promise<StubStatus>;
}

/** nginx with one worker; `kind` picks nginx.conf (all is logged) or nginx-bench.conf (nothing is). */
export async function startNginx(
  host: Host,
  kind: 'nginx' | 'nginx-bench' = 'nginx',
): Promise<Nginx> {
  const folder = makeFolder('nginx');
  mkdirSync(join(folder.path, 'html'));
  const addPage = (name: string, bytes: number) => {
    writeFileSync(join(folder.path, 'html', name), page(bytes));
    return `/${name}`;
  };
  addPage('page.html', PAGE_BYTES);
  const configuration = join(CONFIGURATIONS, `${kind}.conf`);
  const argv = ['nginx', '-p', folder.path, '-c', configuration, '-e', 'error.log'];
  const program = startInside(host, argv, { cwd: folder.path });
  await listening(host, program, 80);
  let questions = 0;
  const stubStatus = async () => {
    const text = await mustInside(host, ['curl', '-sS', 'http://127.0.0.1:8080/status']);
    questions += 1;
    const found = (text.match(/\d+/g) ?? []).map(Number);
    const [active = 0, accepted = 0, handled = 0, requests = 0] = found;
    return {
      active: active - 1,
      accepted: accepted - questions,
      handled: handled - questions,
      requests: requests - questions,
    };
  };
  const accessLog = () => readJsonLines(join(folder.path, 'access.log')) as AccessLogEntry[];
  const { pid } = program;
  const workerPid = await workerOf(pid);
  const stop = stopper(program, folder);
  return { pid, port: 80, workerPid, accessLog, addPage, stubStatus, stop };
}

/**
 * The one child of a process. A server may listen before it has forked: without a child its number
 * would be 0, and a signal to that stops everything here, tests included.
 */
async function workerOf(pid: number): Promise<number> {
  let children = '';
  await until(`a worker of process ${pid}`, () => {
    children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    return children !== '';
  });
  return Number(children.split(' ')[0]);
}

export interface Redis extends Server {
  /** Calls by command since the server's start, as `INFO commandstats` has them: `set` → 12. */
  readonly calls: () => Promise<Map<string, number>>;
  readonly connectionsReceived: () => Promise<number>;
  readonly cli: (...argv: string[]) => Promise<string>;
}

/** redis-server without persistence. */
export async function startRedis(host: Host): Promise<Redis> {
  const folder = makeFolder('redis');
  const argv = ['redis-server', join(CONFIGURATIONS, 'redis.conf'), '--dir', folder.path];
  const program = startInside(host, argv);
  await listening(host, program, 6379);
  const cli = (...rest: string[]) => mustInside(host, ['redis-cli', ...rest]);
  const calls = async () => {
    const found = (await cli('info', 'commandstats')).matchAll(/cmdstat_([^:]+):calls=(\d+)/g);
    return new Map([...found].map(([, name = '', count]) => [name, Number(count)]));
  };
  const connectionsReceived = async () => {
    const found = /total_connections_received:(\d+)/.exec(await cli('info', 'stats'));
    return Number(found?.at(1));
  };
  return {
    pid: program.pid,
    port: 6379,
    calls,
    connectionsReceived,
    cli,
    stop: stopper(program, folder),
  };
}

export interface Mariadb extends Server {
  /** A figure of `SHOW GLOBAL STATUS`. */
  readonly status: (name: string) => Promise<number>;
  /** Statements that others than this helper sent, in the general log's order. */
  readonly statements: () => string[];
  /** Accounts that connected, in the general log's order. */
  readonly connected: () => string[];
  readonly sql: (statement: string) => Promise<string>;
}

/** mariadbd with a database `load` and an account of that name without password, from anywhere. */
export async function startMariadb(host: Host): Promise<Mariadb> {
  const folder = makeFolder('mariadb');
  const defaults = `--defaults-file=${join(CONFIGURATIONS, 'mariadb.cnf')}`;
  const places = [`--datadir=${folder.path}/data`, `--socket=${folder.path}/socket`];
  // The file's own section is the server's: the installer reads it through the server it runs.
  const accounts = '--auth-root-authentication-method=normal';
  await must(['mariadb-install-db', defaults, places[0] ?? '', '--skip-test-db', accounts]);
  const files = [`--pid-file=${folder.path}/pid`, `--general-log-file=${folder.path}/general.log`];
  const program = startInside(host, ['mariadbd', defaults, ...places, ...files]);
  const sql = (statement: string) =>
    must([
      'mariadb',
      '--no-defaults',
      `--socket=${folder.path}/socket`,
      '-uroot',
      '-NBe',
      statement,
    ]);
  await listening(host, program, 3306, 30_000);
  await sql("create database `load`; create user 'load'@'%'; grant all on `load`.* to 'load'@'%'");
  const status = async (name: string) =>
    Number((await sql(`show global status like '${name}'`)).split('\t').at(1));
  const statements = () => statementsOf(readFileSync(`${folder.path}/general.log`, 'utf8'), 'load');
  const connected = () =>
    [...readFileSync(`${folder.path}/general.log`, 'utf8').matchAll(/ Connect\t(\S+)@/g)].map(
      ([, account = '']) => account,
    );
  return {
    ...{ pid: program.pid, port: 3306, status, statements, connected, sql },
    stop: stopper(program, folder),
  };
}

/** What one connection brought to a server that notes every octet. */
export interface NotedConnection {
  readonly address: string;
  readonly port: number;
  readonly octets: Buffer;
  /** The reads that gave them, with the time of each in milliseconds of a steady clock. */
  readonly reads: readonly { readonly atMs: number; readonly octets: Buffer }[];
  /** `end`: the peer's FIN came; `lost`: it was reset; `closed`: closed without either; else open. */
  readonly end: 'end' | 'lost' | 'closed' | 'open';
}

export interface NotingServer extends Server {
  /** In the order in which the connections were accepted. */
  readonly connections: () => NotedConnection[];
}

/** aiosmtpd on port 25. */
export function startSmtp(host: Host): Promise<NotingServer> {
  return startNoting(host, 'smtp', 25);
}

/** A server of our own that greets first and answers by lines, on port 7000. */
export function startGreeting(host: Host): Promise<NotingServer> {
  return startNoting(host, 'greeting', 7000);
}

/** The same, but every answer is this late: it comes before all else on the machine, for times are judged by it. */
export function startSlowGreeting(host: Host, delayMs: number): Promise<NotingServer> {
  return startNoting(host, 'greeting', 7000, [`${delayMs}`], FIRST_OF_ALL);
}

/**
 * A server that resets every connection.
 * @param when at once, or after it has read this many octets
 */
export async function startRude(
  host: Host,
  port: number,
  when: 'accept' | number,
): Promise<Server> {
  const argv = [PYTHON, join(CONFIGURATIONS, 'rude.py'), `${port}`, `${when}`];
  const program = startInside(host, argv);
  await listening(host, program, port);
  return { pid: program.pid, port, stop: () => program.stop('SIGKILL') };
}

/** A server that counts what it has answered. */
export interface OtherServer extends Server {
  /** Ends it. @returns how many answers it has sent */
  readonly finish: () => Promise<number>;
}

/**
 * A server that answers otherwise than recorded.
 * @param how 503 and the end before anything was asked; 503 to each request; short lines
 */
export async function startOther(
  host: Host,
  port: number,
  how: 'first' | 'busy' | 'short',
): Promise<OtherServer> {
  const argv = [PYTHON, '-B', join(CONFIGURATIONS, 'other.py'), `${port}`, how];
  const program = startInside(host, argv);
  await listening(host, program, port);
  const finish = async () => {
    await program.stop('SIGTERM');
    return Number(/answered (\d+)/.exec(program.output())?.at(1));
  };
  return { pid: program.pid, port, finish, stop: () => program.stop('SIGKILL') };
}

export type LengthsForm = 'length' | 'chunks' | 'pieces' | 'header';

/** A server that counts what it has written. */
export interface LengthsServer extends Server {
  /** Ends it. @returns how many answers of each form it has written */
  readonly finish: () => Promise<Readonly<Record<string, number>>>;
}

/**
 * An HTTP server whose bodies are of random lengths.
 * @param forms in which it says them, by chance: see lengths.py
 */
export async function startLengths(
  host: Host,
  port: number,
  forms: readonly LengthsForm[],
): Promise<LengthsServer> {
  const argv = [PYTHON, '-B', join(CONFIGURATIONS, 'lengths.py'), `${port}`, ...forms];
  const program = startInside(host, argv);
  await listening(host, program, port);
  const finish = async () => {
    await program.stop('SIGTERM');
    const text = /^written (.*)$/m.exec(program.output())?.at(1) ?? 'null';
    return JSON.parse(text) as Readonly<Record<string, number>>;
  };
  return { pid: program.pid, port, finish, stop: () => program.stop('SIGKILL') };
}

async function startNoting(
  host: Host,
  name: string,
  port: number,
  more: readonly string[] = [],
  prefix: readonly string[] = [],
): Promise<NotingServer> {
  const folder = makeFolder(name);
  const ledger = join(folder.path, 'ledger');
  // -B: a test leaves no compiled files in the tree.
  const argv = [PYTHON, '-B', join(CONFIGURATIONS, `${name}.py`), `${port}`, ledger, ...more];
  const program = startInside(host, [...prefix, ...argv]);
  await listening(host, program, port);
  const connections = () => readLedger(ledger);
  return { pid: program.pid, port, connections, stop: stopper(program, folder, 'SIGKILL') };
}

interface LedgerLine {
  readonly id: number;
  readonly event: 'open' | 'octets' | 'end' | 'lost' | 'closed';
  readonly address?: string;
  readonly port?: number;
  readonly hex?: string;
  readonly at?: number;
}

function readLedger(path: string): NotedConnection[] {
  type Growing = Pick<NotedConnection, 'address' | 'port' | 'end'> & {
    readonly reads: { atMs: number; octets: Buffer }[];
  };
  const found = new Map<number, Growing>();
  for (const line of readJsonLines(path) as LedgerLine[]) {
    const { id, event, address = '', port = 0, hex = '', at = 0 } = line;
    const connection = found.get(id);
    if (event === 'open') found.set(id, { address, port, reads: [], end: 'open' });
    else if (connection === undefined) throw new Error(`${path}: ${id} was never opened`);
    else if (event === 'octets') {
      connection.reads.push({ atMs: at * 1000, octets: Buffer.from(hex, 'hex') });
    } else if (connection.end === 'open') found.set(id, { ...connection, end: event });
  }
  return [...found.values()].map((connection) => ({
    ...connection,
    octets: Buffer.concat(connection.reads.map(({ octets }) => octets)),
  }));
}

/** Statements of the general log by `account`'s connections: `time id Query text`. */
function statementsOf(log: string, account: string): string[] {
  const theirs = new Set<string>();
  const statements: string[] = [];
  for (const line of log.split('\n')) {
    const [, id = '', command, text = ''] =
      /^\S*(?:\s+\S+)?\t\s*(\d+) (\w+)\t?(.*)$/.exec(line) ?? [];
    if (command === 'Connect' && text.startsWith(`${account}@`)) theirs.add(id);
    if (command === 'Query' && theirs.has(id)) statements.push(text);
  }
  return statements;
}

/** A server that tells what it has done when it is ended: a line `done` and JSON. */
export interface TellingServer<Done> {
  /** Ends it, at the first call. @returns what it tells */
  readonly stop: () => Promise<Done>;
}

/** Starts a program of `test/privileged/servers` that tells what it has done, and waits until it listens. */
export async function startTelling<Done>(
  host: Host,
  argv: readonly string[],
  port: number,
): Promise<TellingServer<Done>> {
  const program = startInside(host, argv);
  await listening(host, program, port);
  const end = async (): Promise<Done> => {
    await program.stop('SIGTERM');
    const text = /^done (.*)$/m.exec(program.output())?.at(1);
    if (text === undefined) throw new Error(`it does not say what it did:\n${program.output()}`);
    return JSON.parse(text) as Done;
  };
  let told: Promise<Done> | null = null;
  return {
    stop: () => {
      told ??= end();
      return told;
    },
  };
}

export interface Folder {
  readonly path: string;
  readonly remove: () => void;
}

/** A new folder for a server's files, removed with the tests at the latest. */
export function makeFolder(name: string): Folder {
  const path = mkdtempSync(join(tmpdir(), `gryphon-${name}-`));
  const removeNow = () => rmSync(path, { recursive: true, force: true });
  const forget = undoAtExit(removeNow);
  const remove = () => {
    removeNow();
    forget();
  };
  return { path, remove };
}

/** How a server is ended that was started in a folder of its own. */
export function stopper(program: Running, folder: Folder, signal: NodeJS.Signals = 'SIGTERM') {
  return async () => {
    await program.stop(signal);
    folder.remove();
  };
}

/** Waits until a server accepts connections. */
export async function listening(
  host: Host,
  program: Running,
  port: number,
  limitMs?: number,
): Promise<void> {
  const what = `port ${port} open in ${host.name}`;
  await until(
    what,
    async () => {
      if (program.hasEnded()) throw new Error(`the server ended at once:\n${program.output()}`);
      const { stdout } = await runInside(host, ['ss', '-Hltn', `sport = :${port}`]);
      return stdout !== '';
    },
    limitMs,
  );
}

function page(bytes: number): string {
  const line = 'All work and no play makes Jack a dull boy.\n';
  return line.repeat(Math.ceil(bytes / line.length)).slice(0, bytes);
}

function readJsonLines(path: string): unknown[] {
  const text = readFileSync(path, 'utf8');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}
