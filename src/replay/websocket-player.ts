/**
 * A player of users that become WebSockets: it answers the live server's pings as they come (RFC 6455, section
 * 5.5.3), and leaves out the recorded client's answers to the recorded server's. Pongs that the client sent of its
 * own accord are played as recorded.
 */
import { Prng } from '../base/prng.ts';
import { Counter } from '../measure/counters.ts';
import { pongFrame } from '../protocol/websocket-pings.ts';
import { FrameMark } from '../session/script/websocket-pongs.ts';
import type { LivePings } from './live-pings.ts';
import { PlayFlag } from './play-table.ts';
import type { ReplayPlan } from './replay-plan.ts';
import { type RewritingParts, RewritingPlayer } from './rewriting-player.ts';

const NOTHING = new Uint8Array(0);

/** Plays the scripts of users, and answers pings between their messages. */
export class WebSocketPlayer extends RewritingPlayer {
  readonly #parts: RewritingParts;
  readonly #frames: Uint8Array;
  readonly #messageEnd: Uint32Array;
  readonly #pings: LivePings;
  readonly #masks: Prng;

  /** @param frames a row a message: bits of FrameMark */
  constructor(plan: ReplayPlan, parts: RewritingParts, frames: Uint8Array, pings: LivePings) {
    super(plan, parts);
    this.#parts = parts;
    this.#frames = frames;
    this.#messageEnd = plan.scripts.client.messageEnd;
    this.#pings = pings;
    this.#masks = new Prng(plan.seed);
  }

  protected override onData(user: number, nowNs: number): void {
    super.onData(user, nowNs);
    this.#answerPing(user);
  }

  protected override playMessage(user: number, nowNs: number): boolean {
    const { plays, stream, counters } = this.#parts;
    const message = plays.nextStep[user];
    const isLeftOut = (this.#frames[message] & FrameMark.PONG) !== 0 && this.#pings.follows(user);
    if (!isLeftOut) {
      const goesOn = super.playMessage(user, nowNs);
      this.#answerPing(user);
      return goesOn;
    }
    counters[Counter.OCTETS_PLANNED] -=
      this.#messageEnd[message] - stream.recordedStart(user, message);
    stream.write(user, message, NOTHING, 0);
    this.leaveOut(user, message, nowNs);
    this.#answerPing(user);
    return true;
  }

  /** A ping that came amid a message of the user's is answered behind it. */
  #answerPing(user: number): void {
    const payload = this.#pings.pending(user);
    if (payload === null) return;
    const { plays, stream, counters } = this.#parts;
    const flags = plays.flags[user];
    if ((flags & PlayFlag.LIVE) === 0 || (flags & PlayFlag.ENDED) !== 0) return;
    if ((this.#frames[plays.nextStep[user] - 1] & FrameMark.WHOLE) === 0) return;
    const pong = pongFrame(payload, this.#masks.nextUint32());
    // Where there is no room for it now it has its turn behind the next message, or what comes next.
    if (!stream.interject(user, pong)) return;
    counters[Counter.OCTETS_PLANNED] += pong.length;
    counters[Counter.PINGS_ANSWERED]++;
    this.#pings.onAnswered(user);
  }
}
