/** Recorded sessions of MQTT: which packets answer which, and what a live server's pushes decide anew. */
import { FIRST_REQUEST, type Framer, NEXT_REQUEST, NO_ANSWER } from '../../protocol/framer.ts';
import { MessageEnds, type StoredStream } from '../../protocol/message-ends.ts';
import { isAnswerTo, RecordedMqttAnswers } from '../../protocol/mqtt-answers.ts';
import { answerName, PacketType, versionKind } from '../../protocol/mqtt-packets.ts';
import { isReply, MqttRequests } from '../../protocol/mqtt-requests.ts';
import { storedIn } from './http-requests.ts';
import { ReplyMark } from './reply-marks.ts';
import { type Scripts, type StreamColumns, StreamEnd } from './scripts.ts';
import { type ReadOctets, StreamView } from './stream-view.ts';

/** Where a packet lies in its side's stream. */
interface Placed {
  readonly start: number;
  readonly end: number;
  /** Of a client's: the row of the message in which it ends; of a server's: its stage. */
  readonly place: number;
}

/** A client's packet that gets an answer. */
interface Request extends Placed {
  readonly beginPlace: number;
  /** What the answer's framer is to be told. */
  readonly kind: number;
}

interface Answer extends Placed {
  readonly name: number;
  readonly replyClass: number;
  readonly code: number;
}

/** A request and its answer. */
export interface MqttPair {
  readonly request: Request;
  readonly answer: Answer;
}

/** What the packets of a session are. */
export interface MqttSession {
  /** Requests that get an answer, those included whose answers are not there. */
  readonly requests: number;
  /** In the order of requests; their answers lie in that order, too. */
  readonly pairs: readonly MqttPair[];
  /** Whether the server may say something of its own accord: the client has subscribed, or the server did. */
  readonly isPushed: boolean;
  /** Whether both streams were followed to their last octets. */
  readonly isWhole: boolean;
}

/** Messages of a stream at which packets are looked for anew where one could not be followed. */
const RETRIES_MAX = 64;

/** Reads them. */
export class MqttSessions {
  readonly #scripts: Scripts;
  readonly #client: StreamView;
  readonly #server: StreamView;
  readonly #requests = new MqttRequests();
  readonly #answers = new RecordedMqttAnswers();
  readonly #ends = new MessageEnds();

  /** @param read fills `into` with octets of the joined capture from `offset` */
  constructor(scripts: Scripts, read: ReadOctets) {
    this.#scripts = scripts;
    this.#client = new StreamView(scripts.client, read);
    this.#server = new StreamView(scripts.server, read);
  }

