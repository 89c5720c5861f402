/** The index beside a capture: when it is written, when it is believed, and what it cannot do. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { IndexOptions } from '../../src/run/captures/index-captures.ts';
import {
  DETAIL_WORDS,
  DetailWord,
  SESSION_WORDS,
  SegmentWord,
  SessionFlag,
  SessionWord,
} from '../../src/session/reading/session-records.ts';
import { onCaptureFolder } from '../helpers/capture-folder.ts';
import { pcap } from '../helpers/packets.ts';

const fixture = (name: string) => new URL(`../../fixtures/${name}`, import.meta.url).pathname;
const HTTP = fixture('http-short.pcap');
const HEAD_BYTES = 24;

let folder = '';
afterEach(() => vi.restoreAllMocks());
const readAll = onCaptureFolder((path) => {
  folder = path;
});

const read = (path: string, options: Partial<IndexOptions> = {}) =>
  readAll([path], { store: true, ...options });

const beside = (path: string) => `${path}.gryphon-index`;

const copy = (): string => {
  const path = join(folder, 'x.pcap');
  copyFileSync(HTTP, path);
  return path;
};

/** Whether the capture was read, rather than its index. */
async function isReadAgain(path: string): Promise<boolean> {
  const progress: number[] = [];
  let nowMs = 0;
  // Each look at the clock finds it later, so that any reading is seen.
  vi.spyOn(performance, 'now').mockImplementation(() => {
    nowMs += 100;
    return nowMs;
  });
  await read(path, { onProgress: (bytesRead) => progress.push(bytesRead) });
  vi.restoreAllMocks();
  return progress.length > 0;
}

interface Tables {
  readonly sessions: Uint32Array;
  readonly details: Uint32Array;
  readonly segments: Uint32Array;
}

/** Changes the tables of an index, and makes its digest fit again, as an attacker would. */
function forge(path: string, change: (tables: Tables) => void): void {
  const octets = readFileSync(path);
  const bodyAt = HEAD_BYTES + octets.readDoubleLE(16);
  const head = JSON.parse(octets.toString('utf8', HEAD_BYTES, bodyAt)) as {
    tables: { count: number; words: number }[];
    sha256: string;
  };
  const body = new Uint32Array(new Uint8Array(octets.subarray(bodyAt)).buffer);
  let at = 0;
  const [sessions, details, segments] = head.tables.map(({ count, words }) => {
    at += count * words;
    return body.subarray(at - count * words, at);
  });
  change({ sessions, details, segments });
  const changed = new Uint8Array(body.buffer);
  const forged = { ...head, sha256: createHash('sha256').update(changed).digest('hex') };
  const text = JSON.stringify(forged).padEnd(bodyAt - HEAD_BYTES, ' ');
  writeFileSync(path, Buffer.concat([octets.subarray(0, HEAD_BYTES), Buffer.from(text), changed]));
}

