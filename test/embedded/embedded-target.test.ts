import { describe, expect, test } from 'vitest';
import { PREFIX_BYTES } from '../../src/base/prefix-bytes.ts';
import { NEVER_NS, NS_PER_MS, NS_PER_SECOND } from '../../src/base/time.ts';
import { Counter } from '../../src/measure/counters.ts';
import { StreamEnd } from '../../src/session/script/scripts.ts';
import { OptionsKind } from '../../src/wire/frame-writer.ts';
import { ACK, FIN, PSH, RST, SYN } from '../../src/wire/tcp.ts';
import { type RecordedSession, randomOctets, said } from '../helpers/recorded.ts';
import { CLIENT_ISS, CLIENT_PORT, ScriptedClient } from './scripted-client.ts';

const ASK = 'GET / HTTP/1.1\r\n\r\n';
const ANSWER = 'HTTP/1.1 200 OK\r\n\r\n';
const WEB: RecordedSession = {
  messages: [said('client', ASK), said('server', ANSWER, 3 * NS_PER_MS)],
  clientEnd: { how: StreamEnd.FIN },
  serverEnd: { how: StreamEnd.FIN, afterPeer: true },
};
const SEQ = CLIENT_ISS + 1;

describe('the handshake', () => {
  test('the SYN-ACK comes after the recorded delay, divided by the acceleration', () => {
    const client = new ScriptedClient([{ ...WEB, connectNs: 40 * NS_PER_MS }], { accel: 4 });
    expect(client.send({ seq: CLIENT_ISS, flags: SYN })).toEqual([]);
    const packets = client.wait(NS_PER_SECOND / 2);
    expect(packets).toHaveLength(1);
    expect(packets[0]).toMatchObject({
      atNs: 10 * NS_PER_MS,
      flags: SYN | ACK,
      ack: SEQ,
      srcPort: 80,
      dstPort: CLIENT_PORT,
    });
  });

  test('options are agreed: what the SYN offers is answered, with our own MSS and scale', () => {
    const client = new ScriptedClient([WEB], { mss: 1200, windowBytes: 1 << 20 });
    const [synAck] = client.send({
      seq: CLIENT_ISS,
      flags: SYN,
      optionsKind: OptionsKind.SYN,
      tsVal: 99,
    });
    expect(synAck.options).toMatchObject({
      mss: 1200,
      windowScale: 5,
      hasTimestamps: true,
      tsEcr: 99,
    });
    expect(synAck.window).toBe(0xffff);
  });

  test('a SYN without options gets the MSS alone, and no segment is over 536 octets', () => {
    const body = { from: 'server', octets: randomOctets(2000, 1) } as const;
    const client = new ScriptedClient([{ messages: [body] }], { mergedBytesMax: 0 });
    const synAck = client.connect();
    expect(synAck.options).toMatchObject({ mss: 1460, windowScale: -1, hasTimestamps: false });
    expect(client.seen.map(({ payloadBytes }) => payloadBytes)).toEqual([536, 536, 536, 392]);
  });

  test('a SYN-ACK that is not answered is repeated with doubling pauses, then given up', () => {
    const client = new ScriptedClient([WEB]);
    client.send({ seq: CLIENT_ISS, flags: SYN });
    const seconds = client.wait(200 * NS_PER_SECOND).map(({ atNs }) => atNs / NS_PER_SECOND);
    expect(seconds).toEqual([1, 3, 7, 15, 31]);
    expect(client.target.nextDueNs()).toBe(NEVER_NS);
    expect(client.target.countUnfinished()).toBe(0);
  });

  test('a repeated SYN is answered with the same SYN-ACK', () => {
    const client = new ScriptedClient([WEB]);
    const [first] = client.send({ seq: CLIENT_ISS, flags: SYN });
    const [again] = client.send({ seq: CLIENT_ISS, flags: SYN });
    expect(again).toMatchObject({ seq: first.seq, ack: first.ack, flags: SYN | ACK });
  });

  test('an acknowledgement of something else does not open the connection', () => {
    const client = new ScriptedClient([{ messages: [said('server', 'hello')] }]);
    const [synAck] = client.send({ seq: CLIENT_ISS, flags: SYN });
    expect(client.send({ seq: SEQ, ack: synAck.seq + 2, flags: ACK })).toEqual([]);
    expect(client.send({ seq: SEQ, ack: synAck.seq + 1, flags: ACK })).toMatchObject([
      { text: 'hello' },
    ]);
  });

  test('an RST in answer to the SYN-ACK ends it', () => {
    const client = new ScriptedClient([WEB]);
    client.send({ seq: CLIENT_ISS, flags: SYN });
    client.send({ seq: SEQ, flags: RST });
    expect(client.target.countUnfinished()).toBe(0);
  });

  test('IPv6 is answered in kind', () => {
    const client = new ScriptedClient([WEB], { family: 6 });
    const synAck = client.connect({ optionsKind: OptionsKind.SYN });
    expect(synAck).toMatchObject({ flags: SYN | ACK, ack: SEQ });
    expect(client.counters[Counter.EMBEDDED_BAD_CHECKSUM]).toBe(0);
  });
});

