/** Client, target with nginx and auxiliary machine, for the files that play by way of intercepts. */
import { afterAll, afterEach, beforeAll } from 'vitest';
import { keepGround } from './ground.ts';
import {
  type Auxiliary,
  addAuxiliary,
  makeToken,
  type RunningIntercept,
  startIntercept,
} from './intercept.ts';
import { type Host, type Lab, makeLab, mustInside } from './netns.ts';
import { until } from './process.ts';
import { fixture, type Replayed, replay } from './replay.ts';
import { type Nginx, startNginx } from './servers.ts';

export const MODES = ['advanced', 'nfqueue', 'sink'] as const;
export type Mode = (typeof MODES)[number];

/** What such a run notes, of the result's document. */
interface Noted {
  readonly plan: { readonly mode: string };
  readonly generator: { readonly notes: readonly string[]; readonly warnings: readonly string[] };
}
export const notesOf = ({ result }: Replayed): Noted => result as unknown as Noted;

/** Waits until a replay has registered with it. */
export const hasRegistered = (one: RunningIntercept): Promise<void> =>
  until('a replay has registered', () => one.output().includes('a replay has registered'), 60_000);

/** The machines of one file; what a case starts on them ends with it. */
export interface InterceptGround {
  readonly lab: Lab;
  readonly auxiliary: Auxiliary;
  readonly nginx: Nginx;
  /** The file of the secret. */
  readonly token: string;
  /** Where an intercept of this mode runs. */
  readonly hostOf: (mode: Mode) => Host | Auxiliary;
  readonly start: (
    mode: Mode,
    argv?: readonly string[],
    port?: number,
  ) => Promise<RunningIntercept>;
  /** Plays a capture (that of nginx by default) by the intercepts of these modes. */
  readonly play: (
    modes: readonly Mode[],
    argv: readonly string[],
    options?: { readonly capture?: string; readonly port?: number },
  ) => Promise<Replayed>;
}

/** To be called where hooks are registered; the machines are there once tests run. */
export function interceptGround(): InterceptGround {
  let lab: Lab;
  let auxiliary: Auxiliary;
  let nginx: Nginx;
  let token: string;
  const running: RunningIntercept[] = [];

  beforeAll(async () => {
    lab = await makeLab();
    auxiliary = await addAuxiliary(lab);
    nginx = await startNginx(lab.target);
    token = makeToken();
    // As targets have: a way for everything that they know nothing of. It leads to the auxiliary.
    await mustInside(lab.target, ['ip', 'route', 'add', 'default', 'via', auxiliary.gateway]);
  });

  keepGround(() => [lab.client, lab.target]);

  afterEach(async () => {
    for (const each of running.splice(0)) await each.stop();
  });

  afterAll(async () => {
    await nginx?.stop();
    await auxiliary?.close();
    await lab?.close();
  });

  const hostOf = (mode: Mode) => (mode === 'advanced' ? auxiliary : lab.target);

  const start: InterceptGround['start'] = async (mode, argv = [], port) => {
    const at = { token, ...(port === undefined ? {} : { port }) };
    const started = await startIntercept(hostOf(mode), ['--mode', mode, ...argv], at);
    running.push(started);
    return started;
  };

  const play: InterceptGround['play'] = (modes, argv, options = {}) => {
    const { capture = 'http-keepalive.pcap', port = 80 } = options;
    const intercepts = modes.map((mode) => hostOf(mode).ipv4).join(',');
    const target = ['--target', `${lab.target.ipv4}:${port}`, '--token-file', token];
    return replay(lab.client, [fixture(capture), ...target, '-s', intercepts, ...argv]);
  };

  return {
    get lab() {
      return lab;
    },
    get auxiliary() {
      return auxiliary;
    },
    get nginx() {
      return nginx;
    },
    get token() {
      return token;
    },
    hostOf,
    start,
    play,
  };
}
