/** Which recorded messages answer which, told from order and kinds alone. */
import { describe, expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import { WebSocketMessages } from '../../src/protocol/websocket.ts';
import {
  inOrder,
  learnPushes,
  pairMessages,
  type ToldMessage,
} from '../../src/protocol/websocket-pairs.ts';
import { KindList } from '../../src/protocol/websocket-pushes.ts';
import { frame } from '../helpers/websocket.ts';
import { follow, octets } from './follow.ts';

/**
 * A conversation in words: `>a` the client says a, `<b` the server says b, and knows all that was said before;
 * `<b@1` it knows one message of the client's. Messages of the client's have one octet each.
 */
function told(text: string): ToldMessage[] {
  const messages: ToldMessage[] = [];
  let asked = 0;
  let heard = 0;
  for (const word of text.split(' ')) {
    const [said, had] = word.slice(1).replaceAll('_', ' ').split('@');
    const common = { replyClass: 2, code: 1 };
    if (word.startsWith('>')) {
      const place = asked;
      const at = { start: asked, end: ++asked, place, beginPlace: place };
      messages.push({ isClient: true, hadBytes: 0, kinds: [], ...at, ...common });
    } else {
      const list = new KindList();
      follow(new WebSocketMessages(list), octets(frame(0x81, said)), [0]);
      const at = { start: heard, end: ++heard, place: asked, beginPlace: asked };
      const hadBytes = had === undefined ? asked : Number(had);
      messages.push({ isClient: false, hadBytes, kinds: list.kinds, ...at, ...common });
    }
  }
  return inOrder(messages);
}

/** Which of the client's messages are answered by which of the server's, by number from 0. */
function pairs(text: string, learnt: readonly string[] = [text]): string {
  const pushes = learnPushes(learnt.map(told));
  return pairMessages(told(text), pushes)
    .map(({ request, answer }) => `${request.start}-${answer.start}`)
    .join(' ');
}

describe('a request is answered by what comes behind it', () => {
  test.each([
    ['one by one', '>a <A >b <B', '0-0 1-1'],
    ['in one go', '>a >b <A <B', '0-0 1-1'],
    ['not by what comes before anything is asked', '<hello >a <A', '0-1'],
    ['not by what comes behind the answer', '>a <A <more >b <B', '0-0 1-2'],
    ['not where the client has gone on', '>a >b <A >c <C', '0-0 2-1'],
    [
      'though the client had gone on, where the server did not know',
      '>a <tick_1 >b <A@1 <B <tick_2 <tick_3',
      '0-1 1-2',
    ],
    ['nothing at all', '<tick_1 <tick_2 <tick_3', ''],
  ])('%s', (_, text, expected) => {
    expect(pairs(text)).toBe(expected);
  });
});

describe('a push that comes between is known by its kind', () => {
  const often = '<tick_1 >a <echo_a <tick_2 <tick_3 >b <echo_b <tick_10 <tick_11';

  test('where others came unasked', () => {
    expect(pairs(`${often} >c <tick_12 <echo_c`)).toBe('0-1 1-4 2-8');
  });

  test('in another session', () => {
    const text = '>x <tick_7 <echo_x';
    expect(pairs(text)).toBe('0-0');
    expect(pairs(text, [often, text])).toBe('0-1');
  });

  test('also among many more pushes than answers, all of them text', () => {
    const ticks = Array.from({ length: 40 }, (_, i) => `<tick_${i}`).join(' ');
    const text = `${ticks} >a <tick_40 <echo_a ${ticks} >b <echo_b ${ticks} >c <tick_3 <tick_4 <echo_c ${ticks}`;
    expect(pairs(text)).toBe('0-41 1-82 2-125');
  });

  test('but never so that requests lose their only answers', () => {
    const fed = Array.from({ length: 20 }, (_, i) => `>${i} <data_${i} <data_${i}`).join(' ');
    expect(pairs(fed).split(' ')).toHaveLength(20);
  });

  test('kinds may begin alike', () => {
    const push = (i: number) => `<{"type":"tick","n":${i}}`;
    const answer = (i: string) => `<{"type":"reply","to":"${i}"}`;
    const text = `${push(1)} >a ${answer('a')} ${push(2)} ${push(3)} >b ${push(4)} ${answer('b')} ${push(5)}`;
    expect(pairs(text)).toBe('0-1 1-5');
  });
});

describe('an answer in parts is over with the message that ends it', () => {
  test.each([
    ['whatever their number', '>a <part_1 <part_2 <done >b <part_1 <done >c <done', '0-2 1-4 2-5'],
    [
      'also behind one that says that they will come',
      '>a <taken <row_1 <row_2 <end >b <taken <row_1 <end >c <taken <row_1 <row_2 <row_3 <end',
      '0-3 1-6 2-11',
    ],
    [
      'though others are answered otherwise',
      '>a <part_1 <part_2 <done >b <error >c <part_1 <done >d <echo >e <part_1 <done',
      '0-2 1-3 2-5 3-6 4-8',
    ],
    [
      'whatever is pushed before it and behind',
      '>a <part_1 <tick <part_2 <done <tick >b <part_1 <tick <done >c <tick <part_1 <part_2 <done <tick',
      '0-3 1-7 2-11',
    ],
    [
      'and the last one may be cut off with the recording',
      '>a <part_1 <done >b <part_1 <part_2 <done >c <part_1 <done >d <part_1 <part_2',
      '0-1 1-4 2-6',
    ],
  ])('%s', (_, text, expected) => {
    expect(pairs(text)).toBe(expected);
  });

  test.each([
    [
      'where it has not been seen three times',
      '>a <part_1 <part_2 <done >b <part_1 <done',
      '0-0 1-3',
    ],
    [
      'where nothing comes several times: it may be a push that comes by chance',
      '>a <echo <tick >b <echo <tick >c <echo <tick >d <echo <tick',
      '0-0 1-2 2-4 3-6',
    ],
    [
      'where it is missing amid them',
      '>a <part_1 <part_2 <done >b <part_1 <part_2 >c <part_1 <done >d <part_1 <done',
      '0-0 1-3 2-5 3-7',
    ],
  ])('but the first one is the answer %s', (_, text, expected) => {
    expect(pairs(text)).toBe(expected);
  });
});

describe('pushes of all lengths end no answers, though some kinds come only beside them by chance', () => {
  const ASKED = 6;

  /** Ticks come in pauses and before echoes, so many on average. */
  function byChance(prng: Prng, inPauses: number, beforeEchoes: number): string {
    const words: string[] = [];
    let number = 0;
    const push = (mean: number): void => {
      while (prng.nextUint32() / 2 ** 32 < mean / (1 + mean)) {
        words.push(`<tick_${++number}_${'.'.repeat(prng.nextUint32() % 41)}`);
      }
    };
    push(inPauses);
    for (let i = 0; i < ASKED; i++) {
      words.push(`>${i}`);
      push(beforeEchoes);
      words.push(`<echo_of_message_${i}_${'y'.repeat(prng.nextUint32() % 201)}`);
      push(inPauses);
    }
    return words.join(' ');
  }

  test.each([
    [1, 1],
    [3, 1],
    [3, 5],
  ])('%s in a pause, %s before an answer', (inPauses, beforeEchoes) => {
    for (let seed = 1; seed <= 60; seed++) {
      const prng = new Prng(seed);
      const texts = Array.from({ length: 6 }, () => byChance(prng, inPauses, beforeEchoes));
      const pushes = learnPushes(texts.map(told));
      for (const text of texts) {
        const heard = text.split(' ').filter((word) => word.startsWith('<'));
        const answers = pairMessages(told(text), pushes).map(({ answer }) => heard[answer.start]);
        expect(answers, `seed ${seed}`).toEqual(heard.filter((word) => word.startsWith('<echo')));
      }
    }
  });
});
