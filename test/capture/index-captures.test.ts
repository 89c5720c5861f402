/** Captures as files: packed, piped, in folders, several at a time, damaged, with an index beside. */
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test, vi } from 'vitest';
import { openCaptureBytes } from '../../src/io/files/capture-file.ts';
import { compileFilter } from '../../src/io/sys/libpcap.ts';
import type { ProtocolModule } from '../../src/rewrite/module.ts';
import type { IndexOptions } from '../../src/run/captures/index-captures.ts';
import { unpackCapture } from '../../src/run/captures/unpack-capture.ts';
import { onCaptureFolder } from '../helpers/capture-folder.ts';
import { PCAP_NANOSECONDS, pcap, section } from '../helpers/packets.ts';
import { frameOf, handshake, type SentSegment } from '../helpers/recording.ts';

const fixture = (name: string) => new URL(`../../fixtures/${name}`, import.meta.url).pathname;
const HTTP = fixture('http-short.pcap');

let folder = '';
const read = onCaptureFolder((path) => {
  folder = path;
});

const write = (name: string, octets: Uint8Array): string => {
  const path = join(folder, name);
  writeFileSync(path, octets);
  return path;
};

const fault = async (paths: readonly string[], options: Partial<IndexOptions> = {}) =>
  await read(paths, options).then(
    () => null,
    (reason: unknown) => reason,
  );

describe('a packed capture', () => {
  const packed = [
    { name: 'gzip', pack: () => gzipSync(readFileSync(HTTP)), compression: 'gzip' },
    {
      name: 'gzip in two members',
      pack: () => {
        const octets = readFileSync(HTTP);
        return Buffer.concat([gzipSync(octets.subarray(0, 1111)), gzipSync(octets.subarray(1111))]);
      },
      compression: 'gzip',
    },
    {
      name: 'zstd',
      pack: () => readFileSync(fixture('http-short.pcap.zst')),
      compression: 'zstd',
    },
  ];

  test.each(packed)('holds what it held before: $name', async ({ pack, compression }) => {
    const { file, sessions, index } = await read([write('x.bin', pack())]);
    expect(file).toMatchObject({ format: 'pcap', compression, bytes: pack().length, damage: null });
    expect(sessions).toEqual((await read([HTTP])).sessions);
    const scripts = index.scripts();
    expect(scripts.sessions).toBe(10);
    const octets = openCaptureBytes(scripts.files);
    const request = new Uint8Array(4);
    octets.read(scripts.client.extentOffset[0], request);
    octets.close();
    expect(Buffer.from(request).toString()).toBe('GET ');
  });

  test.each(packed)('leaves nothing behind, even while it is open: $name', async ({ pack }) => {
    const before = readdirSync(tmpdir()).filter((name) => /^gryphon-[0-9a-f]{24}$/.test(name));
    await read([write('x.bin', pack())]);
    const after = readdirSync(tmpdir()).filter((name) => /^gryphon-[0-9a-f]{24}$/.test(name));
    expect(after).toEqual(before);
  });

  test.each(packed)('that is cut is read as far as it goes: $name', async ({ pack }) => {
    const octets = pack();
    const { file, warnings } = await read([write('x.bin', octets.subarray(0, octets.length - 9))]);
    expect(file.damage?.reason).toMatch(/data is cut or damaged/);
    expect(warnings).toHaveLength(1);
    expect(file.damage?.offset).toBeLessThanOrEqual(readFileSync(HTTP).length);
  });

  test.each([
    { name: 'text', octets: gzipSync('hello, world'), code: 'ERR_CAPTURE_FORMAT' },
    { name: 'nothing', octets: gzipSync(''), code: 'ERR_CAPTURE_EMPTY' },
    { name: 'something packed again', octets: gzipSync(gzipSync('x')), code: 'ERR_CAPTURE_FORMAT' },
    {
      name: 'a zstd frame that wants 256 MiB',
      octets: Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x00, 18 << 3, 1, 0, 0),
      code: 'ERR_CAPTURE_UNPACK',
    },
  ])('is no capture when it holds $name', async ({ octets, code }) => {
    expect(await fault([write('x.bin', octets)])).toMatchObject({ code, kind: 'capture' });
  });
});

