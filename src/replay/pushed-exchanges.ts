/**
 * The exchanges of recorded sessions whose server may speak of its own accord, found before anybody plays them: of MQTT, and
 * of HTTP behind an upgrade to WebSocket.
 */

import { MQTT_NAME } from '../protocol/registry.ts';
import { MessageKind } from '../protocol/websocket.ts';
import { type MqttPair, MqttSessions } from '../session/script/mqtt-sessions.ts';
import { ReplyMark } from '../session/script/reply-marks.ts';
import { type Scripts, StreamEnd } from '../session/script/scripts.ts';
import type { ReadOctets } from '../session/script/stream-view.ts';
import { WebSocketPongs } from '../session/script/websocket-pongs.ts';
import { type Upgrade, WebSocketSessions } from '../session/script/websocket-sessions.ts';
import type { ClassMarks } from './class-marks.ts';
import { type ExchangeColumnsBuilder, ExchangeMark, type PushColumns } from './exchange-columns.ts';
import type { FindPlan } from './replay-plan.ts';
import { ScriptSteps } from './script-steps.ts';
import { rowOf } from './stage-columns.ts';

/** As requests' protocol it names those of WebSockets. */
const WEBSOCKET_NAME = 'websocket';
const AS_RECORDED = -1;

/** A request and its answer, whatever the protocol. */
interface Pair {
  readonly request: MqttPair['request'];
  readonly answer: Omit<MqttPair['answer'], 'name'>;
}

/** Adds them stage by stage, one session after another. */
export class PushedExchanges {
  readonly #scripts: Scripts;
  readonly #steps: ScriptSteps;
  readonly #columns: ExchangeColumnsBuilder;
  readonly #classes: ClassMarks;
  readonly #sessions: WebSocketSessions;
  readonly #pongs: WebSocketPongs;
  readonly #mqtt: MqttSessions;
  readonly #saysRecorded: boolean;
  /** Null while no session has become one. */
  #found: Omit<PushColumns, 'pushes' | 'parts'> | null = null;
  /** Of the session at hand: null before its upgrade, and where it is another protocol's. */
  #pairs: readonly Pair[] | null = null;
  #marks = 0;
  #name = WEBSOCKET_NAME;
  #next = 0;
  /** Of the step at hand, behind a pong: since when it would wait without that; else NaN. */
  #beforePongNs = Number.NaN;

  constructor(
    { scripts, saysRecorded = false }: Pick<FindPlan, 'scripts' | 'saysRecorded'>,
    columns: ExchangeColumnsBuilder,
    classes: ClassMarks,
    read: ReadOctets,
  ) {
    this.#saysRecorded = saysRecorded;
    this.#scripts = scripts;
    this.#steps = new ScriptSteps(scripts);
    this.#columns = columns;
    this.#classes = classes;
    this.#sessions = new WebSocketSessions(scripts, read);
    this.#pongs = new WebSocketPongs(scripts, read);
    this.#mqtt = new MqttSessions(scripts, read);
  }

  /** Another session is at hand. */
  beginSession(): void {
    this.#pairs = null;
    this.#next = 0;
    this.#beforePongNs = Number.NaN;
  }

  /** Whether the exchanges of the session at hand are found here, from this stage on. */
  get isTheirs(): boolean {
    return this.#pairs !== null;
  }

  /** It does so by the answer that ends in this stage. */
  upgrade(session: number, stage: number, upgrade: Upgrade): void {
    this.#found ??= this.#noneFound();
    this.#found.from[session] = stage + 1;
    const kind = upgrade.isCompressed ? MessageKind.COMPRESSED : MessageKind.PLAIN;
    const { pairs } = this.#sessions.read(session, upgrade);
    this.#pairs = pairs.map(({ request, answer }) => ({ request: { ...request, kind }, answer }));
    this.#marks = ExchangeMark.FOLLOWED | ExchangeMark.WEBSOCKET;
    this.#name = WEBSOCKET_NAME;
    this.#pongs.mark(session, upgrade, this.#found.replyMarks);
    this.#countFrom(session, stage, upgrade.serverAt);
  }

