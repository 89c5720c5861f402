/**
 * WebSocket framers beside a naive twin: conversations written down and made at random, right ones and wrong ones,
 * are read alike; wherever the stream is cut, and wherever it stops.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FRAMER_WORDS, type Framer, Outcome } from '../../src/protocol/framer.ts';
import {
  MessageKind,
  RecordedMessages,
  RecordedRequests,
  WebSocketMessages,
} from '../../src/protocol/websocket.ts';
import { KindList, WebSocketPushes } from '../../src/protocol/websocket-pushes.ts';
import '../helpers/property-seed.ts';
import { frame } from '../helpers/websocket.ts';
import { everyCut, follow, octets } from './follow.ts';
import { type NaiveSide, naiveKinds, naiveMessages } from './naive-websocket.ts';

const SERVER: NaiveSide = { isClient: false, isCompressed: false };

/** A frame whose length has more octets than it needs. */
const wide = (first: number, text: string, mask: string, lengthBytes: 2 | 8): string => {
  const octetsOfLength = [0, 0, 0, 0, 0, 0, text.length >>> 8, text.length & 0xff];
  const mark = (lengthBytes === 2 ? 126 : 127) | (mask === '' ? 0 : 0x80);
  const head = String.fromCharCode(first, mark, ...octetsOfLength.slice(-lengthBytes));
  return head + mask + text;
};

// ---- streams made at random ----------------------------------------------------------------------

/** What looks like frames' heads, like pushes, and any other octets. */
const payload = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('', 'a', 'tick 17', 'tick 8 of 12', 'price: 1.5 up') },
  {
    weight: 6,
    arbitrary: fc
      .array(fc.constantFrom('\x81\x00', '\x88', '\x7f', '12', '3', 'tick ', 'x', '\xff'), {
        maxLength: 24,
      })
      .map((parts) => parts.join('')),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom(125, 126, 127, 400).map((n) => '\x81\x05'.repeat(n / 2)),
  },
  { weight: 1, arbitrary: fc.constantFrom(65_535, 65_536).map((n) => 'y'.repeat(n)) },
);
const mask = fc.constantFrom('mask', '\x81\x00\x88\xff');
/** A frame with its length in as few octets as can be, or in more. */
const frameOf = (first: number, text: string, isClient: boolean): fc.Arbitrary<string> =>
  fc
    .tuple(mask, fc.constantFrom<'short' | 2 | 8>('short', 'short', 'short', 2, 8))
    .map(([any, form]) => {
      const own = isClient ? any : '';
      const isWide = form !== 'short' && text.length < 65_536 && (first & 0x08) === 0;
      return isWide ? wide(first, text, own, form) : frame(first, text, own);
    });
const control = (isClient: boolean): fc.Arbitrary<string> =>
  fc
    .tuple(fc.constantFrom(0x89, 0x8a), fc.string({ unit: 'binary-ascii', maxLength: 9 }))
    .chain(([first, text]) => frameOf(first, text, isClient));
const controls = (isClient: boolean): fc.Arbitrary<string> =>
  fc.array(control(isClient), { maxLength: 2 }).map((all) => all.join(''));
/** A message in some frames, with control frames before each of them. */
const message = ({ isClient, isCompressed }: NaiveSide): fc.Arbitrary<string> =>
  fc
    .tuple(
      fc.constantFrom(1, 2),
      isCompressed ? fc.boolean() : fc.constant(false),
      fc.array(payload, { minLength: 1, maxLength: 3 }),
    )
    .chain(([opcode, isPacked, parts]) =>
      fc.tuple(
        ...parts.flatMap((text, i) => {
          const fin = i === parts.length - 1 ? 0x80 : 0;
          const first = i === 0 ? opcode | (isPacked ? 0x40 : 0) : 0;
          return [controls(isClient), frameOf(fin | first, text, isClient)];
        }),
      ),
    )
    .map((all) => all.join(''));
const close = ({ isClient }: NaiveSide): fc.Arbitrary<string> =>
  fc
    .constantFrom('', '\x03\xe8', '\x03\xe9bye', '\x03\xf3', '\x0f\xa0', '\x00\x01', '\x00\x00')
    .chain((text) => frameOf(0x88, text, isClient));
const streamOf = (side: NaiveSide): fc.Arbitrary<string> =>
  fc
    .tuple(
      fc.array(message(side), { maxLength: 4 }),
      controls(side.isClient),
      fc.option(close(side), { nil: '' }),
    )
    .map(([messages, last, end]) => messages.join('') + last + end)
    .filter((stream) => stream !== '');
