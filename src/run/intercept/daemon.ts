/** Going to the background: the same command again, detached, once it says that it can serve. */
import { spawn } from 'node:child_process';
import { ReplayError } from '../../base/errors.ts';

/** Rules and interfaces take a moment; more than this and something is wrong. */
const READY_MS = 20_000;

/**
 * Starts `gryphon ARGS` without `--daemon` in a session of its own, and resolves when it has written
 * its line `ready`. What it writes to stderr until then goes to `write`.
 * Interrupted before that, it is ended again, and cleans up by itself.
 * @throws ReplayError ERR_DAEMON when it ends instead; the signal's reason
 */
export async function startDaemon(
  args: readonly string[],
  interrupted: AbortSignal,
  write: (text: string) => void,
): Promise<void> {
  const own = args.filter((arg) => !/^--daemon(?:=.*)?$/.test(arg));
  const { GRYPHON_DAEMON: _, ...env } = process.env;
  const script = process.argv[1];
  const argv = script === undefined ? own : [script, ...own];
  const child = spawn(process.execPath, [...process.execArgv, ...argv], {
    detached: true,
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  await new Promise<void>((resolve, reject) => {
    const fail = (why: string): void => {
      child.kill();
      reject(daemonError(why, said));
    };
    const timer = setTimeout(() => fail('it was not ready in time'), READY_MS);
    const abandon = (): void => {
      clearTimeout(timer);
      child.kill();
      reject(interrupted.reason);
    };
    if (interrupted.aborted) abandon();
    interrupted.addEventListener('abort', abandon, { once: true });
    child.stderr.setEncoding('utf8');
    child.stderr.on('data', (text: string) => {
      said += text;
      if (!/^ready: /m.test(said)) return;
      clearTimeout(timer);
      write(`${/^ready: .*$/m.exec(said)?.[0]}, process ${child.pid}\n`);
      resolve();
    });
    child.on('error', (error) => fail(error.message));
    child.on('exit', (code) => {
      clearTimeout(timer);
      fail(`it ended with ${code}`);
    });
  });
  child.removeAllListeners('exit');
  child.stderr.destroy();
  child.unref();
}

function daemonError(why: string, said: string): ReplayError {
  const last = said.trim().split('\n').at(-1) ?? '';
  return new ReplayError({
    code: 'ERR_DAEMON',
    kind: 'environment',
    message: `the intercept did not start: ${last.replace(/^gryphon: /, '') || why}`,
    hint: 'start it without --daemon to see more',
  });
}