test('a capture comes in through a pipe', () => {
  const script = `
    import { indexCaptures } from ${JSON.stringify(new URL('../../dist/run/captures/index-captures.js', import.meta.url).href)};
    const index = await indexCaptures(['-'], { seed: 1 });
    const { file, packets, compression } = index.files[0];
    console.log(JSON.stringify({ file, packets, compression, sessions: index.scripts().sessions }));`;
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    input: gzipSync(readFileSync(HTTP)),
  });
  expect(JSON.parse(stdout.toString())).toEqual({
    file: 'standard input',
    packets: 100,
    compression: 'gzip',
    sessions: 10,
  });
});

test('a pipe from which nothing comes is told of, and can be left', async () => {
  const path = join(folder, 'pipe');
  spawnSync('sh', ['-c', 'mkfifo "$0"', path]);
  const stop = new AbortController();
  const reading = unpackCapture(path, {
    signal: stop.signal,
    onSilence: () => stop.abort(new Error('silent')),
  });
  await expect(reading).rejects.toThrow('silent');
});

describe('several captures are one', () => {
  /** A session that begins at some time, by its client port. */
  const session = (startMs: number, clientPort: number): SentSegment[] =>
    [
      ...handshake(),
      { from: 'client' as const, atMs: 30, at: 0, acked: 0, payload: 'ask' },
      { from: 'server' as const, atMs: 500, at: 0, acked: 3, payload: 'said' },
    ].map((segment) => ({ ...segment, atMs: segment.atMs + startMs, clientPort }));
  const file = (name: string, segments: readonly SentSegment[]): string =>
    write(name, pcap(segments.map(frameOf), { magic: PCAP_NANOSECONDS }));
  const ports = (sessions: readonly { readonly clientPort: number }[]) =>
    sessions.map(({ clientPort }) => clientPort);

  test('in the order of their packets, whatever the order of their names', async () => {
    const paths = [
      file('a', [...session(5000, 3), ...session(9000, 5)]),
      file('b', [...session(0, 1), ...session(6000, 4)]),
      file('c', session(700, 2)),
    ];
    const { sessions, index } = await read(paths);
    expect(ports(sessions)).toEqual([1, 2, 3, 4, 5]);
    expect([...index.scripts().startNs]).toEqual([0, 0.7e9, 5e9, 6e9, 9e9]);
    expect(index.files.map(({ file: name }) => name)).toEqual(paths);
  });

  test('a time stamp that is far off keeps no file waiting', async () => {
    const astray = session(0, 1).map((segment, i) =>
      i === 3 ? { ...segment, atMs: 1e8 } : segment,
    );
    const paths = [file('a', [...astray, ...session(3000, 3)]), file('b', session(1000, 2))];
    const { sessions, warnings, index } = await read(paths);
    expect(ports(sessions)).toEqual([1, 2, 3]);
    expect([...index.scripts().startNs]).toEqual([0, 1e9, 3e9]);
    expect(index.files.map(({ strayTimestamps }) => strayTimestamps)).toEqual([1, 0]);
    expect(warnings).toEqual([
      `${paths[0]}: 1 time stamp is far from those before and after, and taken to lie between them`,
    ]);
  });

  test('a clock that was set back is told of', async () => {
    const { warnings, file: report } = await read([
      file('a', [...session(5000, 1), ...session(0, 2)]),
    ]);
    expect(report).toMatchObject({ clockStepsBack: 1, strayTimestamps: 0 });
    expect(warnings).toEqual([
      expect.stringMatching(/: its clock was set back once; what follows/),
    ]);
  });

  test('a session that goes on in the next file is whole', async () => {
    const whole = session(0, 1);
    const { sessions, index } = await read([
      file('b', whole.slice(4)),
      file('a', whole.slice(0, 4)),
    ]);
    expect(sessions).toMatchObject([{ replayable: true, clientBytes: 3, serverBytes: 4 }]);
    const { files, server } = index.scripts();
    const octets = openCaptureBytes(files);
    const said = new Uint8Array(4);
    octets.read(server.extentOffset[0], said);
    octets.close();
    expect(Buffer.from(said).toString()).toBe('said');
  });

  test.each([4096, 16_384, 65_536])('each begins at a page of %i octets', async (pageBytes) => {
    const { index } = await read([HTTP, file('a', session(0, 1)), HTTP]);
    const bases = index.scripts().files.map(({ base }) => base);
    expect(bases.map((base) => base % pageBytes)).toEqual([0, 0, 0]);
    expect(bases).toEqual([...bases].sort((a, b) => a - b));
    expect(new Set(bases).size).toBe(3);
  });

  test('a folder stands for the captures in it', async () => {
    mkdirSync(join(folder, 'deeper'));
    file('rotated.pcap1', session(5000, 2));
    write(
      'rotated.pcap0.gz',
      gzipSync(pcap(session(0, 1).map(frameOf), { magic: PCAP_NANOSECONDS })),
    );
    write('notes.txt', Buffer.from('hello'));
    const { sessions, warnings } = await read([folder]);
    expect(ports(sessions)).toEqual([1, 2]);
    expect(warnings).toEqual([`${folder}: 1 file in it is no capture (notes.txt)`]);
  });

  test('more files than may be open at a time', async () => {
    const paths = Array.from({ length: 150 }, (_, i) => file(`f${i}`, session(i * 1000, 1000 + i)));
    const { sessions, index } = await read(paths);
    expect(sessions.filter(({ clientSha256 }) => clientSha256 !== null)).toHaveLength(150);
    expect(index.scripts().sessions).toBe(150);
  });
});

