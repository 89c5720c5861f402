/** What people try that is no capture: each is told by its name, with what to do. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { notACapture } from '../../src/capture/format.ts';
import { indexCaptures } from '../../src/run/captures/index-captures.ts';
import { pcap } from '../helpers/packets.ts';

const latin1 = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'));

test.each([
  ['\xfd7zXZ\0\0\x04', 'compressed with xz', 'xz -dc FILE | gryphon inspect -'],
  ['BZh91AY&SY', 'compressed with bzip2', 'bzip2 -dc FILE | gryphon inspect -'],
  ['\x04\x22\x4d\x18d@', 'compressed with lz4', 'lz4 -dc FILE | gryphon inspect -'],
  ['PK\x03\x04\x14\0', 'a zip archive', 'unzip -p FILE | gryphon inspect -'],
  ["7z\xbc\xaf'\x1c\0", 'a 7z archive', '7z x -so FILE | gryphon inspect -'],
  ['{"log": {"version": "1.2"}}', 'a HAR file', 'tcpdump'],
  ['\xef\xbb\xbf\n {\n  "log": {', 'a HAR file', 'tcpdump'],
  ['{"schema":"gryphon.result/1"}', 'a result of gryphon', 'gryphon report FILE'],
  ['[1, 2]', 'JSON', 'tcpdump'],
  ['<?xml version="1.0"?><jmeterTestPlan>', 'XML', 'tcpdump'],
  ['<!DOCTYPE html><title>404</title>', 'a web page', 'download'],
  [
    '1 f45590522cd1838b4a0d5c5aab80b77929dea3b3 13923489726487326\nGET / HTTP/1.1',
    'GoReplay',
    'tcpdump',
  ],
  ['13:07:05.000123 IP 10.0.0.1.80 > 10.0.0.2.5: tcp 0', 'what tcpdump prints', '-w x.pcap'],
  ['0000  00 0e b6 00 00 02', 'a hex dump', 'text2pcap'],
  ['snoop\0\0\0\0\0\0\x02', 'snoop', 'editcap'],
  ['version https://git-lfs.github.com/spec/v1\n', 'Git LFS', 'git lfs pull'],
  ['gryphon-index/2\n', 'the index of a capture', 'beside it'],
])('%j is told from a capture', (head, what, hint) => {
  const fault = notACapture(latin1(head));
  expect(fault).toMatchObject({ code: 'ERR_CAPTURE_FORMAT', kind: 'capture' });
  expect(fault.message).toContain(what);
  expect(fault.hint).toContain(hint);
});

test('what nobody knows is shown by its first octets', () => {
  expect(notACapture(latin1('hello, world')).message).toBe(
    'not a capture: it begins with 68 65 6c 6c',
  );
  expect(notACapture(latin1('hi')).message).toBe('not a capture: it begins with 68 69');
});

describe('as a file', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'gryphon-foreign-'));
    writeFileSync(join(folder, 'x.pcap'), pcap([]));
    execFileSync('tar', ['-cf', 'x.tar', 'x.pcap'], { cwd: folder });
    execFileSync('tar', ['-czf', 'x.tgz', 'x.pcap'], { cwd: folder });
    writeFileSync(join(folder, 'x.har.gz'), gzipSync('{"log":{}}'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test.each([
    ['x.tar', 'it is a tar archive'],
    ['x.tgz', 'it is a tar archive'],
    ['x.har.gz', 'it is a HAR file'],
    ['none.pcap', 'does not exist'],
  ])('%s', async (name, what) => {
    const reading = indexCaptures([join(folder, name)], { seed: 1 });
    await expect(reading).rejects.toMatchObject({ message: expect.stringContaining(what) });
  });

  test('a URL is none', async () => {
    const reading = indexCaptures(['https://192.0.2.1/x.pcap'], { seed: 1 });
    await expect(reading).rejects.toMatchObject({
      code: 'ERR_CAPTURE_NOT_FOUND',
      message: 'https://192.0.2.1/x.pcap is a URL, and captures are read from files',
      hint: expect.stringContaining('curl'),
    });
  });
});
