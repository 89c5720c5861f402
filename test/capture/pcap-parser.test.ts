/**
 * A second opinion: pcap-parser, the package that one finds first, reads the classic captures of
 * fixtures/ as our reader does, record by record. Where its format ends ours goes on:
 * - nanoseconds: it refuses their magic number, so it is given the microseconds' one instead;
 * - a last record that is cut: it drops that one without a word, ours names it as damage;
 * - a fraction of a whole second or more: it hands that on, ours carries or refuses it;
 * - versions before 2.4, whose lengths stand in another order: it does not know them.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { pcap } from '../helpers/packets.ts';
import { readAll } from './read-all.ts';

const FIXTURES = fileURLToPath(new URL('../../fixtures/', import.meta.url));
/** The magic numbers of the classic format, as the file has their octets, and microseconds' one. */
const MICROSECONDS = new Map([
  ['d4c3b2a1', 'd4c3b2a1'],
  ['a1b2c3d4', 'a1b2c3d4'],
  ['4d3cb2a1', 'd4c3b2a1'],
  ['a1b23c4d', 'a1b2c3d4'],
]);

/** The part of pcap-parser that is used here: the package has no types of its own. */
interface PcapParser {
  parse(input: Readable): {
    on(event: 'packet', listener: (packet: TheirPacket) => void): void;
    on(event: 'end', listener: () => void): void;
    on(event: 'error', listener: (fault: Error) => void): void;
  };
}

interface TheirPacket {
  readonly header: {
    readonly originalLength: number;
    readonly timestampSeconds: number;
    readonly timestampMicroseconds: number;
  };
  readonly data: Buffer;
}

const pcapParser = createRequire(import.meta.url)('pcap-parser') as PcapParser;

/** Version 2.2 with its lengths in the other order: pcap-parser waits for octets that never come. */
const OLD =
  'malformed/pcapplusplus-clusterfuzz-testcase-minimized-FuzzTarget-6604968558198784.pcap';

interface Record {
  readonly octets: string;
  readonly original: number;
  readonly seconds: number;
  readonly nanoseconds: number;
}

const captures = ['.', 'public', 'malformed']
  .flatMap((folder) => readdirSync(join(FIXTURES, folder)).map((name) => join(folder, name)))
  .filter((name) => /\.(pcap|cap)$/.test(name) && MICROSECONDS.has(magicOf(read(name))));

describe('pcap-parser agrees on', () => {
  test('enough files to be an opinion', () => expect(captures.length).toBeGreaterThan(250));

  test.each(captures)('%s', async (name) => {
    const file = read(name);
    const { packets, damage } = readAll(file);
    const ours = packets.map(
      (packet): Record => ({ ...packet, octets: Buffer.from(packet.octets).toString('hex') }),
    );
    if (name === OLD) return expect([packets.length, await theirsOf(file)]).toEqual([1, []]);
    const theirs = await theirsOf(file);
    expect(theirs.map(withoutTime)).toEqual(ours.map(withoutTime));
    const counted = theirs
      .map(({ nanoseconds }, at) => (nanoseconds < 1e9 ? at : -1))
      .filter((at) => at >= 0);
    // A second or more that was carried moves nobody else's time.
    expect(counted.map((at) => theirs[at])).toEqual(counted.map((at) => pick(ours)[at]));
    expect(damage?.reason ?? 'a record of').toMatch(/^(the last record is cut|a record of)/);
  });
});

test('a last record that is cut is dropped by pcap-parser, and named by us', async () => {
  const frame = { data: Uint8Array.of(1, 2, 3), seconds: 7, fraction: 5 };
  const cut = Buffer.from(pcap([frame, frame])).subarray(0, -1);
  expect(await theirsOf(cut)).toHaveLength(1);
  const { packets, damage } = readAll(cut);
  expect(packets).toHaveLength(1);
  expect(damage?.reason).toBe('the last record is cut: 18 bytes of it are there');
});

function read(name: string): Buffer {
  return readFileSync(join(FIXTURES, name));
}

function magicOf(file: Buffer): string {
  return file.toString('hex', 0, 4);
}

const pick = (records: readonly Record[]): Record[] =>
  records.map(({ octets, original, seconds, nanoseconds }) => ({
    octets,
    original,
    seconds,
    nanoseconds,
  }));
const withoutTime = ({ octets, original }: Record) => ({ octets, original });

/** What pcap-parser makes of a file. */
async function theirsOf(file: Buffer): Promise<Record[]> {
  const copy = Buffer.from(file);
  const magic = magicOf(file);
  copy.write(MICROSECONDS.get(magic) ?? magic, 0, 'hex');
  const nanosPerUnit = MICROSECONDS.get(magic) === magic ? 1000 : 1;
  const records: Record[] = [];
  await new Promise<void>((resolve, reject) => {
    const parser = pcapParser.parse(Readable.from([copy]));
    parser.on('packet', ({ header, data }) => {
      records.push({
        octets: data.toString('hex'),
        original: header.originalLength,
        seconds: header.timestampSeconds,
        nanoseconds: header.timestampMicroseconds * nanosPerUnit,
      });
    });
    parser.on('end', () => resolve());
    parser.on('error', reject);
  });
  return records;
}