  /** @param marks a row a message: bits of ReplyMark are put down there */
  read(session: number, marks: Uint8Array | null = null): MqttSession {
    const client = storedIn(this.#client, session);
    const server = storedIn(this.#server, session);
    const said = this.#said(session, client, marks);
    const heard = this.#heard(session, server, versionKind(this.#requests.level));
    const pairs = paired(said.requests, heard.answers);
    const answered = pairs.reduce((bytes, { answer }) => bytes + answer.end - answer.start, 0);
    return {
      requests: said.requests.length,
      pairs,
      isPushed: said.isSubscriber || answered < server.bytes,
      isWhole: said.isWhole && heard.isWhole,
    };
  }

  #said(session: number, client: StoredStream, marks: Uint8Array | null) {
    const { firstMessage, messageEnd } = this.#scripts.client;
    const framer = this.#requests;
    const requests: Request[] = [];
    let isSubscriber = false;
    let row = firstMessage[session];
    const last = firstMessage[session + 1];
    // Of the row at hand: whether it begins with a packet, how many there are, and how many of them are replies.
    let isWholeRow = true;
    let packets = 0;
    let replies = 0;
    let hasLeft = false;
    let kind: number = FIRST_REQUEST;
    const follow = (start: number, end: number): void => {
      while (row + 1 < last && messageEnd[row] <= start) row++;
      const beginPlace = row;
      while (row + 1 < last && messageEnd[row] < end) row++;
      const { type, answerKind } = framer;
      if (answerKind !== NO_ANSWER)
        requests.push({ start, end, place: row, beginPlace, kind: answerKind });
      isSubscriber ||= type === PacketType.SUBSCRIBE || !framer.isClean;
      const hadLeft = hasLeft;
      hasLeft ||= type === PacketType.DISCONNECT;
      const isFirst = start === (row === firstMessage[session] ? 0 : messageEnd[row - 1]);
      if (isFirst || beginPlace !== row) {
        isWholeRow = isFirst;
        packets = 0;
        replies = 0;
      }
      packets++;
      if (isReply(type)) replies++;
      if (marks === null || hadLeft || messageEnd[row] !== end) return;
      if (!hasLeft) marks[row] |= ReplyMark.WHOLE;
      if (isWholeRow && replies > 0) {
        marks[row] |= replies === packets ? ReplyMark.REPLY : ReplyMark.MIXED;
      }
    };
    const isWhole = this.#eachPacket(this.#scripts.client, session, client, {
      framer,
      kindOf: () => {
        const begun = kind;
        kind = NEXT_REQUEST;
        return begun;
      },
      follow,
    });
    return { requests, isSubscriber, isWhole };
  }

  #heard(session: number, server: StoredStream, kind: number) {
    const { client } = this.#scripts;
    const framer = this.#answers;
    const answers: Answer[] = [];
    let stage = client.firstMessage[session];
    const last = client.firstMessage[session + 1];
    const follow = (start: number, end: number): void => {
      if (framer.isPush) return;
      while (stage < last && client.messageAwait[stage] < end) stage++;
      // Behind the last message lie the stage before the client's end and, half-closed, one more.
      const isBehind =
        stage === last && client.end[session] !== StreamEnd.OPEN && client.endAwait[session] < end;
      const { name, replyClass, code } = framer;
      answers.push({ start, end, place: isBehind ? last + 1 : stage, name, replyClass, code });
    };
    const kindOf = (): number => kind;
    const isWhole = this.#eachPacket(this.#scripts.server, session, server, {
      ...{ framer, kindOf, follow },
    });
    return { answers, isWhole };
  }

  /** @returns whether the stream was followed to its end, without a gap */
  #eachPacket(
    { firstMessage, messageEnd }: StreamColumns,
    session: number,
    stream: StoredStream,
    to: { framer: Framer; kindOf: () => number; follow: (start: number, end: number) => void },
  ): boolean {
    const last = firstMessage[session + 1];
    let row = firstMessage[session];
    let retries = 0;
    for (let at = 0; at < stream.bytes; ) {
      const end = this.#ends.endOf(to.framer, stream, at, to.kindOf());
      if (end >= 0) {
        to.follow(at, end);
        at = end;
        continue;
      }
      while (row < last && messageEnd[row] <= at) row++;
      if (row === last || ++retries > RETRIES_MAX) return false;
      at = messageEnd[row];
    }
    return retries === 0;
  }
}

/**
 * Requests and what answers them. Where some were not answered in their order, the places of answers are put in order:
 * whichever comes first is waited for first.
 */
function paired(requests: readonly Request[], answers: readonly Answer[]): MqttPair[] {
  const answerOf = new Map<Request, Answer>();
  let open: Request[] = [];
  let next = 0;
  for (const answer of answers) {
    for (; next < requests.length && requests[next].place < answer.place; next++) {
      const request = requests[next];
      // An identifier that is used anew is free: whatever bore it will not be answered any more.
      open = open.filter(({ kind }) => kind !== request.kind || !hasIdentifier(kind));
      open.push(request);
    }
    const asked = open.find(({ kind }) => isAnswerTo(answer.name, answerName(kind)));
    if (asked === undefined) continue;
    answerOf.set(asked, answer);
    open.splice(open.indexOf(asked), 1);
  }
  const places = [...answerOf.values()].sort((a, b) => a.start - b.start);
  return requests
    .filter((request) => answerOf.has(request))
    .map((request, i) => ({
      request,
      answer: { ...places[i], ...saidBy(answerOf.get(request) ?? places[i]) },
    }));
}

const hasIdentifier = (kind: number): boolean => (kind & 0xffff) !== 0;
const saidBy = ({ name, replyClass, code }: Answer) => ({ name, replyClass, code });