describe('what cannot be read at all is one clear error', () => {
  test.each([
    { name: 'no such file', path: () => join(folder, 'none'), code: 'ERR_CAPTURE_NOT_FOUND' },
    { name: 'a file as a folder', path: () => `${HTTP}/x`, code: 'ERR_CAPTURE_NOT_FOUND' },
    { name: 'a folder without captures', path: () => folder, code: 'ERR_CAPTURE_IS_FOLDER' },
    { name: 'an empty file', path: () => write('x', new Uint8Array(0)), code: 'ERR_CAPTURE_EMPTY' },
    { name: 'text', path: () => write('x', Buffer.from('hello')), code: 'ERR_CAPTURE_FORMAT' },
    {
      name: 'an old version',
      path: () => write('x', pcap([], { version: [1, 0] })),
      code: 'ERR_CAPTURE_VERSION',
    },
  ])('$name', async ({ path, code }) => {
    const name = path();
    const found = (await fault([name])) as { message: string; hint: string };
    expect(found).toMatchObject({ code, kind: 'capture' });
    expect(found.message).toContain(name);
    expect(found.message).not.toContain('\n');
    expect(found.hint).toBeTruthy();
  });

  test.each([
    { name: 'a pcap header that is cut', octets: readFileSync(HTTP).subarray(0, 20) },
    { name: 'a pcapng header that is cut', octets: Buffer.from(section()).subarray(0, 20) },
    { name: 'the same, packed', octets: gzipSync(readFileSync(HTTP).subarray(0, 20)) },
  ])('nothing came before the damage: $name', async ({ octets }) => {
    const name = write('x.pcap', octets);
    const found = (await fault([name])) as { message: string };
    expect(found).toMatchObject({ code: 'ERR_CAPTURE_DAMAGED', kind: 'capture' });
    expect(found.message).toMatch(new RegExp(`^${name}: damaged from its first byte on: `));
  });

  test('standard input twice is a wrong use', async () => {
    expect(await fault(['-', '-'])).toMatchObject({
      code: 'ERR_CAPTURE_STDIN_TWICE',
      kind: 'usage',
    });
  });
});

