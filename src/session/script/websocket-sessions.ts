/** Recorded sessions that became WebSockets: which of their messages are requests, answers and pushes. */
import { Conversation } from '../../protocol/conversation.ts';
import { MessageEnds, type StoredStream } from '../../protocol/message-ends.ts';
import { HTTP1 } from '../../protocol/registry.ts';
import { MessageKind, RecordedMessages, RecordedRequests } from '../../protocol/websocket.ts';
import {
  inOrder,
  learnPushes,
  type MessagePair,
  pairMessages,
  type ToldMessage,
} from '../../protocol/websocket-pairs.ts';
import { KindList, type MessageKinds } from '../../protocol/websocket-pushes.ts';
import { learnStreams } from '../../protocol/websocket-streams.ts';
import { storedIn } from './http-requests.ts';
import { Protocol, type Scripts, StreamEnd } from './scripts.ts';
import { type ReadOctets, StreamView } from './stream-view.ts';

/** Where a session's streams become a WebSocket's: offsets of the first octets behind the upgrade. */
export interface Upgrade {
  readonly clientAt: number;
  readonly serverAt: number;
  /** Whether messages may be compressed. */
  readonly isCompressed: boolean;
}

/** What the messages of a session are. */
export interface WebSocketSession {
  readonly pairs: readonly MessagePair[];
  /** Whether both streams were followed to their last octets. */
  readonly isWhole: boolean;
}

/** Pushes are learnt from so many sessions, of the first so many; and from so many messages. */
const LOOKED_AT_MAX = 2_000;
const LEARNT_FROM_MAX = 200;
const MESSAGES_MAX = 20_000;
/** The answer to an upgrade is looked at up to here. */
const ANSWER_BYTES_MAX = 4096;
const IS_UPGRADE = /^HTTP\/1\.1 101\b.*\r\nupgrade:[ \t]*websocket[ \t]*\r\n/is;
const IS_COMPRESSED = /\r\nsec-websocket-extensions:[^\r\n]*permessage-deflate/i;

/**
 * The upgrade that an answer agrees on; null where it is none to WebSocket.
 * @param requestEnd where the request ends in the client's stream
 */
export function upgradeBy(
  server: StoredStream,
  answerStart: number,
  answerEnd: number,
  requestEnd: number,
): Upgrade | null {
  const octets = new Uint8Array(Math.min(ANSWER_BYTES_MAX, answerEnd - answerStart));
  server.read(answerStart, octets);
  const text = String.fromCharCode(...octets);
  if (!IS_UPGRADE.test(text)) return null;
  return { clientAt: requestEnd, serverAt: answerEnd, isCompressed: IS_COMPRESSED.test(text) };
}

/** Reads them; what is learnt of pushes is learnt once, from the first sessions. */
export class WebSocketSessions {
  readonly #scripts: Scripts;
  readonly #client: StreamView;
  readonly #server: StreamView;
  readonly #kinds = new KindList();
  readonly #answers = new RecordedMessages(this.#kinds);
  readonly #requests = new RecordedRequests();
  readonly #ends = new MessageEnds();
  #learnt: MessageKinds | null = null;

  /** @param read fills `into` with octets of the joined capture from `offset` */
  constructor(scripts: Scripts, read: ReadOctets) {
    this.#scripts = scripts;
    this.#client = new StreamView(scripts.client, read);
    this.#server = new StreamView(scripts.server, read);
  }

  /** What kinds of messages are no answers, or not all of one. */
  get learnt(): MessageKinds {
    this.#learnt ??= this.#learn();
    return this.#learnt;
  }

  /** The messages of a session behind its upgrade. */
  read(session: number, upgrade: Upgrade): WebSocketSession {
    const { messages, isWhole } = this.#messagesOf(session, upgrade);
    return { pairs: pairMessages(messages, this.learnt.pushes), isWhole };
  }

