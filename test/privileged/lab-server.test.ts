/** `gryphon lab --server`: servers as people start them. */
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { canRun } from '../helpers/privilege.ts';
import { type Running, run, runWhileEnding, startProgram, until } from '../helpers/process.ts';

const COMMAND = fileURLToPath(new URL('../../bin/gryphon.js', import.meta.url));
const LAB = [process.execPath, COMMAND, 'lab', '--mode', 'local', '--users', '5'];

const namespacesOf = (pid: number): string[] =>
  readdirSync('/run/netns').filter((name) => name.startsWith(`gryphon-lab-${pid}-`));

describe.runIf(canRun('gryphon lab --server', ['ip', 'python3', 'setsid', 'sh']))(
  'the server of a laboratory',
  () => {
    let lab: Running | null = null;
    afterAll(async () => {
      await lab?.stop('SIGKILL');
      for (const name of namespacesOf(lab?.pid ?? 0)) {
        runWhileEnding(['ip', 'netns', 'delete', name]);
      }
    });

    test('may go to the background, and is ended with the laboratory', async () => {
      const server = 'setsid python3 -m http.server --bind $HOST $PORT >/dev/null 2>&1 &';
      const { code, stdout, stderr } = await run([...LAB, '--server', server]);
      // It closes after each answer, which the recorded server did not.
      expect(code, stdout + stderr).toBe(5);
      expect(stdout).toMatch(/verdict +✗ \(5\)\n/);
      expect(stdout).toMatch(/answered +[1-9]/);
    }, 60_000);

    test('that ends with 0 and is nowhere has ended', async () => {
      const { code, stderr } = await run([...LAB, '--server', 'true']);
      expect(code).toBe(5);
      expect(stderr).toContain('gryphon: the server ended with 0; it wrote nothing\n');
    }, 60_000);

    test('that listens on one port alone is played to there, unless another was named', async () => {
      const server = 'exec python3 -m http.server --bind $HOST 8081';
      const { stdout, stderr } = await run([...LAB, '--server', server]);
      expect(stderr).toContain('playing to port 8081, the only one that the server listens on\n');
      expect(stdout).toMatch(/answered +[1-9]/);
    }, 60_000);

    test('that listens on another port than was named is told which', async () => {
      const server = 'exec python3 -m http.server --bind $HOST 8081';
      lab = startProgram([...LAB, '--port', '8080', '--server', server]);
      const told = 'gryphon: the server listens on 8081; if that is what is meant: --port 8081\n';
      await until('it is told', () => lab?.output().includes(told) ?? false, 30_000);
      await lab.stop('SIGINT');
      expect(lab.exitCode(), lab.output()).toBe(130);
      expect(namespacesOf(lab.pid)).toEqual([]);
    }, 60_000);
  },
);