describe('what is no capture among others', () => {
  const foreign = [
    { name: 'empty', octets: () => new Uint8Array(0) },
    { name: 'text', octets: () => Buffer.from('hello, world') },
    { name: 'of an old version', octets: () => pcap([], { version: [1, 0] }) },
    { name: 'a cut header', octets: () => readFileSync(HTTP).subarray(0, 20) },
    { name: 'packed with xz', octets: () => Buffer.from('fd377a585a000004', 'hex') },
    { name: 'packed and no capture', octets: () => gzipSync('hello, world') },
    { name: 'packed and damaged', octets: () => gzipSync(readFileSync(HTTP)).subarray(0, 15) },
  ];

  test.each(foreign)('is left out with a note: $name', async ({ octets }) => {
    const path = write('b', octets());
    for (const paths of [
      [path, HTTP],
      [HTTP, path],
    ]) {
      const { index, warnings } = await read(paths);
      expect(index.files.map(({ file }) => file)).toEqual([HTTP]);
      expect(index.sessions.replayable).toBe(10);
      expect(warnings).toEqual([
        expect.stringMatching(new RegExp(`^${path}: .*; it is left out$`)),
      ]);
    }
  });

  test.each(foreign)('is an error where that is asked for: $name', async ({ octets }) => {
    const path = write('b', octets());
    expect(await fault([HTTP, path], { strict: true })).toMatchObject({ kind: 'capture' });
  });

  test.each(foreign)('is an error where there is nothing else: $name', async ({ octets }) => {
    const paths = [write('a', octets()), write('b', octets())];
    const found = await fault(paths);
    expect(found).toMatchObject({ kind: 'capture' });
    expect((found as Error).message).toContain(paths[0]);
  });

  test('in a folder, too; an index in it is nothing to speak of', async () => {
    const path = write('x.pcap', readFileSync(HTTP));
    await read([path], { store: true });
    expect(await read([folder], { strict: true })).toMatchObject({ warnings: [] });
    write('empty.pcap', new Uint8Array(0));
    const { warnings } = await read([folder]);
    expect(warnings).toEqual([`${folder}: 1 file in it is no capture (empty.pcap)`]);
    expect(await fault([folder], { strict: true })).toMatchObject({ code: 'ERR_CAPTURE_EMPTY' });
  });

  test('the octets of the others are where they belong', async () => {
    const { index } = await read([write('a', Buffer.from('hello')), HTTP]);
    const alone = await read([HTTP]);
    expect([...index.sessionList({ digests: true })]).toEqual(alone.sessions);
  });
});

describe('a damaged capture', () => {
  const damaged = () => write('x.pcap', readFileSync(HTTP).subarray(0, 5000));

  test('is read as far as it goes, with a warning', async () => {
    const path = damaged();
    const { file, warnings, index } = await read([path]);
    expect(file.packets).toBeGreaterThan(10);
    expect(warnings).toEqual([
      expect.stringMatching(new RegExp(`^${path} is damaged at byte ${file.damage?.offset}: `)),
    ]);
    expect(index.sessions.replayable).toBeGreaterThan(0);
  });

  test('is an error where that is asked for', async () => {
    expect(await fault([damaged()], { strict: true })).toMatchObject({
      code: 'ERR_CAPTURE_DAMAGED',
      kind: 'capture',
    });
  });

  test('that shrinks after it was read is an error, not a crash', async () => {
    const path = join(folder, 'x.pcap');
    copyFileSync(HTTP, path);
    const { index } = await read([path]);
    truncateSync(path, 100);
    expect(() => index.scripts()).toThrow(expect.objectContaining({ code: 'ERR_CAPTURE_CHANGED' }));
  });
});

test('reading ends when it is told to', async () => {
  const stop = new AbortController();
  const records = Buffer.from(pcap([{ data: new Uint8Array(60) }])).subarray(24);
  const path = write('x.pcap', Buffer.concat([pcap([]), Buffer.alloc(8_000_000, records)]));
  // Each look at the clock finds it a tenth of a second later: time for the event loop's turn.
  let nowMs = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => {
    nowMs += 100;
    return nowMs;
  });
  const seen: number[] = [];
  const reading = fault([path], {
    signal: stop.signal,
    onProgress: (bytesRead, bytes) => {
      seen.push(bytesRead / bytes);
      stop.abort(new Error('enough'));
    },
  });
  const failure = await reading;
  vi.restoreAllMocks();
  expect(failure).toMatchObject({ message: 'enough' });
  // The first MiB, and the first read behind it.
  expect(seen).toEqual([expect.closeTo(0.147, 2)]);
});