describe('an index beside the capture', () => {
  test('is written when it is asked for, and gives the same sessions again', async () => {
    const path = copy();
    await read(path, { store: false });
    expect(existsSync(beside(path))).toBe(false);
    const first = await read(path);
    const octets = readFileSync(beside(path));
    const second = await read(path);
    expect(readFileSync(beside(path))).toEqual(octets);
    expect(second.sessions).toEqual(first.sessions);
    expect(second.index.files).toEqual(first.index.files);
    expect(second.index.scripts()).toEqual(first.index.scripts());
  });

  test('is really used: the capture is not read again', async () => {
    const path = copy();
    expect(await isReadAgain(path)).toBe(true);
    expect(await isReadAgain(path)).toBe(false);
  });

  test.each([
    {
      name: 'of other octets',
      change: (path: string) => writeFileSync(path, readFileSync(fixture('http-short-be.pcap'))),
    },
    { name: 'of another time', change: (path: string) => utimesSync(path, 1, 1) },
    {
      name: 'that is damaged',
      change: (path: string) => writeFileSync(beside(path), 'gryphon-index/2\n'),
    },
    {
      name: 'of another version',
      change: (path: string) => {
        const octets = readFileSync(beside(path));
        octets.write('1', 14);
        writeFileSync(beside(path), octets);
      },
    },
    {
      name: 'with one bit changed',
      change: (path: string) => {
        const octets = readFileSync(beside(path));
        octets[octets.length - 100] ^= 1;
        writeFileSync(beside(path), octets);
      },
    },
  ])('is made anew when it is $name', async ({ change }) => {
    const path = copy();
    await read(path);
    change(path);
    expect(await isReadAgain(path)).toBe(true);
    const { sessions, index } = await read(path);
    expect(sessions).toHaveLength(10);
    expect(index.files[0].packets).toBe(100);
    expect(readFileSync(beside(path)).length).toBeGreaterThan(1000);
    expect(await isReadAgain(path)).toBe(false);
  });

  test('is none for what comes packed', async () => {
    const path = join(folder, 'x.gz');
    writeFileSync(path, gzipSync(readFileSync(HTTP)));
    const { warnings } = await read(path);
    expect(warnings).toHaveLength(1);
    expect(existsSync(beside(path))).toBe(false);
  });

  test('is not kept of a capture that grows while it is read', async () => {
    const path = join(folder, 'x.pcap');
    const frame = Buffer.from(pcap([{ data: new Uint8Array(60) }])).subarray(24);
    writeFileSync(path, Buffer.concat([pcap([]), Buffer.alloc(4_000_000, frame)]));
    let nowMs = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => {
      nowMs += 100;
      return nowMs;
    });
    let hasGrown = false;
    const onProgress = () => {
      if (!hasGrown) appendFileSync(path, frame);
      hasGrown = true;
    };
    const { warnings, index } = await read(path, { onProgress });
    vi.restoreAllMocks();
    expect(hasGrown).toBe(true);
    expect(index.files[0].damage?.offset ?? 0).toBeLessThanOrEqual(4_000_024);
    expect(warnings.at(-1)).toBe('a capture changed while it was read: no index of it is kept');
    expect(readdirSync(folder)).toEqual(['x.pcap']);
  });
});

