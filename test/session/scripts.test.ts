/** What each side says, and when: messages, think times, ends. Times are in milliseconds. */
import { describe, expect, test } from 'vitest';
import { Protocol, StreamEnd } from '../../src/session/script/scripts.ts';
import { FIN, PSH, RST, SYN, synOptions } from '../helpers/packets.ts';
import { handshake, messagesOf, record, type SentSegment } from '../helpers/recording.ts';

/** The handshake takes 20 ms: the SYN at 0, the SYN-ACK at 10, the ACK at 20; the MSS is 1000. */
const from =
  (side: 'client' | 'server') =>
  (
    atMs: number,
    at: number,
    acked: number,
    bytes: number | string = 0,
    flags = 0,
  ): SentSegment => ({
    from: side,
    atMs,
    at,
    acked,
    flags,
    payload: typeof bytes === 'number' ? 'x'.repeat(bytes) : bytes,
  });
const client = from('client');
const server = from('server');
const scriptsOf = (...segments: readonly SentSegment[]) =>
  record([...handshake(), ...segments]).scripts();
const clientMessages = (...segments: readonly SentSegment[]) =>
  messagesOf(scriptsOf(...segments).client);

describe('a client message', () => {
  test('waits for what its side had received, then thinks', () => {
    const scripts = scriptsOf(
      client(120, 0, 0, 3),
      server(150, 0, 3, 10),
      client(151, 3, 10),
      client(400, 3, 10, 5),
      server(410, 10, 8, 1),
    );
    expect(messagesOf(scripts.client)).toEqual([
      { end: 3, awaits: 0, atMs: 120, thinkMs: 100 },
      { end: 8, awaits: 10, atMs: 400, thinkMs: 250 },
    ]);
    expect(messagesOf(scripts.server)).toEqual([
      { end: 10, awaits: 3, atMs: 150, thinkMs: 30 },
      { end: 11, awaits: 8, atMs: 410, thinkMs: 10 },
    ]);
    expect(scripts.connectNs[0]).toBe(10e6);
    expect(scripts.durationNs[0]).toBe(410e6);
  });

  test('of several full segments is one: an upload', () => {
    const upload = [0, 1, 2, 3].map((i) => client(30 + i, 1000 * i, 0, i === 3 ? 200 : 1000));
    expect(clientMessages(...upload)).toEqual([{ end: 3200, awaits: 0, atMs: 30, thinkMs: 10 }]);
  });

  test('of a frame larger than a segment is one, and the next write another', () => {
    expect(
      clientMessages(
        client(30, 0, 0, 3000),
        client(31, 3000, 0, 1000),
        client(31.5, 4000, 0, 7),
        client(32, 4007, 0, 9),
      ),
    ).toEqual([
      { end: 4007, awaits: 0, atMs: 30, thinkMs: 10 },
      { end: 4016, awaits: 0, atMs: 32, thinkMs: 2 },
    ]);
  });

  test('ends with a short segment: separate writes keep gaps below a millisecond', () => {
    expect(
      clientMessages(client(30, 0, 0, 5), client(30.25, 5, 0, 5), client(30.251, 10, 0, 5)),
    ).toEqual([
      { end: 5, awaits: 0, atMs: 30, thinkMs: 10 },
      { end: 10, awaits: 0, atMs: 30.25, thinkMs: 0.25 },
      { end: 15, awaits: 0, atMs: 30.251, thinkMs: 0.001 },
    ]);
  });

  test('ends before a pause with nothing in flight', () => {
    const acked = server(35, 0, 1000);
    // Twice the handshake's 20 ms and 10 more, counted from the acknowledgment.
    expect(clientMessages(client(30, 0, 0, 1000), acked, client(85, 1000, 0, 1000))).toHaveLength(
      1,
    );
    expect(clientMessages(client(30, 0, 0, 1000), acked, client(86, 1000, 0, 1000))).toHaveLength(
      2,
    );
  });

  test('goes on after a pause while something is in flight', () => {
    expect(clientMessages(client(30, 0, 0, 1000), client(900, 1000, 0, 1000))).toHaveLength(1);
  });

  test('ends where more has been received, though the write goes on', () => {
    expect(
      clientMessages(client(30, 0, 0, 1000), server(40, 0, 0, 5), client(50, 1000, 5, 1000)),
    ).toEqual([
      { end: 1000, awaits: 0, atMs: 30, thinkMs: 10 },
      { end: 2000, awaits: 5, atMs: 50, thinkMs: 10 },
    ]);
  });

  test('is not made by a retransmission, and has the time of the first copy', () => {
    expect(
      clientMessages(
        client(30, 0, 0, 5),
        client(300, 0, 0, 5),
        server(400, 0, 5, 7),
        client(410, 0, 7, 5),
        client(420, 5, 7, 5),
      ),
    ).toEqual([
      { end: 5, awaits: 0, atMs: 30, thinkMs: 10 },
      { end: 10, awaits: 7, atMs: 420, thinkMs: 20 },
    ]);
  });

  test('whose beginning is only there as a retransmission was sent before what follows it', () => {
    const lost = client(500, 0, 0, 1000);
    expect(clientMessages(client(31, 1000, 0, 5), lost, server(510, 0, 1005, 3))).toEqual([
      { end: 1005, awaits: 0, atMs: 31, thinkMs: 11 },
    ]);
  });

  test('acknowledges no more than the server ever said', () => {
    const fin = server(50, 3, 5, 0, FIN);
    expect(
      clientMessages(client(30, 0, 0, 5), server(40, 0, 5, 3), fin, client(60, 5, 4, 2))[1],
    ).toMatchObject({ awaits: 3 });
  });

  test('never goes back in time, whatever the clock did', () => {
    const messages = clientMessages(
      client(500, 0, 0, 5),
      server(480, 0, 5, 3),
      client(470, 5, 3, 5),
      client(600, 10, 3, 5),
    );
    expect(messages.map(({ thinkMs }) => thinkMs)).toEqual([480, 0, 100]);
    expect(messages.map(({ atMs }) => atMs)).toEqual([500, 500, 600]);
  });

  test('goes on at its pace when the clock is set back by hours', () => {
    const hours = -7_200_000;
    const messages = clientMessages(
      client(30, 0, 0, 5),
      server(50, 0, 5, 3),
      client(hours + 100, 5, 3, 5),
      client(hours + 140, 10, 3, 5),
    );
    expect(messages.map(({ thinkMs }) => thinkMs)).toEqual([10, 0, 40]);
  });
});

