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
import { SMALL_PACKETS, writeCapture } from '../../bench/capture/made-capture.ts';
import { BLOCK_BYTES, BlockDigests, DIGEST_BYTES } from '../../src/run/captures/index-body.ts';
import {
  type IndexOptions,
  indexPlayed,
  type PlayedIndex,
} from '../../src/run/captures/index-captures.ts';
import {
  DETAIL_WORDS,
  DetailWord,
  SESSION_WORDS,
  SegmentWord,
  SessionFlag,
  SessionWord,
} from '../../src/session/reading/session-records.ts';
import type { WantedScripts } from '../../src/session/script/wanted-scripts.ts';
import { onCaptureFolder } from '../helpers/capture-folder.ts';
import { pcap } from '../helpers/packets.ts';

const fixture = (name: string) => new URL(`../../fixtures/${name}`, import.meta.url).pathname;
const HTTP = fixture('http-short.pcap');
const MAGIC_BYTES = 16;
const SEAL_BYTES = 32;

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

/** The parts of an index file, as `index-store.ts` has them. */
function partsOf(octets: Buffer) {
  const lengthAt = octets.length - SEAL_BYTES - 8;
  const headAt = lengthAt - octets.readDoubleLE(lengthAt);
  const head = JSON.parse(octets.toString('utf8', headAt, lengthAt)) as {
    tables: { count: number; words: number }[];
  };
  const blocks = Math.ceil((headAt - MAGIC_BYTES) / (BLOCK_BYTES + DIGEST_BYTES));
  return { head, body: octets.subarray(MAGIC_BYTES, headAt - blocks * DIGEST_BYTES) };
}

/** Writes an index whose digests fit, as an attacker would. */
function seal(path: string, body: Uint8Array, head: object): void {
  const digests = new BlockDigests();
  digests.add(body);
  const text = Buffer.from(JSON.stringify(head));
  const length = Buffer.alloc(8);
  length.writeDoubleLE(text.length);
  const behind = Buffer.concat([digests.finish(), text, length]);
  const digest = createHash('sha256').update(behind).digest();
  writeFileSync(path, Buffer.concat([Buffer.from('gryphon-index/4\n'), body, behind, digest]));
}

/** Changes the tables of an index, and makes its digests fit again. */
function forge(path: string, change: (tables: Tables) => void): void {
  const { head, body: octets } = partsOf(readFileSync(path));
  const body = new Uint32Array(new Uint8Array(octets).buffer);
  let at = 0;
  const [sessions, details, segments] = head.tables.map(({ count, words }) => {
    at += count * words;
    return body.subarray(at - count * words, at);
  });
  change({ sessions, details, segments });
  seal(path, new Uint8Array(body.buffer), head);
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

describe('an index that was made up', () => {
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
    ['tables', [16, 40, 10, 4, 4].map((words) => ({ count: 2 ** 45, words }))],
    ['epoch', { seconds: 'x', nanoseconds: 0 }],
    ['captures', null],
    ['played', {}],
    ['played', { sessions: { total: 10, replayable: -1, skipped: {} }, endpoints: [] }],
  ])('is as good as absent: its head has other %s', async (part, value) => {
    const path = copy();
    await read(path);
    const { head, body } = partsOf(readFileSync(beside(path)));
    seal(beside(path), body, head);
    expect(await isReadAgain(path)).toBe(false);
    seal(beside(path), body, { ...head, [part]: value });
    expect(await isReadAgain(path)).toBe(true);
    expect((await read(path)).sessions).toHaveLength(10);
  });
});

