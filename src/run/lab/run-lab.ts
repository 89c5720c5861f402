/** `gryphon lab`: replays of one capture in every mode, in network namespaces of this machine. */

import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ReplayError } from '../../base/errors.ts';
import { LabFolder } from '../../io/lab/lab-folder.ts';
import { LAB_DEVICE, type LabHost, Laboratory } from '../../io/lab/laboratory.ts';
import { runCommand } from '../../io/way/commands.ts';
import type { RunResult } from '../../measure/result.ts';
import { parseResult } from '../../report/json.ts';
import type { LabModeReport } from '../../report/lab-text.ts';
import { DEFAULT_CLIENTS } from '../../schedule/client-addresses.ts';
import type { Incomplete } from '../../session/reading/session-selection.ts';
import { LabProcess } from './lab-process.ts';
import { type LabServer, lastLines, startBuiltIn, startOwn } from './lab-server.ts';

/** The ways in which answers come back, in the order in which they are tried. */
export const LAB_MODES = ['local', 'own', 'advanced', 'sink', 'nfqueue'] as const;
/** One of them. */
export type LabMode = (typeof LAB_MODES)[number];

/** Where the command itself is, from the sources as from what is built. */
const COMMAND = fileURLToPath(new URL('../../../bin/gryphon.js', import.meta.url));
/** A small recording of HTTP that is in the package. */
export const FIXTURE = fileURLToPath(
  new URL('../../../fixtures/http-keepalive.pcap', import.meta.url),
);

const INTERCEPT_PORT = 36_524;
const READY_MS = 20_000;
const ASK_EVERY_MS = 20;
const EXIT_ENVIRONMENT = 4;
const EXIT_INTERRUPTED = 130;
/** A replay that takes longer has recorded pauses in it, and whoever waits may not know. */
const LONG_MS = 3_000;

/** What the laboratory is told. */
export interface LabOptions {
  readonly captures: readonly string[];
  /** Sessions that are not whole which the built-in server answers, too. */
  readonly include: readonly Incomplete[];
  readonly modes: readonly LabMode[];
  readonly port: number;
  /** Whether somebody has chosen it. */
  readonly isPortChosen: boolean;
  /** A line for the shell; null: the built-in server. */
  readonly server: string | null;
  /** Options that each replay gets as they are. */
  readonly replay: readonly string[];
  /** Folder for the reports of each mode, or null. */
  readonly out: string | null;
  /** Whether it stands, when all is done, until the signal. */
  readonly keep: boolean;
  readonly seed: number;
}

/** Whoever started it. */
export interface LabRunHost {
  /** One line about what happens now. */
  note(text: string): void;
  /** Everything has been played, and the laboratory still stands. */
  onStanding(reports: readonly LabModeReport[], commands: readonly string[]): Promise<void>;
  readonly interrupted: AbortSignal;
}

/**
 * Makes the laboratory, plays, and removes everything.
 * @returns one report a mode, in order; fewer when it was interrupted
 * @throws ReplayError ERR_LAB_NOT_ROOT, as Laboratory, startBuiltIn and startOwn do
 */
export async function runLab(options: LabOptions, host: LabRunHost): Promise<LabModeReport[]> {
  requireRoot();
  const folder = new LabFolder();
  let laboratory: Laboratory | null = null;
  let server: LabServer | null = null;
  try {
    laboratory = new Laboratory();
    laboratory.routeAnswers(laboratory.client);
    server = await startServer(laboratory.target, options, host);
    return await new LabRun(laboratory, server, options, host, folder.path).play();
  } finally {
    await server?.stop();
    folder.close();
    laboratory?.close();
  }
}

async function startServer(
  target: LabHost,
  { server, captures, include, port, isPortChosen, seed }: LabOptions,
  { interrupted, note }: LabRunHost,
): Promise<LabServer> {
  if (server === null) return await startBuiltIn(target, { captures, include, port, seed });
  note(`waiting for the server to listen on port ${port}`);
  const asked = { port, isChosen: isPortChosen };
  return await startOwn(target, server, asked, interrupted, (ports, isTaken) =>
    note(
      isTaken
        ? `playing to port ${ports[0]}, the only one that the server listens on`
        : `the server listens on ${ports.join(', ')}; if that is what is meant: --port ${ports[0]}`,
    ),
  );
}