describe('a session', () => {
  test('the answer comes after its think time and is the recorded one', () => {
    const client = new ScriptedClient([WEB], { accel: 2 });
    const { seq } = client.connect();
    client.wait(5 * NS_PER_MS);
    expect(client.send({ seq: SEQ, ack: seq + 1, flags: ACK | PSH, bytes: ASK.length })).toEqual(
      [],
    );
    expect(client.wait(NS_PER_SECOND / 2)).toMatchObject([
      {
        atNs: 6.5 * NS_PER_MS,
        flags: ACK | PSH,
        seq: seq + 1,
        ack: (SEQ + ASK.length) | 0,
        text: ANSWER,
        payloadBytes: ANSWER.length,
      },
    ]);
    expect(client.counters[Counter.EMBEDDED_OCTETS_CHECKED]).toBe(ASK.length);
  });

  test('a greeting needs no question', () => {
    const client = new ScriptedClient([
      { messages: [said('server', '220 ready', NS_PER_MS), said('client', 'QUIT')] },
    ]);
    client.connect();
    expect(client.wait(NS_PER_SECOND / 2)).toMatchObject([{ atNs: NS_PER_MS, text: '220 ready' }]);
  });

  test('messages that wait for nothing follow each other by their think times', () => {
    const client = new ScriptedClient([
      {
        messages: [
          said('server', 'one', NS_PER_MS),
          said('server', 'two', 2 * NS_PER_MS),
          said('server', 'three'),
        ],
      },
    ]);
    const { seq } = client.connect();
    const packets = client.wait(NS_PER_SECOND / 2);
    expect(packets.map(({ atNs, text }) => [atNs / NS_PER_MS, text])).toEqual([
      [1, 'one'],
      [3, 'twothree'],
    ]);
    expect(packets[1].seq).toBe(seq + 4);
  });

  test('an answer that is due later than 40 ms does not hold the acknowledgement back', () => {
    const client = new ScriptedClient([
      { messages: [said('client', ASK), said('server', ANSWER, 50 * NS_PER_MS)] },
    ]);
    const { seq } = client.connect();
    const packets = client.send({ seq: SEQ, ack: seq + 1, flags: ACK | PSH, bytes: ASK.length });
    expect(packets).toMatchObject([{ flags: ACK, ack: (SEQ + ASK.length) | 0, payloadBytes: 0 }]);
  });

  test('a large answer comes in merged packets of whole segments; of each a prefix is there', () => {
    const octets = randomOctets(100_000, 3);
    const client = new ScriptedClient([{ messages: [{ from: 'server', octets }] }]);
    client.connect({ optionsKind: OptionsKind.SYN, window: 0xffff });
    const mss = 1460 - 12;
    const sizes = client.seen.map(({ payloadBytes }) => payloadBytes);
    expect(sizes).toEqual([45 * mss, 100_000 - 45 * mss]);
    const expected = new TextDecoder('latin1').decode(octets.subarray(0, PREFIX_BYTES));
    expect(client.seen[0].text).toBe(expected);
  });

  test('the window limits what is in flight, and its opening lets the rest go', () => {
    const octets = randomOctets(5000, 3);
    const client = new ScriptedClient([{ messages: [{ from: 'server', octets }] }]);
    const { seq } = client.connect({ window: 2000 });
    expect(client.seen.map(({ payloadBytes }) => payloadBytes)).toEqual([2000]);
    const more = client.send({ seq: SEQ, ack: seq + 2001, flags: ACK, window: 500 });
    expect(more).toMatchObject([{ seq: seq + 2001, payloadBytes: 500 }]);
  });

  test('a shut window is probed, and the answer goes on when it opens', () => {
    const octets = randomOctets(3000, 3);
    const client = new ScriptedClient([{ messages: [{ from: 'server', octets }] }], {
      mergedBytesMax: 0,
    });
    const { seq } = client.connect({ window: 1000 });
    client.send({ seq: SEQ, ack: seq + 1001, flags: ACK, window: 0 });
    const probes = client.wait(4 * NS_PER_SECOND);
    expect(probes.map(({ payloadBytes }) => payloadBytes)).toEqual([1, 1]);
    const packets = client.send({ seq: SEQ, ack: seq + 1001, flags: ACK, window: 9000 });
    expect(packets.map(({ seq: at, payloadBytes }) => [at - seq - 1, payloadBytes])).toEqual([
      [1000, 536],
      [1536, 536],
      [2072, 536],
      [2608, 392],
    ]);
  });
});

