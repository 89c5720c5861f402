/** Users of MQTT against brokers that publish what and when they like: what the brokers are told, packet by packet. */
import { describe, expect, test } from 'vitest';
import { NS_PER_MS } from '../../src/base/time.ts';
import { Counter } from '../../src/measure/counters.ts';
import { Latency } from '../../src/measure/histograms.ts';
import { StreamEnd } from '../../src/session/script/scripts.ts';
import type { RecordedMessage } from '../helpers/recorded.ts';
import { lengthFirst, mqtt, mqttConnect, mqttPublish, u16 } from '../protocol/talks.ts';
import { type Answer, talk } from './talking.ts';

const from = (side: 'client' | 'server', text: string, thinkMs = 10): RecordedMessage => ({
  from: side,
  octets: Buffer.from(text, 'latin1'),
  thinkNs: thinkMs * NS_PER_MS,
});
const client = (text: string, thinkMs?: number) => from('client', text, thinkMs);
const server = (text: string, thinkMs?: number) => from('server', text, thinkMs);
const later = (text: string, delayMs: number): Answer => ({ text, delayMs });

const CONNECT = mqttConnect(4);
const CONNACK = mqtt(0x20, '\0\0');
const subscribe = (id: number) => mqtt(0x82, `${u16(id)}${lengthFirst('t')}\x02`);
const suback = (id: number, code = '\x02') => mqtt(0x90, u16(id) + code);
const puback = (id: number) => mqtt(0x40, u16(id));
const pubrec = (id: number) => mqtt(0x50, u16(id));
const pubrel = (id: number) => mqtt(0x62, u16(id));
const pubcomp = (id: number) => mqtt(0x70, u16(id));
const PINGREQ = mqtt(0xc0);
const PINGRESP = mqtt(0xd0);
const DISCONNECT = mqtt(0xe0);

/** The whole packets that a stream begins with. */
function packetsOf(stream: string): string[] {
  const packets: string[] = [];
  for (let at = 0; at + 2 <= stream.length; ) {
    const low = stream.charCodeAt(at + 1);
    const isLong = low > 0x7f;
    const bytes = isLong ? (low & 0x7f) + 128 * stream.charCodeAt(at + 2) : low;
    const end = at + (isLong ? 3 : 2) + bytes;
    if (end > stream.length) break;
    packets.push(stream.slice(at, end));
    at = end;
  }
  return packets;
}

interface Broker {
  /** What it says to a packet, by what that is; to all others nothing. */
  readonly says: ReadonlyMap<string, readonly Answer[]>;
  readonly users?: number;
}

/** Plays a session of one connection. @returns the packets that each connection's broker has heard */
function play(messages: readonly RecordedMessage[], { says, users = 1 }: Broker) {
  const heard: string[] = [];
  const answered: number[] = [];
  let offsetNs = 0;
  const timed = messages.map((each) => {
    offsetNs += each.thinkNs ?? 0;
    return { ...each, offsetNs };
  });
  const { counters, endMs, latency } = talk({
    sessions: [
      {
        messages: timed,
        clientEnd: { how: StreamEnd.FIN },
        serverEnd: { how: StreamEnd.FIN, afterPeer: true },
      },
    ],
    modules: [],
    options: { users },
    server: (text, connection) => {
      heard[connection] = (heard[connection] ?? '') + text;
      const packets = packetsOf(heard[connection]);
      const known = answered[connection] ?? 0;
      answered[connection] = packets.length;
      return packets.slice(known).flatMap((packet) => [...(says.get(packet) ?? [])]);
    },
  });
  const packets = heard.map(packetsOf);
  expect(packets.flat().join('')).toBe(heard.join(''));
  return { packets, counters, endMs, latency };
}

