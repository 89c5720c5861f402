/** The clients of the page server, each run to its end with what it did and what it cost. */
import { fileURLToPath } from 'node:url';
import '../../test/helpers/typescript.mjs';

const { CLIENTS_ROUTED, runInside } = await import('../../test/helpers/netns.ts');

const COMMAND = fileURLToPath(new URL('../../bin/gryphon.js', import.meta.url));

/**
 * One replay of the capture, every user to its end or it is an error.
 * @param argv further options, as `-s` has them
 * @returns requests, seconds, perSecond, and cpu: µs of the client process a request
 */
export async function replayOnce(lab, capture, users, argv = []) {
  const play = ['--users', `${users}`, '--pace', 'none', '--rate', '20000/s'];
  const { result, cpuSeconds } = await replayed(lab, capture, [...play, ...argv]);
  const { completed, planned } = result.users;
  if (completed !== planned) {
    throw new Error(`${completed} of ${planned} users: ${JSON.stringify(result.users)}`);
  }
  const requests = result.exchanges.answered;
  const seconds = result.durationSeconds;
  return { requests, seconds, perSecond: requests / seconds, cpu: (cpuSeconds / requests) * 1e6 };
}

/**
 * A replay of the capture against the page server, however it ends.
 * @param argv its users and arrivals
 * @returns its result, and cpuSeconds of its process
 */
export async function replayed({ client, target }, capture, argv) {
  const command = [process.execPath, COMMAND, 'replay', capture, '--target', `${target.ipv4}:80`];
  const clients = ['--clients', CLIENTS_ROUTED.ipv4];
  const outputs = ['--json', '-', '--quiet', '--no-progress'];
  const all = [...command, ...clients, ...outputs, ...argv];
  const { stdout, cpuSeconds } = await timed(client, all);
  return { result: JSON.parse(stdout), cpuSeconds };
}

/**
 * wrk with one thread and as many connections as there are users.
 * @param forSeconds how long it sends; whole seconds, at least one
 * @param more further options
 * @returns as `replayOnce`
 */
export async function wrkOnce(
  { client, target },
  users,
  forSeconds,
  page = 'page.html',
  more = [],
) {
  const seconds = Math.max(1, Math.round(forSeconds));
  const url = `http://${target.ipv4}/${page}`;
  const load = ['-t', '1', '-c', `${users}`, '-d', `${seconds}s`, '--timeout', '10s'];
  const argv = ['wrk', ...load, ...more, url];
  const { stdout, cpuSeconds } = await timed(client, argv);
  const requests = Number(/(\d+) requests in/.exec(stdout)?.at(1));
  const perSecond = Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.at(1));
  return { requests, seconds, perSecond, cpu: (cpuSeconds / requests) * 1e6 };
}

/** Runs a program and learns from the shell what it and its threads cost, user and system. */
export async function timed(host, argv) {
  const script = 'TIMEFORMAT="cpu %U %S"; time "$@"';
  const ran = await runInside(host, ['bash', '-c', script, 'timed', ...argv], {
    timeoutMs: 120_000,
  });
  if (ran.code !== 0) throw new Error(`${argv.join(' ')}: ${ran.code}\n${ran.stderr}${ran.stdout}`);
  const [, user, system] = /^cpu ([\d.]+) ([\d.]+)$/m.exec(ran.stderr) ?? [];
  return { ...ran, cpuSeconds: Number(user) + Number(system) };
}
