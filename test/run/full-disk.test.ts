/** What a disk without room leaves behind: nothing. A limit on the size of files stands for it. */
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';

const file = (name: string) => new URL(`../../${name}`, import.meta.url).pathname;
const CAPTURE = file('fixtures/http-keepalive.pcap');

let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gryphon-full-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** Reads a capture in a process of its own whose files may have 4096 octets; what it failed with. */
function readWithoutRoom(path: string): { code: string; message: string } {
  const script = `
    import { indexCaptures } from ${JSON.stringify(file('dist/run/captures/index-captures.js'))};
    const failed = await indexCaptures([${JSON.stringify(path)}], { seed: 1, store: true }).then(
      () => ({ code: 'none', message: '' }), ({ code, message }) => ({ code, message }));
    console.log(JSON.stringify(failed));`;
  // The limit's signal is left unheard, so that the write fails as on a full disk.
  const line = `trap '' XFSZ; ulimit -f 8; exec "$0" --input-type=module -e "$1"`;
  const temporary = join(folder, 'tmp');
  mkdirSync(temporary);
  const { stdout } = spawnSync('sh', ['-c', line, process.execPath, script], {
    env: { ...process.env, TMPDIR: temporary },
  });
  expect(readdirSync(temporary)).toEqual([]);
  return JSON.parse(stdout.toString()) as { code: string; message: string };
}

test('of an index', () => {
  const path = join(folder, 'x.pcap');
  copyFileSync(CAPTURE, path);
  const { code, message } = readWithoutRoom(path);
  expect(code).toBe('ERR_CAPTURE_INDEX');
  expect(message).not.toContain('\n');
  expect(readdirSync(folder).sort()).toEqual(['tmp', 'x.pcap']);
});

test('of what is unpacked', () => {
  const path = join(folder, 'x.pcap.gz');
  writeFileSync(path, gzipSync(readFileSync(CAPTURE)));
  const { code, message } = readWithoutRoom(path);
  expect(code).toBe('ERR_CAPTURE_NO_ROOM');
  expect(message).not.toContain('\n');
  expect(readdirSync(folder).sort()).toEqual(['tmp', 'x.pcap.gz']);
});