class LabRun {
  readonly #laboratory: Laboratory;
  readonly #server: LabServer;
  readonly #options: LabOptions;
  readonly #host: LabRunHost;
  readonly #folder: string;
  readonly #tokenFile: string;
  #intercept: LabProcess | null = null;

  constructor(
    laboratory: Laboratory,
    server: LabServer,
    options: LabOptions,
    host: LabRunHost,
    folder: string,
  ) {
    this.#laboratory = laboratory;
    this.#server = server;
    this.#options = options;
    this.#host = host;
    this.#folder = folder;
    this.#tokenFile = join(folder, 'token');
    writeFileSync(this.#tokenFile, randomBytes(32).toString('hex'), { mode: 0o600 });
  }

  async play(): Promise<LabModeReport[]> {
    const { modes, keep } = this.#options;
    const { interrupted } = this.#host;
    const reports: LabModeReport[] = [];
    try {
      for (const mode of modes) {
        if (interrupted.aborted) break;
        await this.#intercept?.stop();
        this.#intercept = null;
        const report = await this.#report(mode);
        // What was ended before it had anything to tell has not failed.
        if (interrupted.aborted && report.result === null) break;
        reports.push(report);
        this.#server.check();
      }
      if (keep && !interrupted.aborted) {
        await this.#host.onStanding(reports, this.#commands(modes.at(-1) ?? 'local'));
        await aborted(interrupted);
      }
      return reports;
    } finally {
      await this.#intercept?.stop();
    }
  }

  async #report(mode: LabMode): Promise<LabModeReport> {
    const missing = missingFor(mode);
    if (missing !== null) return { mode, code: null, result: null, why: missing };
    this.#host.note(`${mode}: playing`);
    const fault = await this.#setUp(mode);
    if (fault !== null) return { mode, code: EXIT_ENVIRONMENT, result: null, why: fault };
    const file = join(this.#folder, `${mode}.json`);
    const { out } = this.#options;
    const replay = new LabProcess(this.#laboratory.client.name, [
      ...this.#replayLine(mode),
      ...['--json', file, '--no-progress'],
      ...(out === null ? [] : ['--out', join(out, mode)]),
    ]);
    const code = await this.#ended(replay, mode);
    return {
      mode,
      code,
      result: await readResult(file),
      why: whyOf(code, replay.said),
    };
  }

  /** @returns the exit code of a mode's replay */
  async #ended(replay: LabProcess, mode: LabMode): Promise<number> {
    const isFaster = this.#options.replay.some((word) => word.startsWith('--accel='));
    const how = isFaster ? '' : ', at the recorded pace: --accel 10 is faster';
    const timer = setTimeout(() => this.#host.note(`${mode}: still playing${how}`), LONG_MS);
    try {
      return await replay.end(this.#host.interrupted);
    } finally {
      clearTimeout(timer);
    }
  }

  /** @returns why it cannot be set up, or null */
  async #setUp(mode: LabMode): Promise<string | null> {
    const { client, auxiliary, target } = this.#laboratory;
    this.#laboratory.routeAnswers(mode === 'advanced' ? auxiliary : client);
    if (mode === 'local' || mode === 'own') return null;
    const place = mode === 'advanced' ? auxiliary : target;
    const intercept = new LabProcess(place.name, [
      ...ownCommand(),
      ...['intercept', '--mode', mode, '--listen', `${place.address}:${INTERCEPT_PORT}`],
      ...['--token-file', this.#tokenFile],
    ]);
    this.#intercept = intercept;
    const end = performance.now() + READY_MS;
    while (!intercept.said.includes('"msg":"ready"')) {
      if (intercept.code !== null) return lastMessage(intercept.said);
      if (performance.now() > end) return 'the intercept was not ready in time';
      if (this.#host.interrupted.aborted) return 'interrupted';
      await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS));
    }
    return null;
  }

