/** What wanders into a recorded connection and is none of it. */
import { describe, expect, test } from 'vitest';
import { StreamEnd } from '../../src/session/script/scripts.ts';
import { FIN, PSH, RST, SYN, synOptions } from '../helpers/packets.ts';
import { handshake, messagesOf, record, type SentSegment } from '../helpers/recording.ts';

const say = (
  from: 'client' | 'server',
  atMs: number,
  at: number,
  acked: number,
  payload = '',
  flags = payload === '' ? 0 : PSH,
): SentSegment => ({ from, atMs, at, acked, payload, flags });
const client = (...rest: [number, number, number, string?, number?]) => say('client', ...rest);
const server = (...rest: [number, number, number, string?, number?]) => say('server', ...rest);

/** Asks `ask`, is told `said`, and closes first. */
const TALK = [
  client(30, 0, 0, 'ask'),
  server(50, 0, 3, 'said'),
  client(60, 3, 4, '', FIN),
  server(70, 4, 4, '', FIN),
  client(80, 4, 5),
];
const WHOLE = [...handshake(), ...TALK];

/** Everything that is said of the sessions and does not depend on when it was captured. */
function seen(segments: readonly SentSegment[]) {
  const recording = record(segments);
  const { catalog } = recording;
  const sessions = Array.from({ length: catalog.total }, (_, session) => session);
  return {
    reasons: recording.reasons(),
    texts: sessions.map((s) => [recording.text('client', s), recording.text('server', s)]),
    turns: sessions.map((s) => catalog.turnsOf(s, 1 - catalog.serverSideOf(s))),
    speaksFirst: sessions.map((s) =>
      catalog.firstSpeakerOf(s) === catalog.serverSideOf(s) ? 'server' : 'client',
    ),
  };
}

const once = seen(WHOLE);

describe('of several SYN-ACKs that one counts which the client goes on with', () => {
  const [syn, synAck, ack] = handshake();
  const other = (atMs: number, serverIsn = 16_081_179): SentSegment => ({
    ...synAck,
    atMs,
    serverIsn,
  });
  const refusal: SentSegment = { from: 'client', atMs: 12, at: 0, flags: RST };

  test.each([
    { name: 'the first', segments: [syn, synAck, other(11), ack] },
    { name: 'the second', segments: [syn, other(5), synAck, ack] },
    { name: 'the second, with a lower number', segments: [syn, other(5, 4999), synAck, ack] },
    { name: 'the middle one of three', segments: [syn, other(5), synAck, other(11, 77), ack] },
    {
      name: 'the first, where the other comes again',
      segments: [syn, synAck, other(11), ack, other(21)],
    },
    { name: 'the first, where the other comes late', segments: [syn, synAck, ack, other(21)] },
    {
      name: 'the second, where the first comes late',
      segments: [syn, other(5), synAck, ack, other(21)],
    },
    { name: 'the one that is not refused', segments: [syn, synAck, other(11), refusal, ack] },
    {
      name: 'the one that answers a SYN come again',
      segments: [syn, other(5), { ...syn, atMs: 8 }, synAck, ack],
    },
    { name: 'the first, where the ACK was not captured', segments: [syn, synAck, other(11)] },
    { name: 'the second, where the ACK was not captured', segments: [syn, other(5), synAck] },
  ])('$name', ({ segments }) => {
    expect(seen([...segments, ...TALK])).toEqual(once);
  });

  test('also where the other comes when all is over', () => {
    expect(seen([...WHOLE, other(300)])).toEqual(once);
  });

  test('and not by what the server speaks first with', () => {
    const greeting = [server(15, 0, 0, '220 '), ...TALK.slice(0, 1)];
    expect(seen([syn, other(5), synAck, ...greeting]).texts).toEqual([['ask', '220 ']]);
  });
});

test.each([
  { name: 'a SYN', rst: [{ from: 'server' as const, atMs: 2, at: -1, acked: 0, flags: RST }] },
  {
    name: 'nothing that is known',
    rst: [{ from: 'server' as const, atMs: 31, at: 70_000_000, flags: RST }],
  },
])('a RST to $name ends nothing that goes on', ({ rst }) => {
  const [syn, ...rest] = WHOLE;
  const segments = [syn, ...rst, ...rest].sort((a, b) => a.atMs - b.atMs);
  expect(seen(segments)).toEqual(once);
  expect(record(segments).scripts().server.end[0]).toBe(StreamEnd.FIN);
});