describe('what the client sends is checked', () => {
  const UPLOAD: RecordedSession = { messages: [{ from: 'client', octets: randomOctets(6000, 9) }] };
  const data = (client: ScriptedClient, seq: number, from: number, bytes: number) =>
    client.send({ seq: SEQ + from, ack: seq + 1, flags: ACK, from, bytes });

  test.each([4, 6] as const)(
    'a bad checksum is counted, and the frame is as if lost (IPv%i)',
    (family) => {
      const client = new ScriptedClient([UPLOAD], { family });
      const { seq } = client.connect();
      const { batch } = client.target;
      const headerBytes = (family === 4 ? 20 : 40) + 20;
      // Every octet of the header, one at a time; those that only mean something else stay wrong too.
      for (let at = 0; at < headerBytes; at++) {
        client.write({ seq: SEQ, ack: seq + 1, flags: ACK, bytes: 100 });
        batch.headers[at] ^= 0x01;
        client.target.flush();
      }
      // No sum covers the traffic class, flow label and hop limit of IPv6.
      const unseen = family === 4 ? 0 : 5;
      expect(client.counters[Counter.EMBEDDED_BAD_CHECKSUM]).toBe(headerBytes - unseen);
    },
  );

  test('a payload whose octets are not those the checksum was made for is counted', () => {
    const client = new ScriptedClient([UPLOAD]);
    const { seq } = client.connect();
    client.write({ seq: SEQ, ack: seq + 1, flags: ACK, bytes: 100 });
    client.target.batch.extentOffset[0]++;
    client.target.flush();
    expect(client.counters[Counter.EMBEDDED_BAD_CHECKSUM]).toBe(1);
    expect(client.counters[Counter.EMBEDDED_OCTETS_CHECKED]).toBe(0);
  });

  test('fewer octets than the header declares is a bad frame', () => {
    const client = new ScriptedClient([UPLOAD]);
    const { seq } = client.connect();
    client.write({ seq: SEQ, ack: seq + 1, flags: ACK, bytes: 100 });
    client.target.batch.extentCount[0] = 0;
    client.target.flush();
    expect(client.counters[Counter.EMBEDDED_BAD_CHECKSUM]).toBe(1);
  });

  test('octets with a good checksum from a wrong place of the stream are counted one by one', () => {
    const client = new ScriptedClient([UPLOAD], {}, { extentBytesMax: 6000 });
    const { seq } = client.connect();
    const { scripts, capture } = client.recorded;
    const right = scripts.client.extentOffset[0];
    const wrong = Array.from({ length: 100 }, (_, i) => i).filter(
      (i) => capture.octets[right + i] !== capture.octets[right + i + 500],
    ).length;
    client.send({ seq: SEQ, ack: seq + 1, flags: ACK, captureOffset: right + 500, bytes: 100 });
    expect(client.counters[Counter.EMBEDDED_BAD_OCTETS]).toBe(wrong);
    expect(client.counters[Counter.EMBEDDED_OCTETS_CHECKED]).toBe(100 - wrong);
  });

  test('octets past the end of the recorded stream are wrong', () => {
    const client = new ScriptedClient([{ messages: [said('client', 'abc')] }]);
    const { seq } = client.connect();
    const captureOffset = client.recorded.scripts.client.extentOffset[0];
    client.send({ seq: SEQ, ack: seq + 1, flags: ACK, captureOffset: captureOffset - 1, bytes: 4 });
    client.send({ seq: SEQ + 4, ack: seq + 1, flags: ACK, captureOffset, bytes: 2 });
    expect(client.counters[Counter.EMBEDDED_BAD_OCTETS]).toBe(4 + 2);
  });

  test('every octet counts once, in whatever pieces and order the stream comes', () => {
    const client = new ScriptedClient([UPLOAD], {}, { extentBytesMax: 300 });
    const { seq } = client.connect();
    for (const [from, bytes] of [
      [0, 500],
      [1000, 500],
      [900, 200],
      [1500, 300],
      [0, 100],
      [400, 700],
      [1700, 1000],
      [2700, 1000],
      [3700, 1000],
      [4700, 1000],
      [5000, 1000],
    ]) {
      data(client, seq, from, bytes);
    }
    const [last] = client.send({ seq: SEQ + 6000, ack: seq + 1, flags: ACK | FIN });
    expect(last.ack).toBe((SEQ + 6001) | 0);
    expect(client.counters[Counter.EMBEDDED_OCTETS_CHECKED]).toBe(6000);
    expect(client.counters[Counter.EMBEDDED_BAD_OCTETS]).toBe(0);
  });

  test('octets over a hole are acknowledged only up to the hole, at once', () => {
    const client = new ScriptedClient([UPLOAD]);
    const { seq } = client.connect();
    expect(data(client, seq, 1000, 500)).toMatchObject([{ ack: SEQ, flags: ACK }]);
    expect(data(client, seq, 1500, 500)).toMatchObject([{ ack: SEQ, flags: ACK }]);
    expect(data(client, seq, 0, 1000)).toMatchObject([{ ack: (SEQ + 2000) | 0 }]);
  });

  test('every second segment is acknowledged at once, where an answer is due soon', () => {
    const client = new ScriptedClient([
      { messages: [{ ...said('server', 'ok', NS_PER_MS), awaits: 0 }, ...UPLOAD.messages] },
    ]);
    const { seq } = client.connect();
    expect(data(client, seq, 0, 500)).toEqual([]);
    expect(data(client, seq, 500, 500)).toMatchObject([{ ack: (SEQ + 1000) | 0, payloadBytes: 0 }]);
    expect(data(client, seq, 1000, 500)).toEqual([]);
    expect(client.wait(NS_PER_MS)).toMatchObject([{ ack: (SEQ + 1500) | 0, text: 'ok' }]);
  });

  test.each([
    { name: 'before the window', seq: SEQ - 10, bytes: 5 },
    { name: 'behind the window', seq: SEQ + (1 << 20), bytes: 1 },
    { name: 'a keep-alive probe', seq: SEQ - 1, bytes: 0 },
  ])('a segment that lies $name is answered with an acknowledgement and dropped', (sent) => {
    const client = new ScriptedClient([UPLOAD]);
    const { seq } = client.connect();
    const packets = client.send({ ...sent, ack: seq + 1, flags: ACK });
    expect(packets).toMatchObject([{ ack: SEQ, flags: ACK, payloadBytes: 0 }]);
    expect(client.counters[Counter.EMBEDDED_OCTETS_CHECKED]).toBe(0);
  });

  test('a segment with an older timestamp than the last is answered and dropped (PAWS)', () => {
    const client = new ScriptedClient([UPLOAD]);
    const { seq } = client.connect({ optionsKind: OptionsKind.SYN, tsVal: 1000 });
    const sent = {
      seq: SEQ,
      ack: seq + 1,
      flags: ACK,
      bytes: 10,
      optionsKind: OptionsKind.TIMESTAMPS,
    };
    expect(client.send({ ...sent, tsVal: 999 })).toMatchObject([{ ack: SEQ }]);
    expect(client.send({ ...sent, tsVal: 1000 })).toMatchObject([{ ack: (SEQ + 10) | 0 }]);
  });

  test('a frame from an address that no client has is counted as not sent', () => {
    const client = new ScriptedClient([WEB], { users: 2 });
    expect(client.send({ seq: CLIENT_ISS, flags: SYN, user: 2 })).toEqual([]);
    expect(client.counters[Counter.UNSENT_OTHER]).toBe(1);
  });
});