test('data in a SYN begins the stream', () => {
  const [syn, ...rest] = handshake();
  const scripts = record([
    { ...syn, payload: 'early' },
    ...rest,
    client(30, 5, 0, 'late'),
  ]).scripts();
  expect(messagesOf(scripts.client)).toEqual([
    { end: 5, awaits: 0, atMs: 0, thinkMs: 0 },
    { end: 9, awaits: 0, atMs: 30, thinkMs: 30 },
  ]);
});

describe('full segments are', () => {
  const sizes = (
    mss: readonly [number, number],
    timestamps: readonly [boolean, boolean],
    bytes: number,
  ) => {
    const [syn, synAck, ack] = handshake();
    return messagesOf(
      record([
        { ...syn, options: mss[0] === 0 ? [] : synOptions(mss[0], timestamps[0]) },
        { ...synAck, options: mss[1] === 0 ? [] : synOptions(mss[1], timestamps[1]) },
        ack,
        client(30, 0, 0, bytes),
        client(31, bytes, 0, bytes),
      ]).scripts().client,
    ).length;
  };
  test.each([
    {
      name: 'of the smaller MSS',
      mss: [1460, 1000] as const,
      timestamps: [false, false] as const,
      full: 1000,
    },
    {
      name: 'less timestamps, when both offer them',
      mss: [1000, 1000] as const,
      timestamps: [true, true] as const,
      full: 988,
    },
    {
      name: 'the whole, when one does not offer them',
      mss: [1000, 1000] as const,
      timestamps: [true, false] as const,
      full: 1000,
    },
    {
      name: '536 when one offers no MSS',
      mss: [1460, 0] as const,
      timestamps: [false, false] as const,
      full: 536,
    },
  ])('$name', ({ mss, timestamps, full }) => {
    expect(sizes(mss, timestamps, full)).toBe(1);
    expect(sizes(mss, timestamps, 2 * full)).toBe(1);
    expect(sizes(mss, timestamps, full - 1)).toBe(2);
  });
});