describe('what is late of the connection before, on ports that are used again at once', () => {
  const second = { clientIsn: 201_000, serverIsn: 905_000 };
  const again = [
    ...handshake(),
    client(30, 0, 0, 'ask2'),
    server(50, 0, 4, 'other'),
    client(60, 4, 5, '', FIN),
    server(70, 5, 5, '', FIN),
  ].map((segment) => ({ ...segment, ...second, atMs: segment.atMs + 100 }));
  const both = seen([...WHOLE, ...again]);

  test('two connections are two sessions', () => {
    expect(both).toMatchObject({
      reasons: [null, null],
      texts: [
        ['ask', 'said'],
        ['ask2', 'other'],
      ],
      turns: [1, 1],
    });
  });

  const strays: Record<string, SentSegment> = {
    'an ACK of the client': client(0, 4, 5),
    'a FIN of the client': client(0, 3, 4, '', FIN),
    'a request come again': client(0, 0, 0, 'ask'),
    'a RST of the client': { from: 'client', atMs: 0, at: 4, flags: RST },
    'an ACK of the server': server(0, 4, 4),
    'a FIN of the server': server(0, 4, 4, '', FIN),
    'an answer come again': server(0, 0, 3, 'said'),
    'a RST of the server': server(0, 5, 4, '', RST),
    'its SYN': { ...handshake()[0], atMs: 0 },
    'its SYN-ACK': { ...handshake()[1], atMs: 0 },
  };
  const places = again
    .slice(0, -1)
    .flatMap((_, place) => Object.keys(strays).map((name) => ({ name, place })));
  test.each(places)('$name, behind packet $place of the next', ({ name, place }) => {
    const late = { ...strays[name], atMs: again[place].atMs + 0.01 };
    const mixed = [...WHOLE, ...again.slice(0, place + 1), late, ...again.slice(place + 1)];
    expect(seen(mixed)).toEqual(both);
  });

  test('the end of an answer is put where it belongs', () => {
    const [before, after] = [WHOLE.slice(0, 5), again.slice(0, 4)];
    const end = server(131, 4, 3, ' all');
    expect(seen([...before, ...after, end, ...again.slice(4)]).texts).toEqual([
      ['ask', 'said all'],
      ['ask2', 'other'],
    ]);
  });

  test('though the numbers of the next lie below those before', () => {
    const below = again.map((segment) => ({ ...segment, clientIsn: 0xf000_0000, serverIsn: 77 }));
    const expected = seen([...WHOLE, ...below]);
    expect(expected.texts[1]).toEqual(['ask2', 'other']);
    for (const stray of Object.values(strays)) {
      const late = { ...stray, atMs: below[3].atMs + 0.01 };
      expect(seen([...WHOLE, ...below.slice(0, 4), late, ...below.slice(4)])).toEqual(expected);
    }
  });
});

describe('padding that is counted as payload', () => {
  const bare = (from: 'client' | 'server', atMs: number, at: number, acked: number, bytes = 6) =>
    say(from, atMs, at, acked, '\0'.repeat(bytes), 0);

  test.each([1, 2, 5, 6])('of %i octets is none of the stream', (bytes) => {
    const [syn, synAck] = handshake();
    const padded = [
      syn,
      synAck,
      bare('client', 20, 0, 0, bytes),
      TALK[0],
      bare('server', 31, 0, 3, bytes),
      TALK[1],
      bare('client', 51, 3, 4, bytes),
      bare('client', 52, 3, 4, bytes),
      TALK[2],
      bare('server', 61, 4, 4, bytes),
      TALK[3],
      bare('client', 80, 4, 5, bytes),
    ];
    expect(seen(padded)).toEqual(once);
    const { client: script } = record(padded).scripts();
    expect(messagesOf(script)).toEqual([{ end: 3, awaits: 0, atMs: 30, thinkMs: 10 }]);
  });

  test('longer than what comes in its place', () => {
    expect(seen([...handshake(), bare('client', 25, 0, 0), ...TALK])).toEqual(once);
  });

  test('does not make a client speak first that is spoken to', () => {
    const [syn, synAck] = handshake();
    const talk = [server(30, 0, 0, 'hello'), bare('client', 31, 0, 5), client(40, 0, 5, 'you')];
    expect(seen([syn, synAck, bare('client', 20, 0, 0), ...talk])).toMatchObject({
      texts: [['you', 'hello']],
      speaksFirst: ['server'],
    });
  });

  test('at the end of what is open', () => {
    const end = bare('client', 51, 3, 4);
    expect(seen([...WHOLE.slice(0, 5), end, server(90, 4, 3)]).texts).toEqual([['ask', 'said']]);
  });

  test.each([
    { name: 'zeros that are acknowledged', zeros: '\0\0', acked: 5, flags: 0 },
    { name: 'zeros that are pushed', zeros: '\0\0', acked: 3, flags: PSH },
    { name: 'more zeros than a frame is padded with', zeros: '\0'.repeat(7), acked: 3, flags: 0 },
  ])('but $name are payload', ({ zeros, acked, flags }) => {
    const talk = [client(30, 0, 0, 'ask'), client(31, 3, 0, zeros, flags)];
    const { texts, turns } = seen([...handshake(), ...talk, server(50, 0, acked, 'said')]);
    expect(texts).toEqual([[`ask${zeros}`, 'said']]);
    expect(turns).toEqual([1]);
  });

  test('but zeros that more follows are payload', () => {
    const talk = [client(30, 0, 0, '\0\0', 0), client(31, 2, 0, 'ask'), server(50, 0, 5, 'said')];
    expect(seen([...handshake(), ...talk]).texts).toEqual([['\0\0ask', 'said']]);
  });
});

