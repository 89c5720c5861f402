/** What one engine (one thread's share of the users) is to play; everything in it is resolved. */
import type { ProtocolChoice } from '../protocol/registry.ts';
import type { ArrivalPlan } from '../schedule/arrivals.ts';
import type { ClientPlan } from '../schedule/client-connections.ts';
import type { RunShare } from '../schedule/run-share.ts';
import type { Scripts } from '../session/script/scripts.ts';
import type { TransportPlan } from '../transport/transport-plan.ts';
import type { RewriteColumns } from './rewrite-columns.ts';

/** What says when a step is due: the client's think time, the recorded schedule, or nothing. */
export const Pace = { THINK: 0, SCHEDULE: 1, NONE: 2 } as const;
export type Pace = (typeof Pace)[keyof typeof Pace];

/** Who ends a connection: as recorded, the server alone, or we by an RST after the last answer. */
export const Close = { RECORDED: 0, SERVER: 1, RESET: 2 } as const;
export type Close = (typeof Close)[keyof typeof Close];

/** What sessions to a recorded port speak. */
export interface ProtocolOfPort {
  /** Null: those to any port whose protocol is not recognised. */
  readonly port: number | null;
  readonly protocol: ProtocolChoice;
}
/** How answers are compared with the recorded ones: see `AnswerCheck`. */
export const Check = { OFF: 0, STATUS: 1, LENGTH: 2, BODY: 3 } as const;
export type Check = (typeof Check)[keyof typeof Check];

/**
 * A share of a run: users `u` with `u % shards === shard`. A user is a connection at a time, or, with
 * `perClient`, a client with all of its connections.
 */
export interface ReplayPlan extends TransportPlan {
  readonly scripts: Scripts;
  /**
   * Rows of `scripts` that are played, in capture order: connection `c` plays `played[c % length]`. With
   * `perClient` one recorded client after another.
   */
  readonly played: Uint32Array;
  /** For each of the scripts' endpoints its row in `targets`. */
  readonly targetOf: Uint16Array;
  /** Where that is not left to what the capture shows. */
  readonly protocols?: readonly ProtocolOfPort[];
  /** Recorded clients, where users are clients: rows of their columns are indexes of `played`. */
  readonly perClient?: ClientPlan;
  readonly arrivals: ArrivalPlan;
  /** Which part of the run this plan is; its users and connections are counted within the part. */
  readonly share: RunShare;
  readonly iterations: number;
  /** Nothing is started after this; NEVER_NS without a limit. */
  readonly stopStartingNs: number;
  readonly accel: number;
  readonly pace: Pace;
  readonly close: Close;
  readonly check: Check;
  /** Of bodies that are compared what these regular expressions find is left out; nothing when absent. */
  readonly checkIgnore?: readonly string[];
  readonly timeoutNs: number;
  /** Whether the targets answer every opening, so that none need be held back; absent: nobody knows. */
  readonly answersAll?: boolean;
  /**
   * Whether targets say just what was recorded, with any octets in place of those that the capture lacks; absent:
   * they say what they like.
   */
  readonly saysRecorded?: boolean;
  /** Rows of `scripts`: 1 where the SYN does not offer SACK, whatever `syn` says; absent: nowhere. */
  readonly isSackLeftOut?: Uint8Array;
  /** Where modules change what is said. */
  readonly rewriting?: RewritingPlan;
}

/** The part of the plan that says what exchanges are. */
export type FindPlan = Pick<ReplayPlan, 'scripts' | 'protocols' | 'saysRecorded'> & {
  /** What modules say of recorded answers. */
  readonly rewriting?: Pick<RewritingPlan, 'columns'>;
};

/** What modules change, and how far they may go. */
export interface RewritingPlan {
  readonly columns: RewriteColumns;
  /** Whether some answers are read, so that whole packets are needed. */
  readonly readsAnswers: boolean;
  /** How long a message may wait for what its module does not know yet. */
  readonly bindTimeoutNs: number;
  /** At most so many octets of an answer are kept for a module. */
  readonly answerBytesMax: number;
}
