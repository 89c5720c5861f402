/** The filter of a recording: what it keeps, how much, and that a sample has whole sessions only. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { emitBpf } from '../../src/io/filter/bpf.ts';
import {
  beginningsFilter,
  isBeginning,
  recordFilter,
  sampleHash,
  WHOLE_PACKET_BYTES,
} from '../../src/io/filter/record-filter.ts';
import { ACK, FIN, ipv4, ipv6, RST, SYN, tcp } from '../helpers/packets.ts';
import { runBpf } from './bpf-interpreter.ts';

const IPV4 = 0x0800;
const IPV6 = 0x86dd;
const CLIENT = '10.1.2.3';
const SERVER = '10.0.0.1';

interface Ends {
  readonly clientPort?: number;
  readonly serverPort?: number;
  readonly options?: readonly number[];
  readonly flags?: number;
}

const segment = (
  isToServer: boolean,
  { clientPort = 50_000, serverPort = 80, options = [], flags = ACK }: Ends,
) =>
  tcp({
    sourcePort: isToServer ? clientPort : serverPort,
    destinationPort: isToServer ? serverPort : clientPort,
    seq: 1,
    flags,
    options: [...options],
    payload: 'x'.repeat(500),
  });

const four = (isToServer: boolean, ends: Ends = {}, client = CLIENT): Uint8Array =>
  ipv4(segment(isToServer, ends), {
    source: isToServer ? client : SERVER,
    destination: isToServer ? SERVER : client,
  });

const six = (isToServer: boolean, ends: Ends = {}): Uint8Array =>
  ipv6(segment(isToServer, ends), {
    source: isToServer ? 2 : 1,
    destination: isToServer ? 1 : 2,
  });

const WHOLE = { ports: [80, 443], answerBytes: Number.POSITIVE_INFINITY, share: 1 };

describe('what is kept', () => {
  const headers = recordFilter({ ...WHOLE, answerBytes: 128 });

  test('requests whole, of answers the headers and a prefix', () => {
    expect(runBpf(headers, four(true), IPV4)).toBe(WHOLE_PACKET_BYTES);
    expect(runBpf(headers, four(false), IPV4)).toBe(20 + 20 + 128);
    expect(runBpf(headers, six(true), IPV6)).toBe(WHOLE_PACKET_BYTES);
    expect(runBpf(headers, six(false), IPV6)).toBe(40 + 20 + 128);
    const options = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2];
    expect(runBpf(headers, four(false, { options }), IPV4)).toBe(20 + 32 + 128);
    expect(runBpf(recordFilter(WHOLE), four(false), IPV4)).toBe(WHOLE_PACKET_BYTES);
  });

  test('nothing of other ports, and no UDP', () => {
    expect(runBpf(headers, four(true, { serverPort: 443 }), IPV4)).toBe(WHOLE_PACKET_BYTES);
    expect(runBpf(headers, four(true, { serverPort: 81 }), IPV4)).toBe(0);
    expect(runBpf(headers, six(false, { serverPort: 81 }), IPV6)).toBe(0);
    const packet = ipv4(segment(true, {}), { source: CLIENT, destination: SERVER, protocol: 17 });
    expect(runBpf(headers, packet, IPV4)).toBe(0);
    expect(runBpf(headers, four(true), 0x0806)).toBe(0);
  });

  test('of the loopback interface what comes in, of others what leaves as well', () => {
    const program = recordFilter({ ...WHOLE, loopbackIndex: 1 });
    const [host, outgoing] = [0, 4];
    const seen = (index: number, type: number) =>
      runBpf(program, four(true), IPV4, index, type) > 0;
    expect([seen(1, host), seen(1, outgoing)]).toEqual([true, false]);
    expect([seen(2, host), seen(2, outgoing)]).toEqual([true, true]);
  });

  test('the kernel can be given it', () => {
    expect(emitBpf(recordFilter({ ...WHOLE, share: 0.1 })).length % 8).toBe(0);
  });
});

describe('a sample', () => {
  test('has both directions of a session, or neither, as the hash says', () => {
    const property = fc.property(
      fc.integer({ min: 1, max: 254 }),
      fc.integer({ min: 1024, max: 65_535 }),
      fc.double({ min: 0.001, max: 0.999, noNaN: true }),
      (host, clientPort, share) => {
        const program = recordFilter({ ...WHOLE, share });
        const client = `10.1.2.${host}`;
        const ends = { clientPort };
        const sides = [true, false].map((isTo) => runBpf(program, four(isTo, ends, client), IPV4));
        const low = (10 << 24) | (1 << 16) | (2 << 8) | host;
        const isIn = sampleHash(low, clientPort) < Math.ceil(share * 65_536);
        expect(sides.map((bytes) => bytes > 0)).toEqual([isIn, isIn]);
      },
    );
    fc.assert(property, { numRuns: 200 });
  });

  test.each([
    ['ports of one address', (i: number) => [0x0a01_0203, 32_768 + i]],
    ['addresses with one port', (i: number) => [0x0a01_0000 + i, 50_000]],
    ['every second port', (i: number) => [0x0a01_0203, 1_024 + 2 * i]],
  ])('of a tenth has about a tenth of %s', (_, endsOf) => {
    const all = 20_000;
    let inside = 0;
    for (let i = 0; i < all; i++) {
      const [low, port] = endsOf(i);
      if (sampleHash(low, port) < Math.ceil(0.1 * 65_536)) inside++;
    }
    // A fair coin of this weight is within 5 of its standard deviations (42) in all but 1 of 10^6 throws.
    expect(inside).toBeGreaterThan(all * 0.1 - 5 * 42);
    expect(inside).toBeLessThan(all * 0.1 + 5 * 42);
  });
});

describe('what begins a session', () => {
  const all = beginningsFilter(WHOLE);
  const options = [2, 4, 5, 180];

  test.each([
    ['a SYN to a server', true, SYN, 1],
    ['its answer', false, SYN | ACK, 0],
    ['a SYN that the server sends', false, SYN, 0],
    ['what follows', true, ACK, 0],
    ['an end', true, FIN | ACK, 0],
    ['a reset', true, RST, 0],
  ])('%s', (_, isToServer, flags, bytes) => {
    const packets = [
      [four(isToServer, { flags, options }), IPV4],
      [six(isToServer, { flags, options }), IPV6],
    ] as const;
    for (const [packet, etherType] of packets) {
      expect(runBpf(all, packet, etherType)).toBe(bytes);
      if (isToServer) expect(isBeginning(packet, 0)).toBe(bytes === 1);
      const later = Uint8Array.of(7, 7, 7, ...packet);
      expect(isBeginning(later, 3)).toBe(isBeginning(packet, 0));
    }
  });

  test('of a sample those that are in it', () => {
    const [sample, recorded] = [beginningsFilter, recordFilter].map((make) =>
      make({ ...WHOLE, share: 0.3 }),
    );
    let inside = 0;
    for (let i = 0; i < 200; i++) {
      const packet = four(true, { flags: SYN, clientPort: 40_000 + i });
      const isIn = runBpf(sample, packet, IPV4) > 0;
      expect(isIn).toBe(runBpf(recorded, packet, IPV4) > 0);
      if (isIn) inside++;
    }
    expect(inside).toBeGreaterThan(0);
    expect(inside).toBeLessThan(200);
  });
});