  /** The session at hand is one of MQTT. */
  beginMqtt(session: number): void {
    const { pairs, isPushed } = this.#mqtt.read(session);
    this.#pairs = pairs;
    this.#marks = ExchangeMark.FOLLOWED | ExchangeMark.PUSHED;
    this.#name = MQTT_NAME;
    if (!isPushed) return;
    this.#found ??= this.#noneFound();
    // The server waits for the client's first words.
    this.#found.from[session] = this.#steps.first(session) + 1;
    this.#mqtt.read(session, this.#found.replyMarks);
  }

  #noneFound(): Omit<PushColumns, 'pushes' | 'parts'> {
    const { sessions, client } = this.#scripts;
    const messages = client.messageEnd.length;
    const stages = rowOf(sessions, messages);
    return {
      from: new Uint32Array(new SharedArrayBuffer(4 * sessions)),
      replyMarks: new Uint8Array(new SharedArrayBuffer(messages)),
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
        kind: request.kind,
        answerBytes: answer.end - answer.start,
        answerEnd: answer.end - start,
        replyClass: answer.replyClass,
        code: answer.code,
        marks: this.#marks,
      });
      this.#classes.add(this.#name, request.start, request.end);
      answered = answer.end;
    }
    this.#countFrom(session, stage, answered);
  }

  /**
   * The client's think time before the step behind a stage was recorded from the last octet of the stage,
   * and may have been a push: it counts from the answer's end, or else from the step before. A pong for a recorded
   * ping is left out, and takes no time: else a live answer would be waited for as long as the recorded server was
   * to ping, and what the client says next counts from before it.
   * @param answered where the stage's last answer ends in the server's stream; -1 without any
   */
  #countFrom(session: number, stage: number, answered: number): void {
    const { client } = this.#scripts;
    const end = this.#steps.end(session);
    if (this.#found === null || this.#found.from[session] === 0 || stage > end) return;
    if (stage === this.#steps.first(session)) return;
    const isEnd = stage === end;
    const isPong = !isEnd && this.#isLeftOut(stage, this.#found.replyMarks);
    const isAsRecorded = answered === this.#steps.awaitOf(session, stage);
    if (isAsRecorded && !isPong && Number.isNaN(this.#beforePongNs)) return;
    // An end that waited for the server's counts from there.
    if (isEnd && (client.end[session] === StreamEnd.OPEN || client.endAfterPeer[session] === 1))
      return;
    const offsetNs = isEnd ? client.endOffsetNs[session] : client.messageOffsetNs[stage];
    const beforeNs = stage > this.#steps.first(session) ? client.messageOffsetNs[stage - 1] : 0;
    let sinceNs = Number.isNaN(this.#beforePongNs) ? beforeNs : this.#beforePongNs;
    if (answered >= 0) {
      const thinkNs = isEnd ? client.endThinkNs[session] : client.messageThinkNs[stage];
      const isLast = isAsRecorded && offsetNs - thinkNs > beforeNs;
      sinceNs = Math.max(sinceNs, isLast ? offsetNs - thinkNs : this.#saidNs(session, answered));
    }
    this.#beforePongNs = isPong ? sinceNs : Number.NaN;
    this.#found.thinkNs[rowOf(session, stage)] = isPong ? 0 : Math.max(0, offsetNs - sinceNs);
  }

  /** Whether a message is a pong for a recorded ping, or the like: whoever says what was recorded pings likewise, and gets it. */
  #isLeftOut(message: number, replyMarks: Uint8Array): boolean {
    return !this.#saysRecorded && (replyMarks[message] & ReplyMark.REPLY) !== 0;
  }

  /** When the server said what ends at an offset of its stream: the first octets of what it wrote in one go. */
  #saidNs(session: number, end: number): number {
    const { server } = this.#scripts;
    let row = server.firstMessage[session];
    const last = server.firstMessage[session + 1];
    while (row + 1 < last && server.messageEnd[row] < end) row++;
    return server.messageOffsetNs[row];
  }

  /** What was found; undefined without any such session. */
  finish(): PushColumns | undefined {
    if (this.#found === null) return undefined;
    const { pushes, parts } = this.#sessions.learnt;
    return { ...this.#found, pushes: [...pushes], parts: [...parts] };
  }
}
