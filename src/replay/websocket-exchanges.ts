/** The exchanges of recorded sessions behind an upgrade to WebSocket, found before anybody plays them. */

import { MessageKind } from '../protocol/websocket.ts';
import type { MessagePair } from '../protocol/websocket-pairs.ts';
import { type Scripts, StreamEnd } from '../session/script/scripts.ts';
import type { ReadOctets } from '../session/script/stream-view.ts';
import { WebSocketPongs } from '../session/script/websocket-pongs.ts';
import { type Upgrade, WebSocketSessions } from '../session/script/websocket-sessions.ts';
import type { ClassMarks } from './class-marks.ts';
import {
  type ExchangeColumnsBuilder,
  ExchangeMark,
  type WebSocketColumns,
} from './exchange-columns.ts';
import { ScriptSteps } from './script-steps.ts';
import { rowOf } from './stage-columns.ts';

/** As requests' protocol it names them. */
const NAME = 'websocket';
const AS_RECORDED = -1;

/** Adds them stage by stage, one session after another. */
export class WebSocketExchanges {
  readonly #scripts: Scripts;
  readonly #steps: ScriptSteps;
  readonly #columns: ExchangeColumnsBuilder;
  readonly #classes: ClassMarks;
  readonly #sessions: WebSocketSessions;
  readonly #pongs: WebSocketPongs;
  /** Null while no session has become one. */
  #found: Omit<WebSocketColumns, 'pushes' | 'parts'> | null = null;
  /** Of the session at hand: null before its upgrade. */
  #pairs: readonly MessagePair[] | null = null;
  #kind: number = MessageKind.PLAIN;
  #next = 0;

  constructor(
    scripts: Scripts,
    columns: ExchangeColumnsBuilder,
    classes: ClassMarks,
    read: ReadOctets,
  ) {
    this.#scripts = scripts;
    this.#steps = new ScriptSteps(scripts);
    this.#columns = columns;
    this.#classes = classes;
    this.#sessions = new WebSocketSessions(scripts, read);
    this.#pongs = new WebSocketPongs(scripts, read);
  }

  /** Another session is at hand. */
  beginSession(): void {
    this.#pairs = null;
    this.#next = 0;
  }

  /** Whether the session at hand has become a WebSocket. */
  get isUpgraded(): boolean {
    return this.#pairs !== null;
  }

  /** It does so by the answer that ends in this stage. */
  upgrade(session: number, stage: number, upgrade: Upgrade): void {
    this.#found ??= this.#noneFound();
    this.#found.from[session] = stage + 1;
    this.#kind = upgrade.isCompressed ? MessageKind.COMPRESSED : MessageKind.PLAIN;
    this.#pairs = this.#sessions.read(session, upgrade).pairs;
    this.#pongs.mark(session, upgrade, this.#found.frames);
    this.#countFrom(session, stage, upgrade.serverAt);
  }

  #noneFound(): Omit<WebSocketColumns, 'pushes' | 'parts'> {
    const { sessions, client } = this.#scripts;
    const messages = client.messageEnd.length;
    const stages = rowOf(sessions, messages);
    return {
      from: new Uint32Array(new SharedArrayBuffer(4 * sessions)),
      frames: new Uint8Array(new SharedArrayBuffer(messages)),
      thinkNs: new Float64Array(new SharedArrayBuffer(8 * stages)).fill(AS_RECORDED),
    };
  }

  /** Adds the exchanges whose answers end in the stage. */
  addStage(session: number, stage: number): void {
    const pairs = this.#pairs ?? [];
    const start =
      stage === this.#steps.first(session) ? 0 : this.#steps.awaitOf(session, stage - 1);
    let answered = -1;
    for (; this.#next < pairs.length && pairs[this.#next].answer.place <= stage; this.#next++) {
      const { request, answer } = pairs[this.#next];
      this.#columns.add({
        beginMessage: request.beginPlace,
        message: request.place,
        kind: this.#kind,
        answerBytes: answer.end - answer.start,
        answerEnd: answer.end - start,
        replyClass: answer.replyClass,
        code: answer.code,
        marks: ExchangeMark.FOLLOWED | ExchangeMark.WEBSOCKET,
      });
      this.#classes.add(NAME, request.start, request.end);
      answered = answer.end;
    }
    this.#countFrom(session, stage, answered);
  }

  /**
   * The client's think time before the step behind a stage was recorded from the last octet of the stage,
   * and may have been a push: it counts from the answer's end, or else from the step before.
   * @param answered where the stage's last answer ends in the server's stream; -1 without any
   */
  #countFrom(session: number, stage: number, answered: number): void {
    const { client, server } = this.#scripts;
    const end = this.#steps.end(session);
    if (this.#found === null || stage > end || answered === this.#steps.awaitOf(session, stage))
      return;
    // An end that waited for the server's counts from there.
    const isEnd = stage === end;
    if (isEnd && (client.end[session] === StreamEnd.OPEN || client.endAfterPeer[session] === 1))
      return;
    const offsetNs = isEnd ? client.endOffsetNs[session] : client.messageOffsetNs[stage];
    let sinceNs = stage > this.#steps.first(session) ? client.messageOffsetNs[stage - 1] : 0;
    if (answered >= 0) {
      let row = server.firstMessage[session];
      const last = server.firstMessage[session + 1];
      while (row + 1 < last && server.messageEnd[row] < answered) row++;
      sinceNs = Math.max(sinceNs, server.messageOffsetNs[row]);
    }
    this.#found.thinkNs[rowOf(session, stage)] = Math.max(0, offsetNs - sinceNs);
  }

  /** What was found; undefined without any such session. */
  finish(): WebSocketColumns | undefined {
    if (this.#found === null) return undefined;
    const { pushes, parts } = this.#sessions.learnt;
    return { ...this.#found, pushes: [...pushes], parts: [...parts] };
  }
}