describe('the end of a stream', () => {
  const talk = [client(30, 0, 0, 5), server(50, 0, 5, 3)];
  const ends = (...segments: readonly SentSegment[]) => {
    const scripts = scriptsOf(...talk, ...segments);
    const end = (stream: typeof scripts.client) => ({
      end: stream.end[0],
      awaits: stream.endAwait[0],
      afterPeer: stream.endAfterPeer[0],
      atMs: stream.endOffsetNs[0] / 1e6,
      thinkMs: stream.endThinkNs[0] / 1e6,
    });
    return { client: end(scripts.client), server: end(scripts.server) };
  };

  test('the client closes first', () => {
    expect(ends(client(80, 5, 3, 0, FIN), server(95, 3, 6, 0, FIN))).toEqual({
      client: { end: StreamEnd.FIN, awaits: 3, afterPeer: 0, atMs: 80, thinkMs: 30 },
      server: { end: StreamEnd.FIN, awaits: 5, afterPeer: 1, atMs: 95, thinkMs: 15 },
    });
  });

  test('the server closes first', () => {
    expect(ends(server(70, 3, 5, 0, FIN), client(95, 5, 4, 0, FIN))).toEqual({
      client: { end: StreamEnd.FIN, awaits: 3, afterPeer: 1, atMs: 95, thinkMs: 25 },
      server: { end: StreamEnd.FIN, awaits: 5, afterPeer: 0, atMs: 70, thinkMs: 20 },
    });
  });

  test('both close at once: neither had seen the other', () => {
    const { client: ofClient, server: ofServer } = ends(
      server(70, 3, 5, 0, FIN),
      client(71, 5, 3, 0, FIN),
    );
    expect([ofClient.afterPeer, ofServer.afterPeer]).toEqual([0, 0]);
  });

  test('a retransmitted FIN has the time of the first', () => {
    expect(ends(client(80, 5, 3, 0, FIN), client(300, 5, 3, 0, FIN)).client.atMs).toBe(80);
  });

  test('a FIN with data ends with its data', () => {
    expect(ends(client(80, 5, 3, 4, FIN)).client).toMatchObject({
      end: StreamEnd.FIN,
      atMs: 80,
      thinkMs: 0,
    });
  });

  test('a RST after a FIN changes nothing', () => {
    expect(ends(client(80, 5, 3, 0, FIN), client(90, 6, 3, 0, RST)).client).toMatchObject({
      end: StreamEnd.FIN,
      atMs: 80,
    });
  });

  test('a RST without an ACK waits for what had been captured', () => {
    const reset: SentSegment = { from: 'client', atMs: 80, at: 5, flags: RST };
    expect(ends(server(60, 3, 5, 4), reset).client).toEqual({
      end: StreamEnd.RST,
      awaits: 7,
      afterPeer: 0,
      atMs: 80,
      thinkMs: 20,
    });
  });

  test('the capture ends first: open', () => {
    expect(ends().server).toEqual({
      end: StreamEnd.OPEN,
      awaits: 0,
      afterPeer: 0,
      atMs: 50,
      thinkMs: 0,
    });
  });
});

