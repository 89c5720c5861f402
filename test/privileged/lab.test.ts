/** `gryphon lab`: what it plays, and that nothing of it is left on whatever way it ends. */
import {
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { parseResult } from '../../src/report/json.ts';
import { cut, LACKS } from '../helpers/lacking.ts';
import { canRun } from '../helpers/privilege.ts';
import {
  findTool,
  type Running,
  run,
  runWhileEnding,
  startProgram,
  until,
} from '../helpers/process.ts';
import { makeFolder } from '../helpers/servers.ts';

const COMMAND = fileURLToPath(new URL('../../bin/gryphon.js', import.meta.url));
const LAB = [process.execPath, COMMAND, 'lab'];
const TOOLS = ['ip', 'python3', 'setpriv', 'sh', 'curl'];

/** Namespaces of laboratories that the process made. */
const namespacesOf = (pid: number): string[] =>
  readdirSync('/run/netns').filter((name) => name.startsWith(`gryphon-lab-${pid}-`));

/** Folders with secrets of laboratories that the process made. */
const foldersOf = (pid: number): string[] =>
  readdirSync(tmpdir()).filter((name) => name.startsWith(`gryphon-lab-${pid}-`));

describe.runIf(canRun('gryphon lab', TOOLS))('gryphon lab', () => {
  const running: Running[] = [];
  afterAll(async () => {
    for (const each of running) {
      await each.stop('SIGKILL');
      for (const name of namespacesOf(each.pid)) runWhileEnding(['ip', 'netns', 'delete', name]);
    }
  });

  test('plays in each mode, and says which one it has no tool for', async () => {
    const folder = makeFolder('lab');
    const path = join(folder.path, 'bin');
    mkdirSync(path);
    for (const tool of ['ip', 'sh']) symlinkSync(findTool(tool) ?? '', join(path, tool));
    const out = join(folder.path, 'out');
    const modes = ['--mode', 'local,nfqueue,advanced', '--users', '20', '--out', out];
    const lab = startProgram([...LAB, ...modes], { env: { ...process.env, PATH: path } });
    running.push(lab);
    await until('the laboratory has ended', () => lab.hasEnded(), 60_000);
    // A mode was asked for by name and could not be run.
    expect(lab.exitCode(), lab.output()).toBe(4);
    expect(lab.output()).toContain('✗ 2 of 2 modes did what was asked for; 1 not run');
    expect(lab.output()).toMatch(/users completed +20 +- +20\n/);
    expect(lab.output()).toContain('nfqueue: not run: needs iptables');
    expect(namespacesOf(lab.pid)).toEqual([]);
    expect(readdirSync(join(out, 'advanced'))).toContain('result.json');
  }, 90_000);

  test("has the user's server, stands until it is told to end, and is removed after kill -9", async () => {
    const server = 'exec python3 -m http.server --bind $HOST $PORT';
    const argv = ['--mode', 'local', '--keep', '--users', '5'];
    const lab = startProgram([...LAB, ...argv, '--server', server]);
    running.push(lab);
    await until('it stands', () => lab.output().includes('stands until'), 60_000);
    // It closes after each answer, which the recorded server did not.
    expect(lab.output()).toMatch(/verdict +✗ \(5\)\n/);
    const client = namespacesOf(lab.pid).find((name) => name.endsWith('-client')) ?? '';
    const page = ['curl', '-sS', 'http://10.99.0.1:8080/'];
    const { stdout } = await run(['ip', 'netns', 'exec', client, ...page]);
    expect(stdout).toContain('Directory listing');

    await lab.stop('SIGKILL');
    expect(namespacesOf(lab.pid)).toHaveLength(4);
    expect(foldersOf(lab.pid)).toHaveLength(1);
    // Of somebody else, who has only taken such a name: not ours to remove.
    const strange = join(tmpdir(), `gryphon-lab-${lab.pid}-1-strange`);
    mkdirSync(strange);
    chownSync(strange, 65_534, 65_534);
    const next = await run([
      ...LAB,
      '--mode',
      'local',
      '--server',
      'echo no such thing >&2; exit 3',
    ]);
    expect({ code: next.code, stdout: next.stdout }).toEqual({ code: 5, stdout: '' });
    expect(next.stderr).toContain('gryphon: the server ended with 3; no such thing');
    expect(namespacesOf(lab.pid)).toEqual([]);
    expect(foldersOf(lab.pid)).toEqual([basename(strange)]);
    rmdirSync(strange);
  }, 120_000);

  test('Ctrl-C ends what plays in order, and removes everything', async () => {
    const lab = startProgram([...LAB, '--mode', 'advanced', '--users', '30', '--rate', '1/s']);
    running.push(lab);
    await until('it plays', () => lab.output().includes('advanced: playing'), 60_000);
    // 30 users, one a second: it is far from its end then.
    const long = 'gryphon: advanced: still playing, at the recorded pace: --accel 10 is faster\n';
    await until('it takes long', () => lab.output().includes(long));
    await lab.stop('SIGINT');
    expect(lab.exitCode(), lab.output()).toBe(130);
    expect(lab.output()).toMatch(/\nadvanced: interrupted\n$/);
    expect(namespacesOf(lab.pid)).toEqual([]);
    expect(foldersOf(lab.pid)).toEqual([]);
  }, 60_000);

  test('a capture with nothing to play is told once, and nothing is left', async () => {
    const folder = makeFolder('lab');
    const capture = join(folder.path, 'empty.pcap');
    // A head alone (draft-ietf-opsawg-pcap): version 2.4, 64 KiB of each packet, Ethernet.
    const words = [0xa1b2c3d4, 0x0004_0002, 0, 0, 65_535, 1];
    writeFileSync(capture, new Uint8Array(Uint32Array.from(words).buffer));
    const lab = startProgram([...LAB, capture]);
    running.push(lab);
    await until('it has ended', () => lab.hasEnded(), 60_000);
    expect([lab.exitCode(), lab.output()]).toEqual([
      3,
      expect.stringMatching(/^gryphon: .*: there is no TCP session in it; [^\n]*\n$/),
    ]);
    expect(namespacesOf(lab.pid)).toEqual([]);
  }, 60_000);

  test.each([
    { name: 'http-keepalive', lacks: 'all but 20 octets of each packet' },
    { name: 'http-keepalive', lacks: 'its first packet' },
    { name: 'smtp', lacks: 'all but 5 octets of each packet' },
    { name: 'mysql', lacks: 'all of the server' },
  ])(
    "the built-in server's answers end as long as recorded: $name without $lacks",
    async ({ name, lacks }) => {
      const folder = makeFolder('lab-lacking');
      const capture = join(folder.path, 'cut.pcap');
      const whole = readFileSync(new URL(`../../fixtures/${name}.pcap`, import.meta.url));
      writeFileSync(capture, cut(whole, LACKS[lacks]));
      const out = join(folder.path, 'out');
      const load = ['--users', '20', '--accel', '20', '--include', 'one-sided,holed'];
      const lab = startProgram([...LAB, capture, '--mode', 'local,own', ...load, '--out', out]);
      running.push(lab);
      await until('the laboratory has ended', () => lab.hasEnded(), 90_000);
      expect(lab.exitCode(), lab.output()).toBe(0);
      for (const mode of ['local', 'own']) {
        const file = join(out, mode, 'result.json');
        const { users, exchanges, answerRules } = await parseResult(
          readFileSync(file, 'utf8'),
          file,
        );
        expect(users.completed).toBe(20);
        expect(exchanges).toMatchObject({ mismatched: 0, unfollowed: 0, unsolicited: 0 });
        expect(answerRules).toMatchObject({ 'push-quiet': 0, close: 0 });
        expect(answerRules['recorded-length']).toBeGreaterThan(0);
      }
      folder.remove();
    },
    120_000,
  );

  test('without root it says why, and the line', async () => {
    const nobody = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'];
    const { code, stderr } = await run([...nobody, ...LAB]);
    expect(code, stderr).toBe(4);
    expect(stderr).toMatch(
      /^gryphon: .*network namespaces, which only root may make; sudo gryphon lab;/,
    );
  });
});
