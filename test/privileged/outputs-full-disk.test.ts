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

  test('gets no empty reports, and the command says so in one line', async () => {
    const script = `
      set -e
      mount -t tmpfs -o size=24k tmpfs "$2"
      set +e
      "$0" bin/gryphon.js replay "$1" --out "$2/out" --json "$2/result.json" > /dev/null
      echo "code $?"
      find "$2" -type f -printf '%s %f\\n'`;
    const words = [process.execPath, fixture('http-keepalive.pcap'), folder];
    const { stdout, stderr } = await run(['unshare', '--mount', 'bash', '-c', script, ...words]);
    const [code, ...files] = stdout.trimEnd().split('\n');
    expect(code).toBe('code 4');
    expect(stderr).toMatch(
      /^gryphon: [^\n]* cannot be written: no space left on the device; .*\n$/,
    );
    expect(files.length).toBeGreaterThan(0);
    expect(files.filter((file) => file.startsWith('0 ') || file.endsWith('.part'))).toEqual([]);
  });
});
