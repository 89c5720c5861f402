/**
 * Which messages of a recorded WebSocket conversation answer which. A client's message is answered by the
 * first message of the server's behind it that the server sent when it had it, and that is no push, unless
 * the client has spoken again meanwhile and the server knew: then nobody has answered it.
 *
 * A push is what comes when nothing is asked. Where one comes between a request and its answer, its kind
 * tells: that of messages which often come unasked, and without which no request lacks an answer. Parts of an
 * answer that another message ends (`websocket-streams.ts`) are passed as pushes are.
 */
import { learnStreams, type StreamKinds } from './websocket-streams.ts';

/** A message of one side. */
export interface ToldMessage {
  readonly isClient: boolean;
  readonly start: number;
  readonly end: number;
  /** Of the client's: the row of the message of the script in which it ends; of the server's: its stage. */
  readonly place: number;
  /** Of the client's: the row in which it begins; else as `place`. */
  readonly beginPlace: number;
  /** Of the server's: what it says, as its framer has it. */
  readonly replyClass: number;
  readonly code: number;
  /** Of the server's: how many octets of the client's stream it had when it sent it. */
  readonly hadBytes: number;
  /** Of the server's: what it is, from the general to the particular; none of a close. */
  readonly kinds: readonly number[];
}

/** A request and its answer. */
export interface MessagePair {
  readonly request: ToldMessage;
  readonly answer: ToldMessage;
}

/** Puts both sides' messages in the order in which the client saw them. */
export const inOrder = (messages: readonly ToldMessage[]): ToldMessage[] =>
  // The stage of a row's number lies before that row.
  [...messages].sort((a, b) => rank(a) - rank(b) || a.start - b.start);

const rank = ({ place, isClient }: ToldMessage): number => 2 * place + (isClient ? 1 : 0);

/** What `pairMessages` tells of each message of the server's that is no push: its request, if any. */
type OnServerMessage = (message: ToldMessage, request: ToldMessage | undefined) => void;

/**
 * Pairs the messages of a conversation.
 * @param messages as `inOrder` has them
 */
export function pairMessages(
  messages: readonly ToldMessage[],
  pushes: ReadonlySet<number>,
): MessagePair[] {
  const pairs: MessagePair[] = [];
  walk(messages, pushes, (answer, request) => {
    if (request !== undefined) pairs.push({ request, answer });
  });
  return pairs;
}

function walk(
  messages: readonly ToldMessage[],
  pushes: ReadonlySet<number>,
  tell: OnServerMessage,
): void {
  let open: { readonly message: ToldMessage; readonly turn: number }[] = [];
  let turn = 0;
  let isServerLast = false;
  for (const message of messages) {
    if (message.isClient) {
      if (isServerLast) turn++;
      open.push({ message, turn });
    } else if (!message.kinds.some((kind) => pushes.has(kind))) {
      const { hadBytes } = message;
      let known = -1;
      for (const each of open) if (each.message.start < hadBytes) known = each.turn;
      open = open.filter((each) => each.turn >= known);
      const isAsked = open.length > 0 && open[0].message.start < hadBytes;
      tell(message, isAsked ? open.shift()?.message : undefined);
    }
    isServerLast = !message.isClient;
  }
}

/** Of a kind: how many messages came unasked; how many requests only they answer. */
interface Count {
  unasked: number;
  lost: number;
}

/** A kind that came unasked so often is one of pushes, if requests keep their answers without it. */
const UNASKED_MIN = 2;
/** Of requests that are answered one in so many may turn out to be none: a push came by chance. */
const LOST_SHARE = 10;
/** And then a kind has to come unasked so many times as often. */
const LOST_FACTOR = 3;
/** So many kinds are looked for one by one, since each makes others clearer. */
const KINDS_MAX = 64;

/**
 * The kinds of pushes in some conversations, and of parts of answers but for their ends.
 * @param conversations each as `inOrder` has it
 * @param streams what `learnStreams` has found in them
 */
export function learnPushes(
  conversations: readonly (readonly ToldMessage[])[],
  { parts, ends }: StreamKinds = learnStreams(conversations),
): ReadonlySet<number> {
  const pushes = new Set(parts);
  for (let found = 0; found < KINDS_MAX; found++) {
    const kind = mostUnasked(conversations, pushes, ends);
    if (kind === null) break;
    pushes.add(kind);
  }
  // What came unasked only once is seldom worth a name, but never an answer.
  for (const [kind, { lost, unasked }] of countAll(conversations, pushes).counts) {
    if (unasked > 0 && lost === 0 && !ends.has(kind)) pushes.add(kind);
  }
  return pushes;
}

/** The kind that comes unasked most often and ends no answer, of several the most general one; null without any. */
function mostUnasked(
  conversations: readonly (readonly ToldMessage[])[],
  pushes: ReadonlySet<number>,
  ends: ReadonlySet<number>,
): number | null {
  const { counts, answered } = countAll(conversations, pushes);
  let found: number | null = null;
  let most = UNASKED_MIN - 1;
  for (const [kind, { unasked, lost }] of counts) {
    if (unasked <= most || ends.has(kind)) continue;
    if (lost > 0 && (lost * LOST_SHARE > answered || lost * LOST_FACTOR > unasked)) continue;
    found = kind;
    most = unasked;
  }
  return found;
}

function countAll(
  conversations: readonly (readonly ToldMessage[])[],
  pushes: ReadonlySet<number>,
): { readonly counts: ReadonlyMap<number, Count>; readonly answered: number } {
  const counts = new Map<number, Count>();
  let answered = 0;
  for (const messages of conversations) answered += countKinds(messages, pushes, counts);
  return { counts, answered };
}

/** Counts each kind's messages. @returns how many requests are answered */
function countKinds(
  messages: readonly ToldMessage[],
  pushes: ReadonlySet<number>,
  counts: Map<number, Count>,
): number {
  let answered = 0;
  /** Of the last answer: its kinds that all messages behind it have, so far. */
  let only: readonly number[] = [];
  const settle = (): void => {
    for (const kind of only) countOf(counts, kind).lost++;
    only = [];
  };
  walk(messages, pushes, ({ kinds }, request) => {
    if (request === undefined) {
      for (const kind of kinds) countOf(counts, kind).unasked++;
      only = only.filter((kind) => kinds.includes(kind));
      return;
    }
    settle();
    answered++;
    only = kinds;
  });
  settle();
  return answered;
}

function countOf(counts: Map<number, Count>, kind: number): Count {
  let count = counts.get(kind);
  if (count === undefined) {
    count = { unasked: 0, lost: 0 };
    counts.set(kind, count);
  }
  return count;
}
