/** Who may register with an intercept: its own user without a secret, whoever has it with one. */

import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { makeToken, type RunningIntercept, startIntercept } from '../helpers/intercept.ts';
import { type Host, type Lab, makeLab, startInside } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { type Running, until } from '../helpers/process.ts';

const COMMAND = fileURLToPath(new URL('../../bin/gryphon.js', import.meta.url));
const REGISTER = fileURLToPath(new URL('../helpers/register-child.mjs', import.meta.url));
const PORT = 36_702;
/** Debian's `nobody`. */
const NOBODY = '65534';
const SECRET = 'a secret of more than sixteen octets';
/** More than may wait to register, of one address and of all. */
const IDLE = 100;
const ANSWER_MS = 30_000;

describe.runIf(canRun('access to intercepts', ['ip', 'setpriv', 'iptables']))(
  'an intercept',
  () => {
    let lab: Lab;
    const running: Running[] = [];

    beforeEach(async () => {
      lab = await makeLab();
    });

    afterEach(async () => {
      for (const each of running.splice(0)) await each.stop();
      await lab.close();
    });

    async function start(token?: string): Promise<Running> {
      if (token !== undefined) {
        const started: RunningIntercept = await startIntercept(lab.target, ['--mode', 'sink'], {
          token,
          port: PORT,
        });
        running.push(started);
        return started;
      }
      const argv = ['intercept', '--mode', 'sink', '--listen', String(PORT)];
      const started = startInside(lab.target, [process.execPath, COMMAND, ...argv]);
      running.push(started);
      await until('it is ready', () => started.output().includes('"msg":"ready"'), ANSWER_MS);
      return started;
    }

    /** @returns what a replay is answered that registers from `host` at `address` */
    async function register(host: Host, address: string, prefix: readonly string[] = [], env = {}) {
      const clients = ['198.18.0.0/24', `${lab.target.ipv4} 80`];
      const argv = [...prefix, process.execPath, REGISTER, address, String(PORT), ...clients];
      const replay = startInside(host, argv, { env: { ...process.env, ...env } });
      running.push(replay);
      const isAnswered = () => /registered|refused/.test(replay.output()) || replay.hasEnded();
      await until('it is answered', isAnswered, ANSWER_MS);
      return replay.output();
    }

    test('without a secret takes replays of its own user and of no other', async () => {
      const intercept = await start();
      const as = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'];
      const answer = await register(lab.target, '127.0.0.1', as);
      expect(answer).toBe(
        `refused: 8 it is run by user ${NOBODY} and the intercept by user 0, without a secret between them\n`,
      );
      expect(intercept.output()).toContain('"msg":"a replay was refused"');
      expect(await register(lab.target, '127.0.0.1')).toContain('registered');
    });

    test('is not locked to replays by connections that sit idle', async () => {
      const intercept = await start(makeToken(SECRET));
      const script = `
      const { connect } = require('node:net');
      for (let i = 0; i < ${IDLE}; i++) connect(${PORT}, '${lab.target.ipv4}').on('error', () => 0);
      setInterval(() => 0, 1000);
      setTimeout(() => console.log('idle'), 500);`;
      const idle = startInside(lab.client, [process.execPath, '-e', script]);
      running.push(idle);
      await until('they are there', () => idle.output().includes('idle'), ANSWER_MS);
      const { ipv4 } = lab.target;
      const answer = await register(lab.client, ipv4, [], { GRYPHON_TOKEN: SECRET });
      expect(answer).toContain('registered');
      await until('it is told', () =>
        intercept.output().includes('too many connections that have not registered'),
      );
    });
  },
);
