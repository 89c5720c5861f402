/**
 * A player of users who answer what their live server says of its own accord, as it comes: pings of WebSockets (RFC 6455,
 * section 5.5.3), publications of MQTT. It leaves out the recorded client's answers to the recorded server's.
 * Pongs that the client sent of its own accord are played as recorded.
 */
import { Prng } from '../base/prng.ts';
import { Counter } from '../measure/counters.ts';
import { ReplyMark } from '../session/script/reply-marks.ts';
import type { LiveReplies } from './live-replies.ts';
import { PlayFlag } from './play-table.ts';
import type { ReplayPlan } from './replay-plan.ts';
import { type RewritingParts, RewritingPlayer } from './rewriting-player.ts';
import type { StrippedMessages } from './stripped-messages.ts';

const NOTHING = new Uint8Array(0);

/** Plays the scripts of users, and answers between their messages. */
export class ReplyingPlayer extends RewritingPlayer {
  readonly #parts: RewritingParts;
  readonly #replyMarks: Uint8Array;
  readonly #messageEnd: Uint32Array;
  readonly #replies: LiveReplies;
  readonly #stripped: StrippedMessages;
  readonly #chance: Prng;

  /** @param replyMarks a row a message: bits of ReplyMark */
  constructor(
    plan: ReplayPlan,
    parts: RewritingParts,
    replyMarks: Uint8Array,
    replies: LiveReplies,
    stripped: StrippedMessages,
  ) {
    super(plan, parts);
    this.#parts = parts;
    this.#replyMarks = replyMarks;
    this.#messageEnd = plan.scripts.client.messageEnd;
    this.#replies = replies;
    this.#stripped = stripped;
    this.#chance = new Prng(plan.seed);
  }

  protected override onData(user: number): void {
    super.onData(user);
    this.#reply(user);
  }

  protected override playMessage(user: number): boolean {
    const { plays, stream, counters } = this.#parts;
    const message = plays.nextStep[user];
    const marks = this.#replies.follows(user) ? this.#replyMarks[message] : 0;
    if ((marks & ReplyMark.REPLY) === 0) {
      if (marks & ReplyMark.MIXED) this.#strip(user, message);
      const goesOn = super.playMessage(user);
      this.#reply(user);
      return goesOn;
    }
    counters[Counter.OCTETS_PLANNED] -=
      this.#messageEnd[message] - stream.recordedStart(user, message);
    stream.write(user, message, NOTHING, 0);
    this.leaveOut(user, message);
    this.#reply(user);
    return true;
  }

  /** Of a message the recorded client's answers are left out. Where there is no room for the rest it goes out as recorded. */
  #strip(user: number, message: number): void {
    const { plays, stream, host, counters } = this.#parts;
    if (host.isWritten(user, message)) return;
    const octets = this.#stripped.of(plays.session[user], message);
    const recordedBytes = this.#messageEnd[message] - stream.recordedStart(user, message);
    if (!stream.write(user, message, octets, octets.length)) return;
    counters[Counter.OCTETS_PLANNED] += octets.length - recordedBytes;
  }

  /** What came amid a message of the user's is answered behind it. */
  #reply(user: number): void {
    if (!this.#replies.follows(user)) return;
    const { plays, stream, counters } = this.#parts;
    const flags = plays.flags[user];
    if ((flags & PlayFlag.LIVE) === 0 || (flags & PlayFlag.ENDED) !== 0) return;
    if ((this.#replyMarks[plays.nextStep[user] - 1] & ReplyMark.WHOLE) === 0) return;
    const counter = this.#replies.answersPings(user)
      ? Counter.PINGS_ANSWERED
      : Counter.PUSHES_ANSWERED;
    for (;;) {
      const reply = this.#replies.replyOf(user, this.#chance);
      // Where there is no room for it now it has its turn behind the next message, or what comes next.
      if (reply === null || !stream.interject(user, reply)) return;
      counters[Counter.OCTETS_PLANNED] += reply.length;
      counters[counter] += this.#replies.onSaid(user);
    }
  }
}