  #replayLine(mode: LabMode): string[] {
    const { target, auxiliary } = this.#laboratory;
    const { captures, replay, server } = this.#options;
    const { port } = this.#server;
    const place = mode === 'advanced' ? auxiliary : target;
    return [
      ...[...ownCommand(), 'replay', ...captures, '--target', `${target.address}:${port}`],
      ...['--clients', mode === 'own' ? 'own' : DEFAULT_CLIENTS[4].text],
      ...(mode === 'local' || mode === 'own'
        ? []
        : ['--intercept', `${place.address}:${INTERCEPT_PORT}`, '--token-file', this.#tokenFile]),
      ...(server === null ? ['--recorded-server'] : []),
      ...replay,
    ];
  }

  /** What to type in another shell while it stands. */
  #commands(mode: LabMode): string[] {
    const { client, target, auxiliary } = this.#laboratory;
    const { port } = this.#server;
    const inside = ({ name }: LabHost, line: string): string => `ip netns exec ${name} ${line}`;
    const watch = `tcpdump -ni ${LAB_DEVICE} tcp port ${port}`;
    return [
      `# play again from the client (${client.address}), mode ${mode}`,
      inside(client, this.#replayLine(mode).map(quoted).join(' ')),
      `# ask the server (${target.address}) yourself`,
      inside(client, `curl -i http://${target.address}:${port}/`),
      '# see the packets at the target; its connections; where its answers go',
      inside(target, watch),
      inside(target, 'ss -tan'),
      inside(target, `ip route get ${mode === 'own' ? client.address : '198.18.0.1'}`),
      `# the auxiliary machine (${auxiliary.address})`,
      inside(auxiliary, 'bash'),
    ];
  }
}

/** The command's own words, for another process of it. */
const ownCommand = (): string[] => [process.execPath, ...process.execArgv, COMMAND];

const quoted = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;

/** What a mode needs beside ip, and is not there. */
function missingFor(mode: LabMode): string | null {
  const has = (tool: string): boolean => {
    const answer = runCommand(tool, ['--version']);
    return answer.failure === null || !answer.isMissing;
  };
  if (mode === 'own' && !has('iptables') && !has('nft')) {
    return 'needs iptables or nft, and neither is installed: apt-get install iptables';
  }
  if (mode === 'nfqueue' && !has('iptables')) {
    return 'needs iptables, which is not installed: apt-get install iptables';
  }
  return null;
}

async function readResult(file: string): Promise<RunResult | null> {
  try {
    return await parseResult(readFileSync(file, 'utf8'), file);
  } catch {
    // It ended before there was anything to report, and said why.
    return null;
  }
}

function whyOf(code: number, said: string): string | null {
  if (code === EXIT_INTERRUPTED) return 'interrupted';
  return code === 0 ? null : faultOf(said);
}

/** The line that a command ended with: `gryphon: what; how to mend it`. */
const faultOf = (said: string): string | null =>
  said
    .split('\n')
    .filter((line) => line.startsWith('gryphon: '))
    .at(-1)
    ?.slice('gryphon: '.length) ?? null;

/** Of an intercept's log, which is JSON, the last record's text. */
function lastMessage(said: string): string {
  const texts = [...said.matchAll(/"msg":"((?:[^"\\]|\\.)*)"/g)].map(([, text]) => text);
  return texts.at(-1) ?? faultOf(said) ?? lastLines(said);
}

function requireRoot(): void {
  if (process.geteuid?.() === 0) return;
  throw new ReplayError({
    code: 'ERR_LAB_NOT_ROOT',
    kind: 'environment',
    message: 'the laboratory is made of network namespaces, which only root may make',
    hint: 'sudo gryphon lab; it touches nothing outside of them and removes them. Without root: gryphon replay CAPTURE, against the embedded target',
  });
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