describe('the end', () => {
  const both = (
    clientEnd: StreamEnd,
    serverEnd: StreamEnd,
    afterPeer = false,
  ): RecordedSession => ({
    messages: [said('client', 'ask'), said('server', 'answer')],
    clientEnd: { how: clientEnd },
    serverEnd: { how: serverEnd, afterPeer, thinkNs: NS_PER_MS },
  });
  /** Asks and is answered. */
  const talked = (session: RecordedSession): [ScriptedClient, number] => {
    const client = new ScriptedClient([session]);
    const { seq } = client.connect();
    client.send({ seq: SEQ, ack: seq + 1, flags: ACK, bytes: 3 });
    return [client, seq + 7];
  };

  test('the client ends first: CLOSE-WAIT, LAST-ACK, CLOSED', () => {
    const [client, ack] = talked(both(StreamEnd.FIN, StreamEnd.FIN, true));
    expect(client.send({ seq: SEQ + 3, ack, flags: ACK | FIN })).toMatchObject([{ flags: ACK }]);
    const [fin] = client.wait(client.nowNs + NS_PER_MS);
    expect(fin).toMatchObject({ flags: ACK | FIN, seq: ack, ack: SEQ + 4 });
    client.send({ seq: SEQ + 4, ack: ack + 1, flags: ACK });
    expect(client.target.countUnfinished()).toBe(0);
    expect(client.target.nextDueNs()).toBe(NEVER_NS);
  });

  test('the server ends first: FIN-WAIT-1, FIN-WAIT-2, TIME-WAIT, in which a FIN is acknowledged again', () => {
    const [client, ack] = talked(both(StreamEnd.FIN, StreamEnd.FIN));
    expect(client.wait(client.nowNs + NS_PER_MS)).toMatchObject([{ flags: ACK | FIN, seq: ack }]);
    client.send({ seq: SEQ + 3, ack: ack + 1, flags: ACK });
    const fin = { seq: SEQ + 3, ack: ack + 1, flags: ACK | FIN };
    expect(client.send(fin)).toMatchObject([{ flags: ACK, ack: SEQ + 4 }]);
    expect(client.send(fin)).toMatchObject([{ flags: ACK, ack: SEQ + 4 }]);
    expect(client.target.nextDueNs()).toBe(NEVER_NS);
  });

  test('both end at once: CLOSING', () => {
    const [client, ack] = talked(both(StreamEnd.FIN, StreamEnd.FIN));
    client.wait(client.nowNs + NS_PER_MS);
    // Its FIN crosses ours: it does not acknowledge it.
    expect(client.send({ seq: SEQ + 3, ack, flags: ACK | FIN })).toMatchObject([
      { flags: ACK, ack: SEQ + 4 },
    ]);
    client.send({ seq: SEQ + 4, ack: ack + 1, flags: ACK });
    expect(client.target.nextDueNs()).toBe(NEVER_NS);
  });

  test('a FIN that is not acknowledged is sent again', () => {
    const [client, ack] = talked(both(StreamEnd.FIN, StreamEnd.FIN));
    client.send({ seq: SEQ + 3, ack, flags: ACK });
    const fins = client.wait(client.nowNs + 3.5 * NS_PER_SECOND);
    expect(fins).toMatchObject([{ flags: ACK | FIN, seq: ack }, { seq: ack }, { seq: ack }]);
  });

  test('FIN and data come in one segment, both ways', () => {
    const session: RecordedSession = {
      messages: [said('client', 'ask'), said('server', 'answer')],
      serverEnd: { how: StreamEnd.FIN },
    };
    const client = new ScriptedClient([session]);
    const { seq } = client.connect();
    const packets = client.send({ seq: SEQ, ack: seq + 1, flags: ACK | FIN, bytes: 3 });
    expect(packets).toMatchObject([{ flags: ACK | PSH | FIN, ack: SEQ + 4, text: 'answer' }]);
    expect(client.counters[Counter.EMBEDDED_OCTETS_CHECKED]).toBe(3);
  });

  test('half-closed: what is still to be said is said', () => {
    const session: RecordedSession = {
      messages: [
        said('client', 'ask'),
        said('server', 'late', NS_PER_SECOND / 2),
        said('server', 'later', NS_PER_SECOND / 4),
      ],
      serverEnd: { how: StreamEnd.FIN, afterPeer: true },
    };
    const client = new ScriptedClient([session]);
    const { seq } = client.connect();
    expect(client.send({ seq: SEQ, ack: seq + 1, flags: ACK | FIN, bytes: 3 })).toMatchObject([
      { flags: ACK, ack: SEQ + 4 },
    ]);
    const packets = client.wait(0.9 * NS_PER_SECOND);
    expect(packets.map(({ text, flags }) => [text, flags])).toEqual([
      ['late', ACK | PSH],
      ['later', ACK | PSH | FIN],
    ]);
  });

  test('a recorded RST is sent, with the number that the client expects', () => {
    const [client, ack] = talked(both(StreamEnd.FIN, StreamEnd.RST));
    expect(client.wait(client.nowNs + NS_PER_MS)).toMatchObject([{ flags: RST | ACK, seq: ack }]);
    expect(client.target.countUnfinished()).toBe(0);
  });

  test('a stream that was recorded open stays open, and closes when the client does', () => {
    const [client, ack] = talked(both(StreamEnd.OPEN, StreamEnd.OPEN));
    expect(client.send({ seq: SEQ + 3, ack, flags: ACK })).toEqual([]);
    expect(client.target.nextDueNs()).toBe(NEVER_NS);
    expect(client.send({ seq: SEQ + 3, ack, flags: ACK | FIN })).toMatchObject([
      { flags: ACK | FIN, ack: SEQ + 4 },
    ]);
  });

  test('a client that ends before it has asked gets a FIN, not the answer', () => {
    const client = new ScriptedClient([WEB]);
    const { seq } = client.connect();
    const packets = client.send({ seq: SEQ, ack: seq + 1, flags: ACK | FIN });
    expect(packets).toMatchObject([{ flags: ACK | FIN, seq: seq + 1, payloadBytes: 0 }]);
  });

  test.each([
    { name: 'with the exact number ends the connection', seq: SEQ + 3, open: 0, packets: 0 },
    { name: 'inside the window is asked about', seq: SEQ + 4, open: 1, packets: 1 },
    { name: 'outside the window is dropped', seq: SEQ - 1, open: 1, packets: 0 },
  ])('an RST $name', ({ seq, open, packets }) => {
    const [client] = talked(both(StreamEnd.OPEN, StreamEnd.OPEN));
    client.wait(NS_PER_SECOND / 10);
    expect(client.send({ seq, flags: RST })).toHaveLength(packets);
    expect(client.target.countUnfinished()).toBe(open);
  });

  test('a segment for no connection is answered with an RST', () => {
    const client = new ScriptedClient([WEB]);
    expect(client.send({ seq: 7, ack: 9, flags: ACK, bytes: 5 })).toMatchObject([
      { flags: RST | ACK, seq: 9, ack: 12 },
    ]);
    expect(client.send({ seq: 7, ack: 9, flags: RST })).toEqual([]);
  });

  test('a SYN on an open connection is challenged', () => {
    const [client] = talked(both(StreamEnd.OPEN, StreamEnd.OPEN));
    expect(client.send({ seq: SEQ + 9000, flags: SYN })).toMatchObject([
      { flags: ACK, ack: SEQ + 3 },
    ]);
  });

  test("a user's next connection takes the place of the one before", () => {
    const [client] = talked(both(StreamEnd.FIN, StreamEnd.FIN));
    const port = CLIENT_PORT + 1;
    const synAck = client.connect({ port });
    expect(synAck).toMatchObject({ flags: SYN | ACK, dstPort: port });
    // What is late of the old one is dropped.
    expect(client.send({ seq: SEQ + 3, ack: 0, flags: ACK })).toEqual([]);
    expect(
      client.send({ seq: SEQ, ack: synAck.seq + 1, flags: ACK, bytes: 3, port }),
    ).toMatchObject([{ text: 'answer' }]);
  });
});