describe('a keep-alive probe', () => {
  const probe = (
    from: 'client' | 'server',
    atMs: number,
    at: number,
    acked: number,
    octet = '\xff',
  ) => say(from, atMs, at - 1, acked, octet, 0);

  test.each(['\0', 'x'])('with an octet of rubbish changes nothing: %j', (octet) => {
    const probed = [
      ...handshake(),
      probe('client', 21, 0, 0, octet),
      server(22, 0, 0),
      TALK[0],
      probe('server', 40, 0, 3, octet),
      TALK[1],
      probe('client', 52, 3, 4, octet),
      server(53, 4, 3),
      probe('server', 54, 4, 3, octet),
      client(55, 3, 4),
      ...TALK.slice(2),
    ];
    expect(seen(probed)).toEqual(once);
  });

  test('is no turn between two', () => {
    const talk = [
      client(30, 0, 0, 'one'),
      server(50, 0, 3, '1'),
      probe('client', 5000, 3, 1),
      server(5001, 1, 3),
      client(9000, 3, 1, 'two'),
      server(9010, 1, 6, '2'),
    ];
    expect(seen([...handshake(), ...talk]).turns).toEqual([2]);
  });

  test('in a stream with a hole fills nothing', () => {
    const talk = [client(30, 0, 0, 'a'), client(31, 2, 0, 'c'), probe('client', 40, 3, 0)];
    expect(record([...handshake(), ...talk]).reasons()).toEqual(['client-hole']);
  });
});

test('a retransmission is no turn', () => {
  const talk = [client(30, 0, 0, 'ask'), server(50, 0, 3, 'said'), client(51, 0, 0, 'ask')];
  expect(seen([...handshake(), ...talk, server(60, 4, 3, ' all')]).turns).toEqual([1]);
});

describe('SSH is skipped as what it is', () => {
  test.each([
    {
      name: 'by the client',
      talk: [client(30, 0, 0, 'SSH-2.0-x\r\n'), server(40, 0, 11, 'hello')],
    },
    {
      name: 'by the server',
      talk: [server(30, 0, 0, 'SSH-2.0-x\r\n'), client(40, 0, 11, 'hello')],
    },
  ])('$name', ({ talk }) => {
    expect(record([...handshake(), ...talk]).reasons()).toEqual(['ssh']);
  });

  test('and not what only mentions it', () => {
    const talk = [client(30, 0, 0, 'ask'), server(40, 0, 3, 'no'), client(50, 3, 2, 'SSH-2.0-x')];
    expect(record([...handshake(), ...talk]).reasons()).toEqual([null]);
  });
});

test('what only the server said is named', () => {
  const ofServer = WHOLE.filter(({ from }) => from === 'server');
  expect(record(ofServer).reasons()).toEqual(['server-only']);
});

test('a flood of SYNs to one port finds its way, too', () => {
  const syns = Array.from({ length: 500 }, (_, i): SentSegment => {
    return { from: 'client', atMs: i, flags: SYN, clientIsn: 1000 * i, options: synOptions(1460) };
  });
  expect(record(syns).catalog.total).toBe(500);
});
