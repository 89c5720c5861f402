/** Which connections a capture holds, who is the server, and which of them are replayed. */
import { describe, expect, test } from 'vitest';
import { concat, FIN, PSH, RST, SYN, synOptions } from '../helpers/packets.ts';
import { handshake, record, type SentSegment } from '../helpers/recording.ts';

const REQUEST: SentSegment = {
  from: 'client',
  atMs: 30,
  at: 0,
  acked: 0,
  flags: PSH,
  payload: 'ask',
};
const ANSWER: SentSegment = {
  from: 'server',
  atMs: 50,
  at: 0,
  acked: 3,
  flags: PSH,
  payload: 'said',
};
const CLOSE: SentSegment[] = [
  { from: 'client', atMs: 60, at: 3, acked: 4, flags: FIN },
  { from: 'server', atMs: 70, at: 4, acked: 4, flags: FIN },
  { from: 'client', atMs: 80, at: 4, acked: 5 },
];
const WHOLE = [...handshake(), REQUEST, ANSWER, ...CLOSE];

describe('a session is one connection', () => {
  const later = (segments: readonly SentSegment[], of: Partial<SentSegment>) =>
    segments.map((segment) => ({ ...segment, ...of, atMs: segment.atMs + 1000 }));

  test.each([
    { name: 'a SYN again, with its number', second: [handshake()[0]], sessions: 1 },
    { name: 'a SYN with another number', second: later(WHOLE, { clientIsn: 77_000 }), sessions: 2 },
    { name: 'another client port', second: later(WHOLE, { clientPort: 50_001 }), sessions: 2 },
    { name: 'data after the end', second: [{ ...REQUEST, at: 3, atMs: 900 }], sessions: 1 },
  ])('$name', ({ second, sessions }) => {
    expect(record([...WHOLE, ...second]).catalog.total).toBe(sessions);
  });

  test('a SYN-ACK that was captured before its SYN belongs to it', () => {
    const [syn, synAck, ...rest] = WHOLE;
    const { catalog, reasons } = record([synAck, syn, ...rest]);
    expect(catalog.total).toBe(1);
    expect(reasons()).toEqual([null]);
    expect(catalog.endpoint(0, catalog.serverSideOf(0)).port).toBe(80);
  });

  test('sequence numbers that wrap do not end it', () => {
    const wrapping = WHOLE.map((segment) => ({
      ...segment,
      clientIsn: 0xffff_fffd,
      serverIsn: 0xffff_ffff,
    }));
    const { catalog, reasons, text } = record(wrapping);
    expect(catalog.total).toBe(1);
    expect(reasons()).toEqual([null]);
    expect([text('client'), text('server')]).toEqual(['ask', 'said']);
  });
});

describe('the server is', () => {
  const endpoint = (segments: readonly SentSegment[], selection = {}) => {
    const { catalog } = record(segments, selection);
    return catalog.endpoint(0, catalog.serverSideOf(0)).port;
  };

  test.each([
    { name: 'where the SYN went', segments: WHOLE, port: 80 },
    {
      name: 'where the SYN went, though its port is higher',
      segments: WHOLE.map((s) => ({ ...s, clientPort: 22 })),
      port: 80,
    },
    {
      name: 'who sent the SYN-ACK',
      segments: WHOLE.slice(1).map((s) => ({ ...s, clientPort: 22 })),
      port: 80,
    },
    { name: 'the lower port without either', segments: WHOLE.slice(3), port: 80 },
    {
      name: 'the lower port, whoever it is',
      segments: WHOLE.slice(3).map((s) => ({ ...s, clientPort: 22 })),
      port: 22,
    },
  ])('$name', ({ segments, port }) => {
    expect(endpoint(segments)).toBe(port);
  });

  test('whom the user names', () => {
    const servers = [{ address: null, port: 50_000 }];
    expect(endpoint(WHOLE, { servers })).toBe(50_000);
  });
});