test('what modules want is asked with turns for the event loop, and no more when it is told to end', async () => {
  const stop = new AbortController();
  const seen: number[] = [];
  let planned = 0;
  const { index } = await read([HTTP], {
    signal: stop.signal,
    onProgress: (bytesRead, bytes) => {
      seen.push(bytesRead / bytes);
      if (planned === 5) stop.abort(new Error('enough'));
    },
  });
  seen.length = 0;
  const module: ProtocolModule = {
    name: 'slow',
    plan: () => {
      planned++;
      return undefined;
    },
    client: () => null,
    connection: () => null,
  };
  let nowMs = performance.now();
  vi.spyOn(performance, 'now').mockImplementation(() => {
    nowMs += 100;
    return nowMs;
  });
  const scripts = index.scripts();
  const rows = Uint32Array.from({ length: scripts.sessions }, (_, row) => row);
  await expect(index.rewrites(scripts, rows, [module])).rejects.toThrow('enough');
  vi.restoreAllMocks();
  expect(scripts.sessions).toBeGreaterThan(5);
  expect(seen).toEqual([1, 1, 1, 1, 1]);
  expect(planned).toBe(5);
});

test('nothing is read when it has been told to end before', async () => {
  const signal = AbortSignal.abort(new Error('never'));
  expect(await fault([HTTP], { signal })).toMatchObject({ message: 'never' });
});

describe('a filter', () => {
  const mixed = fixture('public/mpls-telnet.pcap');

  test.runIf(hasLibpcap())('leaves out the packets that do not pass, and counts them', async () => {
    const { file, index } = await read([HTTP], { filter: 'tcp[tcpflags] & tcp-syn != 0' });
    expect(file).toMatchObject({ packets: 100, tcpPackets: 20, skippedPackets: { filtered: 80 } });
    expect(index.sessions).toEqual({ total: 10, replayable: 0, skipped: { 'no-client-data': 10 } });
  });

  test.runIf(hasLibpcap()).each([
    { path: fixture('http-short-raw.pcap'), filter: 'tcp port 80' },
    { path: fixture('http-short-null.pcap'), filter: 'host 10.77.0.1 and tcp' },
    { path: fixture('http-short-vlan.pcap'), filter: 'vlan and tcp' },
    { path: fixture('http-short-sll.pcap'), filter: 'ip and len > 20' },
    { path: fixture('public/tls-sll2-incomplete.pcap'), filter: 'tcp' },
  ])('is compiled for the link type: $filter', async ({ path, filter }) => {
    const whole = await read([path]);
    expect((await read([path], { filter })).file.tcpPackets).toBe(whole.file.tcpPackets);
    const none = await read([path], { filter: `not (${filter})` });
    expect(none.file.tcpPackets).toBe(0);
  });

  test.runIf(hasLibpcap())('keeps what tcpdump keeps', async () => {
    for (const filter of ['mpls', 'not mpls', 'greater 100', 'udp or arp', 'ip[8] = 64']) {
      const { stdout, error } = spawnSync('tcpdump', ['-r', mixed, '-w', '-', filter]);
      if (error !== undefined) return;
      const kept = await read([write('kept.pcap', stdout)]);
      const { file } = await read([mixed], { filter });
      const left = file.packets - (file.skippedPackets.filtered ?? 0);
      expect(left).toBe(kept.file.packets);
    }
  });

  test('that is none is a wrong use, or asks for libpcap', async () => {
    const code = hasLibpcap() ? 'ERR_CAPTURE_FILTER' : 'ERR_IO_LIBPCAP';
    expect(await fault([HTTP], { filter: 'port port' })).toMatchObject({ code });
  });
});

function hasLibpcap(): boolean {
  try {
    return compileFilter('tcp', 1).length > 0;
  } catch {
    return false;
  }
}