describe('sessions', () => {
  const at = (startMs: number, clientPort: number, ...segments: readonly SentSegment[]) =>
    [...handshake(), ...segments].map((segment) => ({
      ...segment,
      atMs: segment.atMs + startMs,
      clientPort,
    }));

  test('start at their SYNs, counted from the first replayable one', () => {
    const scripts = record([
      ...at(0, 1111),
      ...at(100, 2222, client(30, 0, 0, 5)),
      ...at(350, 3333, client(30, 0, 0, 5)),
    ]).scripts();
    expect([...scripts.startNs]).toEqual([0, 250e6]);
  });

  test('keep the order of the capture when the clock goes back a little', () => {
    const scripts = record([
      ...at(100, 2222, client(30, 0, 0, 5)),
      ...at(90, 3333, client(30, 0, 0, 5)),
    ]).scripts();
    expect([...scripts.startNs]).toEqual([0, 0]);
  });

  test('with a retransmitted SYN start with the first, and connect when it is answered', () => {
    const [syn, ...rest] = handshake();
    const later = [...rest, client(30, 0, 0, 1000)].map((s) => ({ ...s, atMs: s.atMs + 1000 }));
    // The round trip is not counted from the first SYN: a pause of 60 ms is one.
    const { connectNs, client: stream } = record([
      syn,
      { ...syn, atMs: 1000 },
      ...later,
      server(1035, 0, 1000),
      client(1100, 1000, 0, 9),
    ]).scripts();
    expect(connectNs[0]).toBe(1010e6);
    expect(messagesOf(stream)).toHaveLength(2);
  });

  test.each([
    { name: 'HTTP', text: 'GET / HTTP/1.1\r\nHost: x\r\n\r\n', protocol: Protocol.HTTP1 },
    {
      name: 'HTTP after an empty line',
      text: '\r\nPOST /a HTTP/1.0\n\n',
      protocol: Protocol.HTTP1,
    },
    { name: 'HTTP/2', text: 'PRI * HTTP/2.0\r\n\r\n', protocol: Protocol.UNKNOWN },
    { name: 'SMTP', text: 'EHLO x\r\n', protocol: Protocol.UNKNOWN },
    { name: 'octets', text: '\x01\x02GET / HTTP/1.1\r\n', protocol: Protocol.UNKNOWN },
    { name: 'half a line', text: 'GET /', protocol: Protocol.UNKNOWN },
  ])('are recognised by how the client begins: $name', ({ text, protocol }) => {
    expect([...scriptsOf(client(30, 0, 0, text)).protocol]).toEqual([protocol]);
    const letters = [...text].map((letter, i) => client(30 + i, i, 0, letter));
    expect([...scriptsOf(...letters).protocol]).toEqual([protocol]);
  });
});