describe('retransmission', () => {
  const octets = randomOctets(10_000, 5);
  const DOWNLOAD: RecordedSession = { messages: [{ from: 'server', octets }] };

  test('nothing acknowledged: everything again after one second, then two', () => {
    const client = new ScriptedClient([{ messages: [said('server', 'hello')] }]);
    client.connect();
    const packets = client.wait(8 * NS_PER_SECOND);
    expect(packets.map(({ atNs, text }) => [atNs / NS_PER_SECOND, text])).toEqual([
      [1, 'hello'],
      [3, 'hello'],
      [7, 'hello'],
    ]);
  });

  test('three duplicate acknowledgements: the first segment again, at once', () => {
    const client = new ScriptedClient([DOWNLOAD], { mergedBytesMax: 0 });
    const { seq } = client.connect();
    const duplicate = { seq: SEQ, ack: seq + 1, flags: ACK };
    expect(client.send(duplicate)).toEqual([]);
    expect(client.send(duplicate)).toEqual([]);
    expect(client.send(duplicate)).toMatchObject([{ seq: seq + 1, payloadBytes: 536 }]);
    expect(client.send(duplicate)).toEqual([]);
    expect(client.send({ ...duplicate, ack: seq + 10_001 })).toEqual([]);
  });

  test('after a timeout it goes on from where the client is', () => {
    const client = new ScriptedClient([DOWNLOAD], { mergedBytesMax: 0 });
    const { seq } = client.connect({ window: 1072 });
    client.send({ seq: SEQ, ack: seq + 537, flags: ACK, window: 1072 });
    const again = client.wait(1.5 * NS_PER_SECOND);
    expect(again.map((packet) => packet.seq - seq - 1)).toEqual([536, 1072]);
  });

  test('a client that never answers is given up after fifteen retransmissions', () => {
    const client = new ScriptedClient([{ messages: [said('server', 'hello')] }]);
    client.connect();
    expect(client.wait(3600 * NS_PER_SECOND)).toHaveLength(15);
    expect(client.target.countUnfinished()).toBe(0);
  });
});

test('a receive that is limited goes on where it stopped', () => {
  const client = new ScriptedClient(
    [{ messages: [{ from: 'server', octets: randomOctets(3000, 2) }] }],
    { mergedBytesMax: 0 },
  );
  const [synAck] = client.send({ seq: CLIENT_ISS, flags: SYN });
  client.write({ seq: SEQ, ack: synAck.seq + 1, flags: ACK });
  client.target.flush();
  client.seen = [];
  const counts = [2, 0, 3, 9].map((limit) => client.target.receive(limit, client));
  expect(counts).toEqual([2, 0, 3, 1]);
  expect(client.seen.map(({ payloadBytes }) => payloadBytes)).toEqual([
    536, 536, 536, 536, 536, 320,
  ]);
});