const PUBLISH_0 = mqttPublish('t', 'zero');
const PUBLISH_1 = mqttPublish('t', 'one', 1, 2);
const PUBLISH_2 = mqttPublish('t', 'two', 2, 3);
/** Somebody subscribes to what it publishes; the recorded broker was asked for little of it. */
const RECORDED = [
  client(CONNECT),
  server(CONNACK),
  client(subscribe(1)),
  server(suback(1)),
  client(PUBLISH_0),
  server(PUBLISH_0),
  client(PUBLISH_1),
  server(puback(2) + mqttPublish('t', 'one', 1, 9)),
  client(puback(9)),
  client(PUBLISH_2),
  server(pubrec(3)),
  client(pubrel(3)),
  server(pubcomp(3) + PUBLISH_0),
  client(PINGREQ),
  server(PINGRESP),
  client(DISCONNECT),
];
const ANSWERS = new Map<string, readonly Answer[]>([
  [CONNECT, [CONNACK]],
  [subscribe(1), [suback(1)]],
  [PUBLISH_1, [puback(2)]],
  [PUBLISH_2, [pubrec(3)]],
  [pubrel(3), [pubcomp(3)]],
  [PINGREQ, [PINGRESP]],
]);
const SAID = [
  ...[CONNECT, subscribe(1), PUBLISH_0, PUBLISH_1, PUBLISH_2, pubrel(3), PINGREQ, DISCONNECT],
];
const REQUESTS = 6;

function expectAnswered(counters: Float64Array, users: number): void {
  expect(counters[Counter.COMPLETED]).toBe(users);
  expect(counters[Counter.EXCHANGES_ANSWERED]).toBe(users * REQUESTS);
  expect(counters[Counter.ANSWER_BY_PROTOCOL]).toBe(users * REQUESTS);
  expect(counters[Counter.EXCHANGES_UNSOLICITED]).toBe(0);
  expect(counters[Counter.EXCHANGES_OTHER_LENGTH]).toBe(0);
}

describe('what a live broker publishes answers nothing', () => {
  test('none of it, as little as there is', () => {
    const { packets, counters } = play(RECORDED, { says: ANSWERS, users: 2 });
    expectAnswered(counters, 2);
    // The recorded client's answer to what nobody has published stays out.
    expect(packets).toEqual([SAID, SAID]);
  });

  const retained = mqttPublish('t', 'retained', 1, 40);
  const others = mqttPublish('t', 'x'.repeat(300), 2, 7);
  const says = new Map(ANSWERS);
  says.set(subscribe(1), [retained + suback(1) + others]);
  says.set(PUBLISH_0, [PUBLISH_0, PUBLISH_0, retained]);
  says.set(PUBLISH_1, [mqttPublish('t', 'one', 1, 8) + puback(2)]);
  says.set(pubrec(7), [pubrel(7)]);
  says.set(puback(8), [later(mqttPublish('t', 'amid', 0), 1)]);

  test('however much, and before answers; each is answered under the live identifier', () => {
    const { packets, counters } = play(RECORDED, { says, users: 2 });
    expectAnswered(counters, 2);
    for (const each of packets) {
      const replies = each.filter((packet) => !SAID.includes(packet));
      expect(replies).toEqual([puback(40), pubrec(7), pubcomp(7), puback(40), puback(8)]);
      expect(each.filter((packet) => SAID.includes(packet))).toEqual(SAID);
    }
    expect(counters[Counter.PUSHES_ANSWERED]).toBe(2 * 5);
  });

  test('wherever its packets are cut', () => {
    const whole = [retained + suback(1) + others.slice(0, 20)].join('');
    const rest = others.slice(20);
    for (let cut = 1; cut < whole.length; cut++) {
      const cutSays = new Map(says);
      cutSays.set(subscribe(1), [whole.slice(0, cut), later(whole.slice(cut) + rest, 3)]);
      const { counters } = play(RECORDED, { says: cutSays });
      expect(counters[Counter.COMPLETED], String(cut)).toBe(1);
      expect(counters[Counter.EXCHANGES_ANSWERED], String(cut)).toBe(REQUESTS);
      expect(counters[Counter.ANSWER_BY_PROTOCOL], String(cut)).toBe(REQUESTS);
    }
  });

  test('a late answer is as late as it was, whatever is published meanwhile', () => {
    const slow = new Map(says);
    slow.set(PINGREQ, [later(PUBLISH_0, 100), later(retained, 200), later(PINGRESP, 700)]);
    const { counters, latency } = play(RECORDED, { says: slow });
    expectAnswered(counters, 1);
    expect(latency.maxNs(Latency.RESPONSE)).toBeGreaterThanOrEqual(700 * NS_PER_MS);
  });
});