describe('what is not whole is played in part where that is asked for', () => {
  const exchange = (i: number, atMs: number): SentSegment[] => [
    client(atMs, 10 * i, 20 * i, `request ${i}!`, PSH),
    server(atMs + 10, 20 * i, 10 * i + 10, 'this is the answer.\n', PSH),
  ];
  const talk = [...handshake(), ...exchange(0, 100), ...exchange(1, 200), ...exchange(2, 300)];

  test('a mid-stream session from its first whole turn', () => {
    const recording = record(talk.slice(4), { include: ['mid-stream'] });
    expect(recording.reasons()).toEqual([null]);
    expect(recording.text('client')).toBe('request 1!request 2!');
    expect(recording.text('server')).toBe('this is the answer.\n'.repeat(2));
    expect(messagesOf(recording.scripts().client)).toEqual([
      { end: 10, awaits: 0, atMs: 0, thinkMs: 0 },
      { end: 20, awaits: 20, atMs: 100, thinkMs: 90 },
    ]);
  });

  test('a mid-stream session without a whole turn is not', () => {
    expect(record(talk.slice(7), { include: ['mid-stream'] }).reasons()).toEqual(['no-syn']);
  });

  test('one with a hole in the requests up to the turn before', () => {
    const holed = talk.filter((_, i) => i !== 5);
    const recording = record(holed, { include: ['holed'] });
    expect(recording.reasons()).toEqual([null]);
    expect(recording.text('client')).toBe('request 0!');
    const { client: stream } = recording.scripts();
    expect([stream.end[0], stream.endAwait[0]]).toEqual([StreamEnd.FIN, 20]);
  });

  test('one with a hole in the first request is not', () => {
    expect(
      record(
        talk.filter((_, i) => i !== 3),
        { include: ['holed'] },
      ).reasons(),
    ).toEqual(['client-hole']);
  });

  test('one with a hole in the answers as a whole, with something in its place', () => {
    const recording = record(
      talk.filter((_, i) => i !== 6),
      { include: ['holed'] },
    );
    expect(recording.reasons()).toEqual([null]);
    expect(recording.text('client')).toBe('request 0!request 1!request 2!');
    expect(recording.text('server')).toHaveLength(60);
  });

  test.each([60, 54])(
    'one whose answers were cut after %i octets, without being asked',
    (bytes) => {
      const cut = talk.map((s) =>
        s.from === 'server' && s.payload ? { ...s, capturedBytes: bytes } : s,
      );
      const whole = record(talk).scripts();
      const recording = record(cut);
      expect(recording.reasons()).toEqual([null]);
      expect(recording.text('server')).toHaveLength(60);
      expect(recording.text('server').slice(0, bytes - 54)).toBe('this i'.slice(0, bytes - 54));
      const scripts = recording.scripts();
      expect(messagesOf(scripts.client)).toEqual(messagesOf(whole.client));
      expect(messagesOf(scripts.server)).toEqual(messagesOf(whole.server));
    },
  );

  test('cut answers whose end was lost need to be asked for', () => {
    const cut = talk.map((s) =>
      s.from === 'server' && s.payload ? { ...s, capturedBytes: 60 } : s,
    );
    const lost = cut.filter((_, i) => i !== 6);
    expect(record(lost).reasons()).toEqual(['server-hole']);
    expect(record(lost, { include: ['holed'] }).reasons()).toEqual([null]);
  });

  test('lost answers answer what the client had said before it spoke again', () => {
    const recording = record(
      talk.filter((_, i) => i !== 4 && i !== 6),
      { include: ['holed'] },
    );
    expect(recording.reasons()).toEqual([null]);
    expect(messagesOf(recording.scripts().server)).toMatchObject([
      { end: 20, awaits: 10 },
      { end: 40, awaits: 20 },
      { end: 60, awaits: 30 },
    ]);
  });

  test('but not what was never answered, or is encrypted', () => {
    const include = ['mid-stream', 'holed'] as const;
    expect(record([{ from: 'client', atMs: 0, flags: SYN }], { include }).reasons()).toEqual([
      'no-syn-ack',
    ]);
  });
});