describe('an index that was made up', () => {
  const PAST = 0x7fff_ffff;
  const detailOf = ({ sessions }: Tables, session: number) =>
    (sessions[session * SESSION_WORDS + SessionWord.DETAIL] - 1) * DETAIL_WORDS;
  const forgeries: readonly { name: string; change: (tables: Tables) => void }[] = [
    {
      name: 'a session whose detail is not there',
      change: ({ sessions }) => {
        sessions[SessionWord.DETAIL] = PAST;
      },
    },
    {
      name: 'two sessions with one detail',
      change: ({ sessions }) => {
        sessions[SESSION_WORDS + SessionWord.DETAIL] = sessions[SessionWord.DETAIL];
      },
    },
    {
      name: 'an address that is not there',
      change: ({ sessions }) => {
        sessions[SessionWord.FLAGS] |= SessionFlag.IPV6;
      },
    },
    {
      name: 'a first segment that is not there',
      change: (tables) => {
        tables.details[detailOf(tables, 0) + DetailWord.FIRST_SEGMENT] = PAST;
      },
    },
    {
      name: 'a last segment that is not there',
      change: (tables) => {
        tables.details[detailOf(tables, 0) + DetailWord.LAST_SEGMENT + 1] = PAST;
      },
    },
    {
      name: 'two streams with one chain',
      change: (tables) => {
        const first = detailOf(tables, 0) + DetailWord.FIRST_SEGMENT;
        tables.details[first] = tables.details[first + 1];
      },
    },
    {
      name: 'a segment that leads to itself',
      change: ({ segments }) => {
        segments[SegmentWord.NEXT] = 1;
      },
    },
    {
      name: 'a segment that leads past the end',
      change: ({ segments }) => {
        segments[SegmentWord.NEXT] = PAST;
      },
    },
    {
      name: 'payload outside the capture',
      change: ({ segments }) => {
        new Float64Array(segments.buffer, segments.byteOffset, 1)[0] = 2 ** 40;
      },
    },
    {
      name: 'payload at no place',
      change: ({ segments }) => {
        new Float64Array(segments.buffer, segments.byteOffset, 1)[0] = Number.NaN;
      },
    },
    {
      name: 'more payload than the packet had',
      change: ({ segments }) => {
        segments[SegmentWord.CAPTURED] = segments[SegmentWord.BYTES] + 1;
      },
    },
    {
      name: 'times without end',
      change: ({ sessions }) => {
        new Float64Array(sessions.buffer, sessions.byteOffset, 1)[0] = Number.POSITIVE_INFINITY;
      },
    },
  ];

  test.each(forgeries)('is as good as absent: $name', async ({ change }) => {
    const path = copy();
    const { sessions } = await read(path);
    forge(beside(path), () => undefined);
    expect(await isReadAgain(path)).toBe(false);
    forge(beside(path), change);
    expect(await isReadAgain(path)).toBe(true);
    expect((await read(path)).sessions).toEqual(sessions);
  });

  test.each([
    ['reports', []],
    ['reports', [{ damage: 7 }]],
    ['tables', [{ count: -1, words: 16 }]],
    ['tables', 'x'],
    ['epoch', { seconds: 'x', nanoseconds: 0 }],
    ['captures', null],
  ])('is as good as absent: its head has other %s', async (part, value) => {
    const path = copy();
    await read(path);
    const octets = readFileSync(beside(path));
    const bodyAt = HEAD_BYTES + octets.readDoubleLE(16);
    const head = JSON.parse(octets.toString('utf8', HEAD_BYTES, bodyAt)) as object;
    const text = JSON.stringify({ ...head, [part]: value }).padEnd(bodyAt - HEAD_BYTES, ' ');
    writeFileSync(
      beside(path),
      Buffer.concat([octets.subarray(0, HEAD_BYTES), Buffer.from(text), octets.subarray(bodyAt)]),
    );
    expect((await read(path)).sessions).toHaveLength(10);
  });
});

describe('what lies where an index would', () => {
  test('a link is not followed, neither to be read nor to be written', async () => {
    const path = copy();
    const other = join(folder, 'other');
    writeFileSync(other, 'precious');
    symlinkSync(other, beside(path));
    const { warnings, sessions } = await read(path);
    expect(sessions).toHaveLength(10);
    expect(warnings).toEqual([expect.stringContaining('a link, which is not followed')]);
    expect(readFileSync(other, 'utf8')).toBe('precious');
    expect(await isReadAgain(path)).toBe(false);
  });

  test('a link with the name of a draft does no harm', async () => {
    const path = copy();
    const other = join(folder, 'other');
    writeFileSync(other, 'precious');
    symlinkSync(other, `${beside(path)}.${process.pid}`);
    await read(path);
    expect(readFileSync(other, 'utf8')).toBe('precious');
  });

  test('a pipe is not waited for', async () => {
    const path = copy();
    spawnSync('sh', ['-c', 'mkfifo "$0"', beside(path)]);
    const { warnings } = await read(path);
    expect(warnings).toEqual([expect.stringContaining('is no file: it is not used')]);
  });

  test('an index that others may write is not used', async () => {
    const path = copy();
    await read(path);
    chmodSync(beside(path), 0o666);
    const { warnings } = await read(path);
    expect(warnings).toEqual([expect.stringContaining('writable by others: it is not used')]);
  });

  test.runIf(process.geteuid?.() === 0)('an index of another user is not used', async () => {
    const path = copy();
    await read(path);
    chownSync(beside(path), 65_534, 65_534);
    const { warnings } = await read(path);
    expect(warnings).toEqual([expect.stringContaining('of another user (65534)')]);
    expect(await isReadAgain(path)).toBe(false);
  });
});
