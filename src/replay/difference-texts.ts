/** Puts differences of answers into words: which request, what was recorded, what came. */
import { formatCount } from '../base/units.ts';
import type { AnswerExample } from '../measure/compare-answers.ts';
import {
  addDifferences,
  DIFFERENCE_NAMES,
  type Difference,
  DifferenceKind,
  type Differences,
  differencesLeft,
  type Said,
  type SeenDifference,
  seenDifferences,
} from '../measure/differences.ts';
import type { ExchangeFigures } from '../measure/exchange-figures.ts';
import { type RequestClasses, sumClasses } from '../measure/request-classes.ts';
import { type AnswerFramer, ReplyClass } from '../protocol/framer.ts';
import { FOLLOWED_PROTOCOLS } from '../protocol/registry.ts';
import { WebSocketMessages } from '../protocol/websocket.ts';
import type { Scripts } from '../session/script/scripts.ts';
import { type ReadOctets, StreamView } from '../session/script/stream-view.ts';
import { type ExchangeColumns, ExchangeMark, GREETS } from './exchange-columns.ts';

/** As much of a request is shown. */
const REQUEST_BYTES = 80;

/** What a reply without a code said. */
const CLASS_TEXTS: ReadonlyMap<number, string> = new Map([
  [ReplyClass.OK, 'ok'],
  [ReplyClass.GO_ON, 'go on'],
  [ReplyClass.REFUSED, 'error'],
  [ReplyClass.FAILED, 'failure'],
]);

/** Words the differences of a run's sessions. */
export class DifferenceTexts {
  readonly #scripts: Scripts;
  readonly #exchanges: ExchangeColumns;
  readonly #clients: StreamView;

  constructor(scripts: Scripts, exchanges: ExchangeColumns, read: ReadOctets) {
    this.#scripts = scripts;
    this.#exchanges = exchanges;
    this.#clients = new StreamView(scripts.client, read);
  }

  /** What a thread saw, in words. */
  of({ kind, requestClass, count, exchange, recorded, got }: SeenDifference): Difference {
    const session = this.#sessionOf(this.#exchanges.message[exchange]);
    const textOf = (said: Said): string =>
      kind === DifferenceKind.STATUS
        ? this.#statusText(session, exchange, said)
        : `${formatCount(said.bytes)} bytes`;
    return {
      kind: DIFFERENCE_NAMES[kind],
      requestClass: requestClass < 0 ? '' : (this.#exchanges.classNames.at(requestClass) ?? ''),
      count,
      example: {
        ...this.requestOf(exchange),
        recorded: textOf(recorded),
        got: textOf(got),
        gotBytes: got.bytes,
      },
    };
  }

  /** Which request an exchange is, and where the capture has it. */
  requestOf(exchange: number): Pick<AnswerExample, 'session' | 'number' | 'request'> {
    const session = this.#sessionOf(this.#exchanges.message[exchange]);
    return {
      session: session + 1,
      number: this.#numberOf(session, exchange),
      request: this.#requestText(session, exchange),
    };
  }

  /** What was said to an exchange of the scripts. */
  statusOf(exchange: number, said: Pick<Said, 'replyClass' | 'code'>): string {
    return this.#statusText(this.#sessionOf(this.#exchanges.message[exchange]), exchange, said);
  }

  /** The session whose message this is: the last one that begins with it or before. */
  #sessionOf(message: number): number {
    const { firstMessage } = this.#scripts.client;
    let low = 0;
    let high = this.#scripts.sessions - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (firstMessage[middle] <= message) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** Which of the session's requests it is, from 1. */
  #numberOf(session: number, exchange: number): number {
    const { ofMessage } = this.#exchanges;
    return exchange - ofMessage[this.#scripts.client.firstMessage[session]] + 1;
  }

  #statusText(
    session: number,
    exchange: number,
    { replyClass, code }: Pick<Said, 'replyClass' | 'code'>,
  ): string {
    const framer = this.#framerOf(session, exchange);
    if (framer === undefined) return String(code);
    framer.begin(0);
    framer.code = code;
    framer.replyClass = replyClass;
    return framer.codeText() || (CLASS_TEXTS.get(replyClass) ?? `class ${replyClass}`);
  }

  #framerOf(session: number, exchange: number): AnswerFramer | undefined {
    const { protocol, protocols, marks } = this.#exchanges;
    if (marks[exchange] & ExchangeMark.WEBSOCKET) return new WebSocketMessages();
    const name = protocols.at(Math.max(0, (protocol[session] & ~GREETS) - 1));
    return typeof name === 'string' ? FOLLOWED_PROTOCOLS.get(name)?.answers() : undefined;
  }

  /** The first line of the request, as far as it is text; else the name of its class. */
  #requestText(session: number, exchange: number): string {
    const { beginMessage, message, requestClass, classNames } = this.#exchanges;
    const name = classNames.at(requestClass[exchange]) ?? 'a request';
    const begin = beginMessage[exchange];
    const { firstMessage, messageEnd } = this.#scripts.client;
    // Of several requests in one message only the first begins where it does.
    if (begin > firstMessage[session] && exchange > 0 && message[exchange - 1] >= begin)
      return name;
    const start = begin === firstMessage[session] ? 0 : messageEnd[begin - 1];
    const octets = new Uint8Array(Math.min(REQUEST_BYTES, messageEnd[begin] - start));
    this.#clients.read(session, start, octets);
    const line = /^[!-~]+(?: [!-~]+)*/.exec(String.fromCharCode(...octets))?.[0] ?? '';
    const isNamed = name !== 'a request' && line.split(' ', 1)[0] === name.split(' ', 1)[0];
    return isNamed ? line.replace(/ HTTP\/1\.\d$/, '') : name;
  }
}

/** What the threads of a run recorded of exchanges, in sum and in words. */
export function sumFigures(
  scripts: Scripts,
  exchanges: ExchangeColumns,
  read: ReadOctets,
  threads: readonly ExchangeFigures[],
): { readonly classes: RequestClasses; readonly differences: Differences } {
  const texts = new DifferenceTexts(scripts, exchanges, read);
  return {
    classes: sumClasses(
      exchanges.classNames,
      threads.flatMap(({ classes }) => classes ?? []),
    ),
    differences: addDifferences(
      threads.map(({ differences }) => ({
        seen: seenDifferences(differences).map((each) => texts.of(each)),
        left: differencesLeft(differences),
      })),
    ),
  };
}