describe('an index of which a few sessions are played', () => {
  const wanted: WantedScripts = { sessionsMax: 2, isWanted: () => true };
  const opened: PlayedIndex[] = [];
  afterEach(() => {
    for (const index of opened.splice(0)) index.close();
  });

  const play = async (path: string, options: Partial<IndexOptions> = {}, asked = wanted) => {
    const warnings: string[] = [];
    const onWarning = (text: string) => warnings.push(text);
    const all = { seed: 1, store: true, onWarning, ...options };
    const index = await indexPlayed([path], all, asked);
    opened.push(index);
    // An index of all sessions lists the captures' files.
    const { sessions } = index;
    return { sessions, scripts: index.played(), warnings, isOfFew: !('files' in index) };
  };

  test.each(readdirSync(fixture('public')))('gives what the capture gives: %s', async (name) => {
    const path = join(folder, name);
    copyFileSync(join(fixture('public'), name), path);
    for (const asked of [wanted, { sessionsMax: 3, isWanted: portIsNot80 }]) {
      const first = await play(path, {}, asked).catch((fault: unknown) => fault);
      if (first instanceof Error) return;
      const { isOfFew: _, ...said } = first as Awaited<ReturnType<typeof play>>;
      const { isOfFew, ...again } = await play(path, {}, asked);
      expect(again).toEqual(said);
      expect(isOfFew).toBe(said.sessions.replayable > 0);
      const { isOfFew: isMemory, ...unstored } = await play(path, { store: false }, asked);
      expect(isMemory).toBe(false);
      expect(again).toEqual(unstored);
    }
  });
  const portIsNot80 = ({ port }: { port: number }) => port !== 80;

  test('is read as a whole where sessions are selected', async () => {
    const path = copy();
    await read(path);
    expect((await play(path)).isOfFew).toBe(true);
    expect((await play(path, { selection: { fraction: 0.5 } })).isOfFew).toBe(false);
    const none = { sessionsMax: 0, isWanted: () => false };
    expect((await play(path, {}, none)).isOfFew).toBe(true);
  });

  /** Sessions whose tables take several blocks. */
  const long = (): string => {
    const path = join(folder, 'long.pcap');
    writeCapture(path, { ...SMALL_PACKETS, packets: 20_000 });
    return path;
  };
  const flip = (path: string, at: number): void => {
    const octets = readFileSync(beside(path));
    octets[MAGIC_BYTES + at] ^= 1;
    writeFileSync(beside(path), octets);
  };

  test('is only looked at where those sessions are', async () => {
    const path = long();
    const { scripts } = await play(path);
    expect(scripts.sessions).toBe(2_000);
    const { head } = partsOf(readFileSync(beside(path)));
    const sessionBytes = 4 * head.tables[0].count * head.tables[0].words;
    flip(path, sessionBytes + 4 * 1_000 * DETAIL_WORDS);
    const some = await play(path);
    expect(some.isOfFew).toBe(true);
    expect(some.scripts).toEqual(scripts);
    // All of them are read from the capture then, and their index is made anew.
    expect((await read(path)).sessions).toHaveLength(2_000);
    flip(path, 0);
    const read1 = await play(path);
    expect(read1.isOfFew).toBe(false);
    expect(read1.scripts).toEqual(scripts);
    expect((await play(path)).isOfFew).toBe(true);
  });

  test.each(forgeries)('is as good as absent: $name', async ({ change }) => {
    const path = copy();
    const { scripts } = await play(path);
    forge(beside(path), change);
    const again = await play(path);
    expect(again.isOfFew).toBe(false);
    expect(again.scripts).toEqual(scripts);
  });

  test.each([
    { name: 'a session that is not there', at: (rows: number) => 4 * (rows - 1), value: 10 },
    { name: 'sessions in another order', at: () => 4, value: 0 },
    { name: 'a server that is not there', at: (rows: number) => 24 * rows - 4 * rows, value: 9 },
    { name: 'a start before the one before it', at: (rows: number) => 12 * rows - 4, value: 1 },
    { name: 'a duration without end', at: (rows: number) => 12 * rows + 4, value: 0x7ff0_0000 },
  ])('is as good as absent: its outlines have $name', async ({ at, value }) => {
    const path = copy();
    const { scripts } = await play(path);
    const { head, body } = partsOf(readFileSync(beside(path)));
    const tableBytes = head.tables.reduce((sum, { count, words }) => sum + 4 * count * words, 0);
    const changed = Buffer.from(body);
    changed.writeUInt32LE(value, tableBytes + at(scripts.sessions));
    seal(beside(path), changed, head);
    const again = await play(path);
    expect(again.isOfFew).toBe(false);
    expect(again.scripts).toEqual(scripts);
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
