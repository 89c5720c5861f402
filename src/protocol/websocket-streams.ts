/**
 * Answers that a WebSocket's server gives in several messages: parts, and one that ends them (`chunk chunk done`).
 * No field of the protocol tells them, but a recording may: its conversations are cut into what the server said
 * to one request each, up to the client's next. A kind of message ends answers if it comes once in such a piece and never
 * elsewhere; its parts are the kinds that come before it alone, in no piece without it, and of which some come
 * in several pieces, and several times in one. Among kinds of pushes there may be some of which all that is true by chance:
 * not where the pieces hold another message that ends more of them, the answer itself. Pushes do not wait for what the server has been asked, so they come behind it as well.
 */
import type { ToldMessage } from './websocket-pairs.ts';

/** What a server said to one request, or at another time. */
interface Piece {
  readonly messages: readonly ToldMessage[];
  /** Whether just one request was open, and the server knew it. */
  readonly isAnswer: boolean;
  /** Whether the recording ends with it, maybe before the answer does. */
  readonly isLast: boolean;
}

/** In fewer pieces a kind may come once by chance. */
const PIECES_MIN = 3;
/** So many kinds that may end answers are looked at, the most frequent ones. */
const ENDS_MAX = 64;

/** Kinds of messages of answers in several. */
export interface StreamKinds {
  /** Those of parts, which are no ends. */
  readonly parts: ReadonlySet<number>;
  /** All that the messages have which end them. */
  readonly ends: ReadonlySet<number>;
}

/**
 * What ends answers in some conversations, and what are parts of them.
 * @param conversations each as `inOrder` has it
 */
export function learnStreams(conversations: readonly (readonly ToldMessage[])[]): StreamKinds {
  const pieces = conversations.flatMap(piecesOf);
  const parts = new Set<number>();
  const ends = new Set<number>();
  const candidates = endsIn(pieces);
  for (const [end, count] of candidates) {
    const others = candidates.filter(([, more]) => more > count);
    if (isBesideAnswers(end, new Set(others.map(([kind]) => kind)), pieces)) continue;
    const found = partsBefore(end, pieces);
    for (const kind of found) parts.add(kind);
    if (found.size > 0) for (const kind of kindsBeside(end, pieces)) ends.add(kind);
  }
  for (const kind of parts) ends.delete(kind);
  return { parts, ends };
}

const kindsBeside = (end: number, pieces: readonly Piece[]): readonly number[] =>
  pieces
    .flatMap(({ messages }) => messages)
    .flatMap(({ kinds }) => (kinds.includes(end) ? kinds : []));

function piecesOf(conversation: readonly ToldMessage[]): Piece[] {
  const pieces: Piece[] = [];
  let requests: ToldMessage[] = [];
  let messages: ToldMessage[] = [];
  const settle = (isLast: boolean): void => {
    const [request] = requests;
    const isAnswer =
      requests.length === 1 && messages.every(({ hadBytes }) => hadBytes > request.start);
    if (messages.length > 0) pieces.push({ messages, isAnswer, isLast });
  };
  for (const message of conversation) {
    if (!message.isClient) messages.push(message);
    else if (messages.length === 0) requests.push(message);
    else {
      settle(false);
      requests = [message];
      messages = [];
    }
  }
  settle(true);
  return pieces;
}

/** The kinds that come once in so many answers, and never else; with how many those are. */
function endsIn(pieces: readonly Piece[]): readonly (readonly [kind: number, count: number])[] {
  const counts = new Map<number, number>();
  const others = new Set<number>();
  for (const { messages, isAnswer } of pieces) {
    const seen = new Set<number>();
    for (const kind of messages.flatMap(({ kinds }) => kinds)) {
      if (!isAnswer || seen.has(kind)) others.add(kind);
      else counts.set(kind, (counts.get(kind) ?? 0) + 1);
      seen.add(kind);
    }
  }
  return [...counts]
    .filter(([kind, count]) => count >= PIECES_MIN && !others.has(kind))
    .sort(([, a], [, b]) => b - a)
    .slice(0, ENDS_MAX);
}

/**
 * Whether all answers with a kind hold another message that may end them and ends more of them: then that is the
 * answer, and the kind, of a push maybe, has come beside it by chance.
 * @param others the kinds that end more answers
 */
function isBesideAnswers(
  end: number,
  others: ReadonlySet<number>,
  pieces: readonly Piece[],
): boolean {
  return pieces.every(({ messages }) => {
    const at = messages.findIndex(({ kinds }) => kinds.includes(end));
    return (
      at < 0 || messages.some(({ kinds }, i) => i !== at && kinds.some((kind) => others.has(kind)))
    );
  });
}

/** The kinds of the parts that a kind ends; none where nothing shows that it ends any. */
function partsBefore(end: number, pieces: readonly Piece[]): ReadonlySet<number> {
  const before = new Set<number>();
  const elsewhere = new Set<number>();
  for (const { messages, isAnswer, isLast } of pieces) {
    const at = messages.findIndex(({ kinds }) => kinds.includes(end));
    if (at < 0 && isAnswer && isLast) continue;
    for (const [i, { kinds }] of messages.entries()) {
      for (const kind of kinds) (i < at ? before : elsewhere).add(kind);
    }
  }
  const parts = new Set([...before].filter((kind) => !elsewhere.has(kind)));
  const often = oftenIn(pieces, parts);
  return pieces.some(({ messages }) => hasRepeated(often, messages)) ? parts : new Set();
}

/** Those of the kinds that come in several pieces: what came before the end once or twice did so by chance. */
function oftenIn(pieces: readonly Piece[], kinds: ReadonlySet<number>): ReadonlySet<number> {
  const counts = new Map<number, number>();
  for (const { messages } of pieces) {
    for (const kind of new Set(messages.flatMap((message) => message.kinds))) {
      if (kinds.has(kind)) counts.set(kind, (counts.get(kind) ?? 0) + 1);
    }
  }
  return new Set([...kinds].filter((kind) => (counts.get(kind) ?? 0) >= PIECES_MIN));
}

/** Whether one of the kinds comes in several of the messages. */
function hasRepeated(kinds: ReadonlySet<number>, messages: readonly ToldMessage[]): boolean {
  const told = messages.flatMap((message) => message.kinds).filter((kind) => kinds.has(kind));
  return new Set(told).size < told.length;
}