describe('what is whole is replayed, and the rest is named', () => {
  const without = (...left: readonly number[]) => WHOLE.filter((_, i) => !left.includes(i));
  const hello = concat([0x16, 3, 1, 0, 5, 1], new Uint8Array(9));

  test.each([
    { name: 'a whole session', segments: WHOLE, reason: null },
    { name: 'one that the capture ends in', segments: WHOLE.slice(0, 5), reason: null },
    { name: 'one without the last ACK of the handshake', segments: without(2), reason: null },
    { name: 'the middle of one', segments: without(0, 1, 2), reason: 'no-syn' },
    { name: 'a SYN alone', segments: WHOLE.slice(0, 1), reason: 'no-syn-ack' },
    {
      name: 'a refused one',
      segments: [WHOLE[0], { from: 'server' as const, atMs: 1, at: -1, acked: 0, flags: RST }],
      reason: 'no-syn-ack',
    },
    {
      name: 'only what the client sent',
      segments: WHOLE.filter(({ from }) => from === 'client'),
      reason: 'one-sided',
    },
    { name: 'a silent client', segments: without(3), reason: 'no-client-data' },
    { name: 'a handshake and no more', segments: WHOLE.slice(0, 3), reason: 'no-client-data' },
    {
      name: 'a keep-alive probe and no more',
      segments: [...handshake(), { ...REQUEST, at: -1, payload: '\0' }],
      reason: 'no-client-data',
    },
    { name: 'TLS', segments: [...handshake(), { ...REQUEST, payload: hello }], reason: 'tls' },
    {
      name: 'TLS after a plain beginning',
      segments: [...WHOLE.slice(0, 5), { ...REQUEST, at: 3, atMs: 60, payload: hello }],
      reason: 'tls',
    },
    {
      name: 'a cut request',
      segments: WHOLE.map((s) => (s === REQUEST ? { ...s, capturedBytes: 55 } : s)),
      reason: 'truncated',
    },
    {
      name: 'a cut answer',
      segments: WHOLE.map((s) => (s === ANSWER ? { ...s, capturedBytes: 55 } : s)),
      reason: null,
    },
    {
      name: 'a lost request, seen by what follows',
      segments: [...without(3).slice(0, 4), { ...REQUEST, at: 3, atMs: 55 }],
      reason: 'client-hole',
    },
    {
      name: 'a lost end of the request, seen by the FIN',
      segments: [...handshake(), { ...REQUEST, payload: 'as' }, { ...CLOSE[0], acked: 0 }],
      reason: 'client-hole',
    },
    {
      name: 'a lost end of the request, seen by the ACK',
      segments: [...handshake(), { ...REQUEST, payload: 'as' }, ANSWER],
      reason: 'client-hole',
    },
    {
      name: 'a lost answer, seen by the ACK',
      segments: [...handshake(), REQUEST, ...CLOSE.slice(0, 1)],
      reason: 'server-hole',
    },
    {
      name: 'a lost beginning of the answer',
      segments: [...handshake(), REQUEST, { ...ANSWER, at: 2, payload: 'id' }, ...CLOSE],
      reason: 'server-hole',
    },
  ])('$name: $reason', ({ segments, reason }) => {
    expect(record(segments).reasons()).toEqual([reason]);
  });
});

describe('only what is selected counts', () => {
  const many = [0, 1, 2, 3].flatMap((i) =>
    WHOLE.map((segment) => ({ ...segment, clientPort: 50_000 + i, atMs: segment.atMs + 1000 * i })),
  );
  const start = 1_700_000_000;

  test.each([
    {
      name: 'by server',
      selection: { servers: [{ address: null, port: 81 }] },
      left: [0, 1, 2, 3],
    },
    { name: 'by number', selection: { indices: [{ first: 1, last: 2 }] }, left: [0, 3] },
    {
      name: 'by time',
      selection: { fromSeconds: start + 1, untilSeconds: start + 3 },
      left: [0, 3],
    },
    { name: 'by least size', selection: { bytesMin: 8 }, left: [0, 1, 2, 3] },
    { name: 'by size', selection: { bytesMin: 7, bytesMax: 7 }, left: [] },
    { name: 'none of them', selection: { fraction: 0 }, left: [0, 1, 2, 3] },
    { name: 'all of them', selection: { fraction: 1 }, left: [] },
  ])('$name', ({ selection, left }) => {
    const reasons = record(many, selection).reasons();
    expect(reasons.flatMap((reason, i) => (reason === 'not-selected' ? i : []))).toEqual(left);
  });

  test('by client, with a prefix', () => {
    const address = (low: number) => ({ family: 4 as const, prefix: new Uint8Array(0), low });
    const clients = (low: number, bits: number) => ({
      clients: [{ address: address(low), prefixBits: bits }],
    });
    expect(record(WHOLE, clients(0x0a00_0003, 31)).reasons()).toEqual([null]);
    expect(record(WHOLE, clients(0x0a00_0003, 32)).reasons()).toEqual(['not-selected']);
    expect(record(WHOLE, clients(0xc000_0000, 0)).reasons()).toEqual([null]);
  });

  test('a fraction picks the same connections whichever packet came first', () => {
    const ports = Array.from({ length: 200 }, (_, i) => 40_000 + i);
    const one = (clientPort: number) => WHOLE.map((segment) => ({ ...segment, clientPort }));
    const half = { fraction: 0.5 };
    const picked = ports.filter((port) => record(one(port), half).reasons()[0] === null);
    expect(picked.length).toBeGreaterThan(70);
    expect(picked.length).toBeLessThan(130);
    const reordered = ports.filter((port) => {
      const [syn, synAck, ...rest] = one(port);
      return record([synAck, syn, ...rest], half).reasons()[0] === null;
    });
    expect(reordered).toEqual(picked);
  });
});

test('a flood of SYNs costs a cache line each', () => {
  const syns = Array.from(
    { length: 2000 },
    (_, i): SentSegment => ({
      from: 'client',
      atMs: i,
      flags: SYN,
      clientPort: 1024 + i,
      options: synOptions(1460),
    }),
  );
  const { catalog } = record(syns);
  expect(catalog.total).toBe(2000);
  expect(catalog.records.bytes).toBe(2000 * 64);
});