describe('answers in another order', () => {
  const first = mqttPublish('t', 'a', 1, 5);
  const second = mqttPublish('t', 'b', 1, 6);
  const messages = [
    client(CONNECT),
    server(CONNACK),
    client(first),
    client(second, 0),
    client(PINGREQ, 0),
    server(puback(5) + puback(6) + PINGRESP),
    client(DISCONNECT),
  ];

  test.each([
    ['the last one first', [PINGRESP, puback(6), puback(5)]],
    ['in the recorded order', [puback(5), puback(6), PINGRESP]],
    ['the first one last', [puback(6), PINGRESP, puback(5)]],
    ['with one that nobody has asked for', [puback(77), puback(6), suback(5), puback(5), PINGRESP]],
  ])('%s', (_, order) => {
    const says = new Map<string, readonly Answer[]>([
      [CONNECT, [CONNACK]],
      [PINGREQ, order],
    ]);
    const { counters } = play(messages, { says });
    expect(counters[Counter.COMPLETED]).toBe(1);
    expect(counters[Counter.EXCHANGES_ANSWERED]).toBe(4);
    expect(counters[Counter.ANSWER_BY_PROTOCOL]).toBe(4);
  });
});

describe('what the recorded client wrote in one go with its answers', () => {
  const messages = (mixed: string, rest: string) => [
    ...[client(CONNECT), server(CONNACK), client(subscribe(1)), server(suback(1))],
    server(mqttPublish('t', 'one', 1, 9) + mqttPublish('t', 'two', 2, 10), 5),
    ...[client(mixed), server(PINGRESP), client(rest)],
  ];

  test.each([
    ['before it', puback(9) + pubrec(10) + PINGREQ],
    ['behind it', PINGREQ + puback(9)],
    ['on both sides, and what is not answered', puback(9) + PUBLISH_0 + PINGREQ + pubrec(10)],
  ])('goes out without them: %s', (_, mixed) => {
    const says = new Map(ANSWERS);
    says.set(subscribe(1), [mqttPublish('t', 'live', 2, 9) + suback(1)]);
    says.set(pubrec(9), [later(pubrel(9), 1)]);
    const { packets, counters } = play(messages(mixed, pubcomp(10) + DISCONNECT), { says });
    expect(counters[Counter.COMPLETED]).toBe(1);
    expect(counters[Counter.EXCHANGES_ANSWERED]).toBe(3);
    const isOwn = (packet: string): boolean => packet === pubrec(9) || packet === pubcomp(9);
    expect(packets[0].filter(isOwn)).toEqual([pubrec(9), pubcomp(9)]);
    expect(packets[0].filter((packet) => !isOwn(packet))).toEqual([
      ...[CONNECT, subscribe(1), ...(mixed.includes(PUBLISH_0) ? [PUBLISH_0] : [])],
      ...[PINGREQ, DISCONNECT],
    ]);
  });

  test('but where a packet goes on in what it wrote next', () => {
    const mixed = puback(9) + PUBLISH_1.slice(0, 4);
    const { packets, counters } = play(
      [
        ...[client(CONNECT), server(CONNACK), client(subscribe(1)), server(suback(1))],
        ...[client(mixed), client(PUBLISH_1.slice(4), 20), server(puback(2)), client(DISCONNECT)],
      ],
      { says: ANSWERS },
    );
    expect(counters[Counter.COMPLETED]).toBe(1);
    expect(packets).toEqual([[CONNECT, subscribe(1), puback(9), PUBLISH_1, DISCONNECT]]);
  });
});

test('a refusal where the recorded broker agreed is a failed answer', () => {
  const says = new Map(ANSWERS);
  says.set(subscribe(1), [suback(1, '\x80')]);
  const { counters } = play(RECORDED, { says });
  expect(counters[Counter.COMPLETED]).toBe(1);
  expect(counters[Counter.EXCHANGES_FAILED]).toBe(1);
});

test('what is none of the protocol ends the user', () => {
  const says = new Map(ANSWERS);
  says.set(PUBLISH_1, ['HTTP/1.1 400 Bad Request\r\n\r\n']);
  const { counters } = play(RECORDED, { says });
  expect(counters[Counter.ABORTED_ANSWER_MALFORMED]).toBe(1);
});

test('who only publishes is played as recorded, and needs no room for replies', () => {
  const messages = [
    ...[client(CONNECT), server(CONNACK), client(PUBLISH_0), client(PUBLISH_1)],
    ...[server(puback(2)), client(DISCONNECT)],
  ];
  const { packets, counters } = play(messages, { says: ANSWERS });
  expect(counters[Counter.COMPLETED]).toBe(1);
  expect(counters[Counter.EXCHANGES_ANSWERED]).toBe(2);
  expect(packets).toEqual([[CONNECT, PUBLISH_0, PUBLISH_1, DISCONNECT]]);
});
