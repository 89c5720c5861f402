/**
 * The port between the engine and whoever changes what recorded clients say: rules for HTTP, log-ins
 * of databases, modules of users. A module sees a session before the run, as it was recorded, and says
 * which messages it will write anew and which answers it has to read; during the run it is asked for
 * nothing else, and sessions in which nothing is to be changed cost nothing.
 *
 * Everything is synchronous, in the thread that plays the user. Octets that are handed in are valid
 * during the call only, and not to be written to; octets that are handed out are copied before the next call.
 *
 * A session is a row of messages (what the client wrote in one go) and of stages: stage `i` is what the
 * server said before message `i`, and one more stage lies behind the last message.
 */

/** A session as it was recorded. */
export interface RecordedSession {
  /** Row in the scripts: the same in every thread. */
  readonly session: number;
  /** The recorded client's address, as text: `10.0.0.7` or `2001:db8::7`. */
  readonly clientAddress: string;
  /** The recorded server's end: `192.0.2.1:80` or `[2001:db8::1]:80`. */
  readonly server: string;
  /** Name of the recognised protocol (`protocol/registry.ts`); empty where none was recognised. */
  readonly protocol: string;
  /** Messages of the client. */
  readonly messages: number;
  /** Octets of message `i`, 0 ≤ i < messages; a copy. */
  message(i: number): Uint8Array;
  /** Octets of stage `i`, 0 ≤ i ≤ messages; a copy. Undefined where they were not captured whole. */
  stage(i: number): Uint8Array | undefined;
}

/** What a module wants with a session. */
export interface SessionPlan<Plan> {
  /** Whatever the module needs at run time; handed to `connection`. */
  readonly plan: Plan;
  /** Messages that are written anew, in ascending order. */
  readonly rewrites: readonly number[];
  /** Stages whose octets are read, in ascending order. */
  readonly reads: readonly number[];
  /**
   * The module talks to the server itself until the recording is taken up again: `dialogue` is called
   * from the beginning of the connection, and recorded messages below this one are not played.
   */
  readonly dialogueBefore?: number;
  /**
   * From this message on, at least the second, and from the end of the stage before it on, what was recorded lies in MySQL's
   * compressed packets, and is played without: requests and answers are looked for in what they hold, and `rewrites`
   * has all messages from there on.
   */
  readonly inflatedFrom?: number;
  /** Why the session cannot be played with this module; then it is left out, and said to be. */
  readonly refused?: string;
}

/** A virtual client: whose state it is that a module keeps. */
export interface ClientInfo {
  /** Its number, from 0; the same in every run of the plan. */
  readonly client: number;
  /** How many virtual clients the whole run has. */
  readonly clients: number;
  /** How often it has begun anew (`--iterations`), from 0. */
  readonly iteration: number;
  /** Chance for this client: the same for the same seed and client. */
  readonly seed: number;
  /** Wall clock in ms since 1970, at the time of the call. */
  nowMs(): number;
}

/** What becomes of a message that is to be written. */
export const RewriteOutcome = {
  /** What was written is sent. */
  READY: 'ready',
  /** Something is not known yet: ask again when an answer has come for this client. */
  WAIT: 'wait',
  /** It is left out, with its answer. */
  SKIP: 'skip',
  /** The connection ends here, as aborted by the module. */
  FAIL: 'fail',
} as const;
export type RewriteOutcome = (typeof RewriteOutcome)[keyof typeof RewriteOutcome];

/** Where a message is written. */
export interface MessageWriter {
  /** The recorded octets of the message. */
  readonly recorded: Uint8Array;
  /** Whether it has been waited for as long as may be: WAIT is no answer any more. */
  readonly isLate: boolean;
  /** The recorded octets `[from, to)` come next. */
  copy(from: number, to: number): void;
  /** These octets come next; they are copied. */
  put(octets: Uint8Array): void;
  /** Why FAIL, in one line, for the summary. */
  fail(reason: string): void;
}

/** What a module says in a dialogue. */
export interface DialogueStep {
  /** Octets of the server's that were understood: the rest is handed in again, with what follows. */
  readonly taken: number;
  /** Octets that are sent to the server now; they are copied. */
  readonly send?: Uint8Array;
  /** The recording goes on with this message, whose stage is over. */
  readonly resumeAt?: number;
  /** The connection ends here, as aborted by the module: why, in one line, for the summary. */
  readonly fail?: string;
}

/**
 * Who changes what recorded clients say.
 * @typeParam Plan what the module keeps for a session, @typeParam Client for a virtual client,
 * @typeParam Connection for a connection
 */
export interface ProtocolModule<Plan = unknown, Client = unknown, Connection = unknown> {
  /** For messages and counters. */
  readonly name: string;
  /**
   * Before the first `plan`, once each session that will be played, in ascending order: for who has to
   * know what a recorded client was told on its other connections.
   */
  survey?(session: RecordedSession): void;
  /** Before the run, once a session that will be played; undefined: nothing is to be changed. */
  plan(session: RecordedSession): SessionPlan<Plan> | undefined;
  /** When the first planned connection of a virtual client begins. */
  client(info: ClientInfo): Client;
  /** When a planned connection begins. */
  connection(client: Client, plan: Plan): Connection;
  /**
   * A stage that was asked for is over. Not told of stages that were recorded empty, nor of those whose
   * requests were all left out.
   * @param octets what the server said in it, its beginning where it was longer than may be kept
   * @param isWhole whether that is all of it
   */
  onAnswer?(connection: Connection, stage: number, octets: Uint8Array, isWhole: boolean): void;
  /**
   * Where the answer ends that begins with these octets. Where a module has this function it alone says so in
   * its sessions, whatever is known here of their protocol. Asked before the run of the recorded answers, and during it
   * whenever octets have come, until it says.
   * @param message the message that is answered; of several that were sent in one go each in turn, or, where
   * those ends do not make up what the server said then, the last one; -1: what the server says first
   * @param octets of the answer from its beginning on, at most `--answer-bytes`; maybe those of later answers behind it
   * @param seen how many of them it was shown before, without an end
   * @returns octets of the whole answer, which may be more than there are yet; undefined: not known yet. Where it never says,
   * the answer ends as one of an unknown protocol does: by length, push or quiet
   */
  answerEnd?(plan: Plan, message: number, octets: Uint8Array, seen: number): number | undefined;
  /**
   * A planned connection is over, however it ended: what it has not been told will not come. Of a client
   * with several connections also one that never came to be, so that the others need not wait for it.
   */
  onEnd?(connection: Connection): void;
  /** Writes a message that was asked for. A message that is written empty is not sent, as with SKIP. */
  rewrite?(connection: Connection, message: number, out: MessageWriter): RewriteOutcome;
  /**
   * Called when the connection has been established (without octets), and when octets have come.
   * @param octets what the server has said since the last that was taken
   */
  dialogue?(connection: Connection, octets: Uint8Array): DialogueStep;
}
