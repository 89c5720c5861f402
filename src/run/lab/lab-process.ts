/** Programs that the laboratory runs in its namespaces. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

/** After this long a program that was told to end is killed. */
const STOP_MS = 10_000;
/** Of what a program says the end is kept. */
const SAID_CHARACTERS_MAX = 8_192;

/**
 * A program in a network namespace. It has a session of its own: Ctrl-C is the laboratory's, which
 * ends its programs in order.
 */
export class LabProcess {
  readonly #child: ChildProcess;
  readonly #ended: Promise<number>;
  #said = '';
  #code: number | null = null;

  /** @param env of this process's environment without gryphon's own variables, and what is added */
  constructor(namespace: string, argv: readonly string[], env: NodeJS.ProcessEnv = {}) {
    this.#child = spawn('ip', ['netns', 'exec', namespace, ...argv], {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...foreignVariables(), ...env },
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8');
      stream?.on('data', (text: string) => {
        this.#said = (this.#said + text).slice(-SAID_CHARACTERS_MAX);
      });
    }
    this.#ended = this.#watch();
  }

  async #watch(): Promise<number> {
    const [code] = (await once(this.#child, 'close').catch((error: Error) => {
      this.#said += error.message;
      return [1];
    })) as [number | null];
    this.#code = code ?? 1;
    return this.#code;
  }

  /** The end of what it has written. */
  get said(): string {
    return this.#said;
  }

  /** Its exit code (1 after a signal); null while it runs. */
  get code(): number | null {
    return this.#code;
  }

  /** Resolves with its exit code; an abort tells it to end. */
  async end(interrupted: AbortSignal): Promise<number> {
    const tell = (): void => this.#signal('SIGINT');
    if (interrupted.aborted) tell();
    interrupted.addEventListener('abort', tell, { once: true });
    try {
      return await this.#ended;
    } finally {
      interrupted.removeEventListener('abort', tell);
    }
  }

  /** Tells it and whatever it has started to end, and kills them when they do not. */
  async stop(): Promise<void> {
    if (this.#code !== null) return;
    this.#signal('SIGTERM');
    const timer = setTimeout(() => this.#signal('SIGKILL'), STOP_MS);
    await this.#ended;
    clearTimeout(timer);
  }

  #signal(signal: NodeJS.Signals): void {
    const { pid } = this.#child;
    if (pid === undefined || this.#code !== null) return;
    try {
      // Its whole group: a shell does not hand signals on.
      process.kill(-pid, signal);
    } catch {
      // It has just ended.
    }
  }
}

const foreignVariables = (): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('GRYPHON_')));