describe('where only the client was captured, when that is asked for', () => {
  const ofClient = (segments: readonly SentSegment[]) =>
    segments.filter((segment) => segment.from === 'client');
  const include = ['one-sided'] as const;
  /** Two turns, answered with 4000 and 240 octets. */
  const talk = [
    ...handshake(),
    client(30, 0, 0, 'first?'),
    server(50, 0, 6, 4000),
    client(51, 6, 4000),
    client(80, 6, 4000, 'next?'),
    server(90, 4000, 11, 240),
    client(91, 11, 4240),
  ];
  const closed = {
    byClient: [client(100, 11, 4240, 0, FIN), server(101, 4240, 12, 0, FIN), client(102, 12, 4241)],
    byServer: [
      server(100, 4240, 11, 0, FIN),
      client(101, 11, 4241),
      client(102, 11, 4241, 0, FIN),
      server(103, 4241, 12),
    ],
    byReset: [client(100, 11, 4240, 0, RST)],
    not: [],
  };

  test.each([
    { how: 'byClient', client: [StreamEnd.FIN, 4240, 0], server: [StreamEnd.FIN, 11, 1] },
    { how: 'byServer', client: [StreamEnd.FIN, 4240, 1], server: [StreamEnd.FIN, 11, 0] },
    { how: 'byReset', client: [StreamEnd.RST, 4240, 0], server: [StreamEnd.OPEN, 0, 0] },
    { how: 'not', client: [StreamEnd.OPEN, 0, 0], server: [StreamEnd.OPEN, 0, 0] },
  ] as const)('acknowledgments tell turns and answers; closed $how', ({ how, ...ends }) => {
    const recording = record(ofClient([...talk, ...closed[how]]), { include });
    expect(recording.reasons()).toEqual([null]);
    expect(recording.text('client')).toBe('first?next?');
    expect(recording.catalog.turnsOf(0, 0)).toBe(2);
    const scripts = recording.scripts();
    expect(messagesOf(scripts.client)).toEqual([
      { end: 6, awaits: 0, atMs: 30, thinkMs: 10 },
      { end: 11, awaits: 4000, atMs: 80, thinkMs: 50 },
    ]);
    expect(messagesOf(scripts.server)).toMatchObject([
      { end: 4000, awaits: 6 },
      { end: 4240, awaits: 11 },
    ]);
    for (const side of ['client', 'server'] as const) {
      const { end, endAwait, endAfterPeer } = scripts[side];
      expect([end[0], endAwait[0], endAfterPeer[0]]).toEqual(ends[side]);
    }
    expect(scripts.areAnswersUnheard?.[0]).toBe(1);
  });

  test('a server may have spoken first', () => {
    const greeted = [...handshake(), server(25, 0, 0, 9), client(26, 0, 9), client(40, 0, 9, 'hi')];
    const recording = record(ofClient(greeted), { include });
    expect(recording.catalog.firstSpeakerOf(0)).toBe(1);
    expect(messagesOf(recording.scripts().client)).toMatchObject([{ end: 2, awaits: 9 }]);
    expect(messagesOf(recording.scripts().server)).toMatchObject([{ end: 9, awaits: 0 }]);
  });

  test.each([
    { name: 'without being asked', segments: ofClient(talk), options: {}, reason: 'one-sided' },
    {
      name: 'where some of the client is missing',
      segments: ofClient(talk).filter((_, i) => i !== 2),
      options: { include },
      reason: 'client-hole',
    },
    {
      name: 'where nobody ever answered',
      segments: ofClient(handshake()).slice(0, 1),
      options: { include },
      reason: 'no-syn-ack',
    },
  ])('but not $name', ({ segments, options, reason }) => {
    expect(record(segments, options).reasons()).toEqual([reason]);
  });

  test('sessions with both sides know their answers', () => {
    expect(record(talk, { include }).scripts().areAnswersUnheard).toBeUndefined();
  });
});

describe('what the client offered', () => {
  const sackPermitted = [4, 2, 1, 1];
  const offering = (port: number, options: readonly number[]) =>
    [...handshake({ clientPort: port }), { ...client(30, 0, 0, 'hi'), clientPort: port }].map(
      (segment) =>
        segment.from === 'client' && segment.flags === SYN
          ? { ...segment, options: [...synOptions(1000), ...options] }
          : segment,
    );

  test('SACK is known for each session whose SYN was captured', () => {
    const both = [...offering(1000, sackPermitted), ...offering(1001, [])];
    expect(record(both).scripts().isSackLeftOut).toEqual(Uint8Array.of(0, 1));
    expect(record(offering(1000, sackPermitted)).scripts().isSackLeftOut).toBeUndefined();
  });
});