  #learn(): MessageKinds {
    const conversation = new Conversation(HTTP1);
    const found: ToldMessage[][] = [];
    let messages = 0;
    for (let session = 0; session < this.#scripts.sessions; session++) {
      const isEnough = found.length >= LEARNT_FROM_MAX || messages >= MESSAGES_MAX;
      if (session >= LOOKED_AT_MAX || isEnough) break;
      if (this.#scripts.protocol[session] !== Protocol.HTTP1) continue;
      const upgrade = this.#upgradeOf(conversation, session);
      if (upgrade === null) continue;
      found.push(this.#messagesOf(session, upgrade).messages);
      messages += found.at(-1)?.length ?? 0;
    }
    const streams = learnStreams(found);
    return { pushes: learnPushes(found, streams), parts: streams.parts };
  }

  #upgradeOf(conversation: Conversation, session: number): Upgrade | null {
    const client = storedIn(this.#client, session);
    const server = storedIn(this.#server, session);
    let answerStart = 0;
    let last = { requestEnd: 0, answerEnd: 0 };
    for (const exchange of conversation.exchanges(client, server)) {
      answerStart = last.answerEnd;
      last = exchange;
    }
    if (!conversation.isUpgraded || last.answerEnd < 0) return null;
    return upgradeBy(server, answerStart, last.answerEnd, last.requestEnd);
  }

  #messagesOf(
    session: number,
    { clientAt, serverAt, isCompressed }: Upgrade,
  ): { readonly messages: ToldMessage[]; readonly isWhole: boolean } {
    const client = storedIn(this.#client, session);
    const server = storedIn(this.#server, session);
    const messages: ToldMessage[] = [];
    const said = this.#addRequests(session, client, clientAt, messages);
    const kind = isCompressed ? MessageKind.COMPRESSED : MessageKind.PLAIN;
    const heard = this.#addAnswers(session, server, serverAt, kind, messages);
    return { messages: inOrder(messages), isWhole: said && heard };
  }

  /** @returns whether the stream was followed to its end */
  #addRequests(
    session: number,
    client: StoredStream,
    clientAt: number,
    messages: ToldMessage[],
  ): boolean {
    const { firstMessage, messageEnd } = this.#scripts.client;
    let row = firstMessage[session];
    const last = firstMessage[session + 1];
    let at = clientAt;
    while (at < client.bytes) {
      const end = this.#ends.endOf(this.#requests, client, at, MessageKind.PLAIN);
      if (end < 0) return false;
      while (row + 1 < last && messageEnd[row] <= at) row++;
      const beginPlace = row;
      while (row + 1 < last && messageEnd[row] < end) row++;
      if (!this.#requests.isControl) {
        const said = { replyClass: 0, code: 0, hadBytes: 0, kinds: [] };
        messages.push({ isClient: true, start: at, end, place: row, beginPlace, ...said });
      }
      at = end;
    }
    return true;
  }

  /** @returns whether the stream was followed to its end */
  #addAnswers(
    session: number,
    server: StoredStream,
    serverAt: number,
    kind: number,
    messages: ToldMessage[],
  ): boolean {
    const { client } = this.#scripts;
    const { firstMessage, messageEnd, messageAwait } = this.#scripts.server;
    let row = firstMessage[session];
    const last = firstMessage[session + 1];
    let stage = client.firstMessage[session];
    const end = client.firstMessage[session + 1];
    let at = serverAt;
    while (at < server.bytes) {
      this.#kinds.kinds = [];
      const next = this.#ends.endOf(this.#answers, server, at, kind);
      if (next < 0) return false;
      while (row + 1 < last && messageEnd[row] <= at) row++;
      while (stage < end && client.messageAwait[stage] < next) stage++;
      if (!this.#answers.isControl) {
        // Behind the last message lie the stage before the client's end and, half-closed, one more.
        const isBehind =
          stage === end &&
          client.end[session] !== StreamEnd.OPEN &&
          client.endAwait[session] < next;
        const place = isBehind ? end + 1 : stage;
        const { replyClass, code } = this.#answers;
        const said = { replyClass, code, hadBytes: messageAwait[row], kinds: this.#kinds.kinds };
        messages.push({ isClient: false, start: at, end: next, place, beginPlace: place, ...said });
      }
      at = next;
    }
    return true;
  }
}