/** The same, with some octets changed near where frames begin, or anywhere. */
const spoiled = (stream: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc
    .tuple(stream, fc.array(fc.tuple(fc.nat(40), fc.nat(255)), { minLength: 1, maxLength: 3 }))
    .map(([text, changes]) => {
      const all = [...text];
      for (const [at, octet] of changes) all[at % all.length] = String.fromCharCode(octet);
      return all.join('');
    });
const anyCuts = fc
  .array(fc.nat(700), { maxLength: 12 })
  .map((cuts) => [...new Set(cuts)].sort((a, b) => a - b));

// ---- where messages end --------------------------------------------------------------------------

interface Reader {
  readonly make: () => Framer;
  readonly side: NaiveSide;
  /** Whether it stops behind control frames between messages. */
  readonly hasControls: boolean;
}
const READERS: Readonly<Record<string, Reader>> = {
  'of a live server': { make: () => new WebSocketMessages(), side: SERVER, hasControls: false },
  'of a live server whose kinds are asked for': {
    make: () => new WebSocketMessages(new KindList()),
    side: SERVER,
    hasControls: false,
  },
  'of a live server that may compress': {
    make: () => new WebSocketMessages(),
    side: { ...SERVER, isCompressed: true },
    hasControls: false,
  },
  'of a recorded server': { make: () => new RecordedMessages(), side: SERVER, hasControls: true },
  'of a recorded client': {
    make: () => new RecordedRequests(),
    side: { isClient: true, isCompressed: true },
    hasControls: true,
  },
};

/** Ends and what is said, and the fault that comes last, if any. */
function expectAlike({ make, side, hasControls }: Reader, stream: string, cuts: number[]): void {
  const said = naiveMessages(stream, side).filter(({ what }) => hasControls || what !== 'control');
  const kind = side.isCompressed ? MessageKind.COMPRESSED : MessageKind.PLAIN;
  const kinds = Array.from({ length: said.length + 1 }, () => kind);
  const framer = make();
  const found = follow(framer, octets(stream), kinds, { cuts }).filter(
    // A framer may say an end before it has come.
    ({ end, fault }) => fault !== 'NONE' || (end >= 0 && end <= stream.length),
  );
  expect(found.map(({ end }) => end)).toEqual(said.map(({ end }) => end));
  const told = found.map(({ fault, text }) => (fault === 'NONE' ? text : fault));
  const isTold = (i: number): boolean => said[i]?.what !== 'control';
  expect(told.filter((_, i) => isTold(i))).toEqual(
    said.map(({ what }) => what).filter((_, i) => isTold(i)),
  );
}

const masked = (...frames: [number, string][]): string =>
  frames.map(([first, text]) => frame(first, text, 'mask')).join('');
const plain = (...frames: [number, string][]): string =>
  frames.map(([first, text]) => frame(first, text)).join('');
type Written = readonly [title: string, stream: string];
const OF_SERVERS: readonly Written[] = [
  ['a text, a push, a close', plain([0x81, 'hello'], [0x82, 'push'], [0x88, '\x03\xe8bye'])],
  [
    'control frames between fragments',
    plain([0x01, 'he'], [0x89, 'p'], [0x00, ''], [0x8a, ''], [0x80, 'llo'], [0x89, 'q']),
  ],
  ['a close amid a message', plain([0x01, 'he'], [0x88, '\x03\xf3'], [0x81, 'more'])],
  ['a close with a code that is none', plain([0x88, '\x00\x01'], [0x88, '\x00\x02'])],
  ['lengths of 2 and 8 octets', `${plain([0x82, 'x'.repeat(126)])}${wide(0x81, 'abc', '', 8)}`],
  ['a length of 2 octets for none', wide(0x81, '', '', 2) + plain([0x81, 'a'])],
  ['a masked fragment', plain([0x01, 'he'], [0x89, '']) + masked([0x80, 'llo'])],
  ['a masked ping', masked([0x89, 'p'])],
  ['a masked close', masked([0x88, '\x03\xe8'])],
  ['a masked ping that is too long', masked([0x89, 'p'.repeat(126)])],
  ['half a close code', plain([0x81, 'a'], [0x88, '\x03'])],
];
const OF_CLIENTS: readonly Written[] = [
  ['texts, pings and a close', masked([0x81, 'a'], [0x89, ''], [0xc2, 'b'], [0x88, '\x03\xe8'])],
  ['frames without a mask', plain([0x81, 'a'], [0x01, 'b'], [0x80, 'c'], [0x88, '\x03\xe8'])],
  ['half a close code', masked([0x88, '\x03'])],
];

describe('messages end where the naive twin sees their ends', () => {
  describe.each(Object.entries(READERS))('%s', (_, reader) => {
    const written = reader.side.isClient ? OF_CLIENTS : OF_SERVERS;

    test.each(written)('%s', (_title, stream) => {
      for (let stop = 1; stop <= stream.length; stop++) {
        const part = stream.slice(0, stop);
        expectAlike(reader, part, []);
        expectAlike(reader, part, everyCut(stop).at(-1) ?? []);
      }
      for (const cuts of everyCut(stream.length)) expectAlike(reader, stream, cuts);
    });

    const right = streamOf(reader.side);
    test.each([
      ['made at random', right],
      ['made at random, and spoiled', spoiled(right)],
      ['as the other side would', spoiled(streamOf({ isClient: true, isCompressed: true }))],
    ])('%s', (_title, streams) => {
      fc.assert(
        fc.property(streams, anyCuts, fc.nat(), (stream, cuts, stop) => {
          expectAlike(reader, stream, cuts);
          expectAlike(reader, stream.slice(0, 1 + (stop % stream.length)), cuts);
        }),
        { numRuns: 300 },
      );
    });
  });
});

// ---- what messages are ---------------------------------------------------------------------------

/** Kinds of a stream's messages, as a recording's are told. */
function kindsOf(stream: string): (readonly number[])[] {
  const list = new KindList();
  const framer = new WebSocketMessages(list);
  const memory = new DataView(octets(stream).buffer);
  const kinds: (readonly number[])[] = [];
  for (let at = 0; at < stream.length; ) {
    framer.begin(MessageKind.PLAIN);
    const outcome = framer.feed(memory, at, stream.length - at, stream.length - at);
    if (outcome !== Outcome.ENDS) break;
    kinds.push(list.kinds);
    at += framer.endBytes;
  }
  return kinds;
}

const isMessage = ({ what }: { readonly what: string }): boolean => /^(text|binary)$/.test(what);

describe('pushes, parts and answers', () => {
  test('are told apart as the naive twin does', () => {
    const chosen = fc.array(fc.tuple(fc.nat(9), fc.nat(9), fc.boolean()), { maxLength: 3 });
    fc.assert(
      fc.property(streamOf(SERVER), chosen, anyCuts, (stream, picks, cuts) => {
        const said = naiveMessages(stream, SERVER).filter(({ what }) => what !== 'control');
        const data = said.filter(isMessage);
        const kinds = kindsOf(stream).slice(0, data.length);
        const naive = data.map((each) => naiveKinds(each.frame));
        expect(kinds.map((each) => each.length)).toEqual(naive.map((each) => each.length));
        const hashed = { pushes: new Set<number>(), parts: new Set<number>() };
        const named = { pushes: new Set<string>(), parts: new Set<string>() };
        for (const [of, which, isPart] of data.length === 0 ? [] : picks) {
          const [hashes, names] = [kinds[of % data.length], naive[of % data.length]];
          const at = which % names.length;
          hashed.pushes.add(hashes[at]);
          named.pushes.add(names[at]);
          if (isPart) hashed.parts.add(hashes[at]);
          if (isPart) named.parts.add(names[at]);
        }
        const isOneOf = (some: ReadonlySet<string>, frameKinds: readonly string[]): boolean =>
          frameKinds.some((each) => some.has(each));
        const answer = said.find(
          (each) => !isMessage(each) || !isOneOf(named.pushes, naiveKinds(each.frame)),
        );
        const before = answer === undefined ? said : said.slice(0, said.indexOf(answer));
        const hasPart = before.some((each) => isOneOf(named.parts, naiveKinds(each.frame)));

        const framer = new WebSocketPushes(hashed);
        const memory = new DataView(octets(stream).buffer);
        const words = new Uint32Array(FRAMER_WORDS);
        framer.begin(MessageKind.PLAIN);
        let begun = -1;
        let wasPart = false;
        let at = 0;
        let outcome: Outcome = Outcome.MORE;
        for (const end of [
          ...cuts.filter((cut) => cut > 0 && cut < stream.length),
          stream.length,
        ]) {
          outcome = framer.feed(memory, at, end - at, end - at);
          if (framer.answerAt >= 0) begun = framer.answerAt;
          wasPart ||= framer.hasPart;
          if (outcome !== Outcome.MORE) break;
          framer.save(words, 0);
          framer.begin(MessageKind.COMPRESSED);
          framer.feed(memory, 0, stream.length, stream.length);
          framer.load(words, 0);
          at = end;
        }
        expect(outcome).toBe(answer === undefined ? Outcome.MORE : Outcome.ENDS);
        if (answer !== undefined) expect(begun).toBe(answer.frame.start);
        expect(wasPart).toBe(hasPart);
      }),
      { numRuns: 600 },
    );
  });
});
