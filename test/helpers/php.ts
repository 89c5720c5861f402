/** nginx and php-fpm inside a host of a lab, with visits.php behind them. */
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Host, runInside, startInside } from './netns.ts';
import { type Running, until } from './process.ts';
import { makeFolder } from './servers.ts';

const CONFIGURATIONS = fileURLToPath(new URL('../privileged/servers/', import.meta.url));
const PROGRAMS = '/usr/sbin';

/** The name that Debian gives it, with its version; what would be there if it were, where it is not. */
export const PHP_FPM =
  readdirSync(PROGRAMS).find((name) => /^php-fpm\d/.test(name)) ?? 'php-fpm8.2';

/** A request as nginx accounts for it. */
interface Visit {
  readonly address: string;
  readonly method: string;
  readonly uri: string;
  readonly status: number;
}

/** Both servers. */
export interface Visits {
  readonly port: number;
  readonly accessLog: () => readonly Visit[];
  /** Ends all sessions: what was said in them means nothing any more. */
  readonly forget: () => void;
  readonly stop: () => Promise<void>;
}

/** Starts them. */
export async function startVisits(host: Host): Promise<Visits> {
  const folder = makeFolder('php');
  const { path } = folder;
  const sessions = join(path, 'sessions');
  for (const each of ['html', 'sessions']) mkdirSync(join(path, each));
  copyFileSync(join(CONFIGURATIONS, 'visits.php'), join(path, 'html/visits.php'));
  const configuration = (name: string) => join(CONFIGURATIONS, name);
  const php = [PHP_FPM, '-R', '-F', '-p', path, '-y', configuration('php-fpm.conf')];
  const nginx = ['nginx', '-p', path, '-c', configuration('nginx-php.conf'), '-e', 'error.log'];
  const programs: Running[] = [
    startInside(host, [...php, '-d', `session.save_path=${sessions}`], { cwd: path }),
    startInside(host, nginx, { cwd: path }),
  ];
  const stop = async () => {
    for (const program of programs) await program.stop();
    folder.remove();
  };
  await until('php behind nginx', async () => {
    const ended = programs.find((program) => program.hasEnded());
    if (ended !== undefined) throw new Error(`a server ended at once:\n${ended.output()}`);
    const asked = ['curl', '-s', '-o', '/dev/null', '-w', '%{http_code}', 'http://127.0.0.1/'];
    return (await runInside(host, asked)).stdout === '403';
  });
  return {
    ...{ port: 80, stop },
    accessLog: () =>
      readFileSync(join(path, 'access.log'), 'utf8')
        .split('\n')
        .flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Visit])),
    forget: () => {
      for (const name of readdirSync(sessions)) rmSync(join(sessions, name));
    },
  };
}
