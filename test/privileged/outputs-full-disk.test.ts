/** Reports on a file system that is full, in a mount namespace that goes with the command. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { canRun } from '../helpers/privilege.ts';
import { run } from '../helpers/process.ts';
import { fixture } from '../helpers/replay.ts';

describe.runIf(canRun('reports on a full disk', ['unshare', 'mount']))('a full disk', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'gryphon-full-'));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  /** Runs the command, `"$@"` in the script, on a file system of its own, mounted at `$AT`; codes and files. */
  async function mounted(options: string, script: string, argv: readonly string[]) {
    const whole = `
      set -e
      mount -t tmpfs -o ${options} tmpfs "$AT"
      set +e
      ${script}
      find "$AT" -type f -printf '%s %P\\n'`;
    const command = [process.execPath, 'bin/gryphon.js', ...argv];
    const env = { ...process.env, AT: folder };
    const { stdout, stderr } = await run(
      ['unshare', '--mount', 'bash', '-c', whole, 'bash', ...command],
      { env },
    );
    return { lines: stdout.trimEnd().split('\n'), stderr };
  }

  const CAPTURE = fixture('http-keepalive.pcap');
  const COMMAND = '"$@"; echo "code $?"';
  /** One line, by what cannot be written and why. */
  const line = (why: string): RegExp => new RegExp(`^gryphon: [^\\n]* ${why}; [^\\n]*\\n$`);

  test('keeps what fits and nothing cut, the summary appears, and one line says so', async () => {
    const argv = ['replay', CAPTURE, '--out', `${folder}/out`, '--json', `${folder}/result.json`];
    const { lines, stderr } = await mounted('size=40k', COMMAND, argv);
    expect(lines[0]).toBe('✓ all 16 users completed');
    expect(lines).toContain('code 4');
    expect(stderr).toMatch(line('cannot be written: no space left on the device'));
    const files = lines.slice(lines.indexOf('code 4') + 1);
    expect(files.filter((file) => file.startsWith('0 ') || file.endsWith('.part'))).toEqual([]);
    // A page does not fit; what is small does.
    const names = files.map((file) => file.split(' ')[1]);
    expect(names).toEqual(expect.arrayContaining(['out/junit.xml', 'out/summary.txt']));
    expect(names).not.toContain('out/report.html');
  });

  test.each([
    ['--out', 'out', 'cannot be made: the file system is read-only'],
    ['--json', 'result.json', 'cannot be written: the file system is read-only'],
    ['--html', 'report.html', 'cannot be written: the file system is read-only'],
  ])('that is read-only is found before the run: %s', async (option, name, why) => {
    const argv = ['replay', CAPTURE, option, `${folder}/${name}`];
    const { lines, stderr } = await mounted('ro', COMMAND, argv);
    expect(lines).toEqual(['code 4']);
    expect(stderr).toMatch(line(why));
  });

  test('in place of stdout is told, and files are written all the same', async () => {
    const argv = ['replay', CAPTURE, '--json', `${folder}/result.json`];
    const { lines, stderr } = await mounted('size=1m', '"$@" > /dev/full; echo "code $?"', argv);
    expect(lines).toEqual(['code 4', expect.stringMatching(/^\d{4,} result\.json$/)]);
    expect(stderr).toMatch(line('written to stdout: ENOSPC: no space left on device, write'));
  });

  test('that limits what a file may hold leaves no file, and the summary', async () => {
    const argv = ['replay', CAPTURE, '--json', `${folder}/result.json`];
    const { lines, stderr } = await mounted('size=1m', `ulimit -f 8; ${COMMAND}`, argv);
    expect(lines[0]).toBe('✓ all 16 users completed');
    expect(lines.at(-1)).toBe('code 4');
    expect(stderr).toMatch(line('it would be larger than files may be here'));
  });
});
