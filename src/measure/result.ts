/** The result of a run: the one document that every report is made from. */
import type { Differences } from './differences.ts';
import type { LatencyName, LatencyRow } from './histograms.ts';
import type { RecordDocument } from './record-document.ts';
import type { Counts, RunFacts, SharesReport } from './run-facts.ts';

/** Names the document's form; another form gets another number. */
export const RESULT_SCHEMA = 'gryphon.result/1';

/**
 * With a higher p99 of the lag than this, in ms, a run counts as having fallen behind its plan.
 * Ten times what a timer and a full batch cost; below it the lag is well within the latencies
 * that people set limits for.
 */
export const LAG_MS_P99_BOUND = 10;

/** Plays of a session by a user; `planned` is the sum of the others at every moment. */
export interface Ledger {
  readonly planned: number;
  readonly waiting: number;
  readonly live: number;
  readonly completed: number;
  readonly refused: number;
  readonly reset: number;
  readonly timedOut: number;
  readonly aborted: number;
}

/** How users ended; `Ledger` says which numbers add up. */
export interface UserReport extends Ledger {
  /** The most connections that were established at once (with threads: the sum of theirs). */
  readonly peakEstablished: number;
  /** Of the completed: some answer's status was of another class than the recorded one's. */
  readonly completedWithFailures: number;
  /** Of the completed: the server closed, but never acknowledged that the user did. */
  readonly unackedFin: number;
  /** Why users ended otherwise than completed: adds up to the state of that name. */
  readonly reasons: {
    readonly reset: Counts;
    readonly timedOut: Counts;
    readonly aborted: Counts;
  };
}

/**
 * How a run stood at the end of an interval (totals since its start), and what was recorded in it. null: an
 * older version did not write it.
 */
export interface TimelineRow {
  readonly startSeconds: number;
  readonly endSeconds: number;
  /** Users by state, as in `Ledger`; `failed` is the sum of refused, reset, timed out and aborted. */
  readonly started: number;
  readonly waiting: number | null;
  readonly live: number;
  readonly completed: number;
  readonly failed: number;
  readonly refused: number | null;
  readonly reset: number | null;
  readonly timedOut: number | null;
  readonly aborted: number | null;
  /** Connections: open now, and handshakes completed. */
  readonly established: number;
  readonly connected: number | null;
  /** Exchanges: come due, sent, answered. */
  readonly due: number | null;
  readonly sent: number;
  readonly answered: number;
  /** Packets: sent again (SYNs, too), not taken by the kernel, and replies its ring had no room for. */
  readonly retransmitted: number | null;
  readonly unsent: number | null;
  readonly ringFull: number | null;
  /** Of what was recorded in the interval, in milliseconds; only where something was. */
  readonly latency: Readonly<Partial<Record<LatencyName, TimelineLatency>>>;
  /** V2 compressed, for the same. */
  readonly histograms: Readonly<Partial<Record<LatencyName, string>>>;
}

/** Latencies of one interval, in nanoseconds. */
export interface TimelineLatency {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** What a value is counted in; shares are fractions (0.001 is 0.1%). */
export type ThresholdUnit = 'ms' | 'per second' | 'fraction' | 'count';

/** A threshold's outcome, as it stands in a result. */
export interface ThresholdOutcome {
  readonly expression: string;
  readonly ok: boolean;
  /** What was measured; `null` when nothing was. */
  readonly actual: number | null;
  /** What it was compared with; `null` when the baseline has no such value. */
  readonly limit: number | null;
  readonly unit: ThresholdUnit;
  /** Of what the value is where that is not what was asked for, or why there is none; or null. */
  readonly note: string | null;
}

/** What the embedded target found; the first two must be 0. */
export interface EmbeddedReport {
  readonly badChecksums: number;
  readonly badOctets: number;
  /** Octets of client streams received in order; all of the completed plays' and of no others. */
  readonly octetsChecked: number;
}

/** Requests and their answers, counted. */
export interface ExchangeReport {
  /** Came due. */
  readonly intended: number;
  /** In the scripts of the plays that were started = sent + skipped + unsent. */
  readonly planned: number;
  readonly sent: number;
  readonly answered: number;
  /** Sent and not answered. */
  readonly unanswered: number;
  /** Left out by a module. */
  readonly skipped: number;
  /** Never sent: their users ended before it came to that. */
  readonly unsent: number;
  /** Times that a server spoke although nothing had been asked of it. */
  readonly unsolicited: number;
  /** Answers unlike the recorded ones, as far as `--check` looks. */
  readonly mismatched: number;
  /** The same by what is unlike first: `status`, `length`, `body`. */
  readonly mismatchedBy: Counts;
  /** Answers of which nothing could be compared: not recorded whole, or not at hand. */
  readonly unchecked: number;
  /** Answers of another length than the recorded ones that are whole, as their protocol says. */
  readonly otherLength: number;
  /** Answers whose end their protocol's framer could not tell: other rules did, for each alone. */
  readonly unfollowed: number;
  /** Pings of WebSockets' servers that were answered as they came: no exchanges, but sent by users. */
  readonly pingsAnswered: number;
  /** What MQTT servers published that was answered as it came, likewise: with QoS 2 twice. */
  readonly pushesAnswered: number;
  /** Answers whose status is of another class than the recorded one. */
  readonly failed: number;
  /** Answers that began with a status line, by class. */
  readonly statuses: Counts;
  /** In the scripts of the completed plays: all of them are among the answered. */
  readonly ofCompleted: number;
}

/** What modules have changed, counted; all 0 without any. */
export interface RewritingReport {
  /** Messages that were written anew. */
  readonly messages: number;
  /** Messages of which what they need had not come when they could not wait any longer. */
  readonly unbound: number;
  /** Answers that were read, and those of them of which something was missing. */
  readonly answersRead: number;
  readonly answersReadInPart: number;
}

/** What is known of the requests of one class. */
export interface ClassReport {
  /** Method and path's template, command, kind of statement; `other`: none of the most frequent. */
  readonly name: string;
  readonly sent: number;
  readonly answered: number;
  /** Answers unlike the recorded ones. */
  readonly mismatched: number;
  /** From request intended to the end of the answer, in milliseconds. */
  readonly response: LatencyRow;
  /** The same, V2 compressed. */
  readonly histogram: string;
}

/** `gryphon.result/1`: times in milliseconds unless a name says otherwise, rates per second, bytes. */
export interface RunResult {
  readonly schema: typeof RESULT_SCHEMA;
  readonly version: string;
  readonly command: readonly string[];
  readonly startedAt: string;
  readonly durationSeconds: number;
  readonly clock: 'virtual' | 'real';
  readonly wallSeconds: number;
  readonly interrupted: boolean;
  readonly capture: RunFacts['capture'];
  readonly plan: RunFacts['plan'];
  readonly shares: SharesReport;
  /** Connections: plays of a session. */
  readonly users: UserReport;
  /** Where users are clients with several connections: clients, each by its first failure; else null. */
  readonly clients: Ledger | null;
  readonly exchanges: ExchangeReport;
  readonly rewriting: RewritingReport;
  /** How the ends of answers were recognised. */
  readonly answerRules: Counts;
  readonly packets: {
    /** Taken by the kernel. */
    readonly sent: number;
    readonly received: number;
    readonly retransmitted: number;
    readonly synRetransmitted: number;
    /** Packets that were not sent (`unsent…`) or came in and were of no use, by reason. */
    readonly dropped: Counts;
    /** What was learnt of how large packets may be on the way to the targets. */
    readonly path: {
      /** The smallest MTU that a router told, in octets; null where none did. */
      readonly mtu: number | null;
      /** Routers' messages that were believed. */
      readonly messages: number;
      /** Times that a user tried smaller segments because large ones vanished without a message. */
      readonly smallerTried: number;
    };
  };
  /**
   * TCP payload: `sent` with what was sent again, `received` each octet of a stream once, however
   * often it came. `planned` are the client streams of the plays that were started, `ofCompleted` of
   * these what the server has for certain of the completed ones.
   */
  readonly bytes: {
    readonly sent: number;
    readonly received: number;
    readonly planned: number;
    readonly ofCompleted: number;
  };
  readonly rates: {
    /** Exchanges that came due per second; in a closed loop a slow server makes it small. */
    readonly offered: number;
    readonly due: number;
    /** Exchanges per second if every answer took as long as recorded (divided by the acceleration). */
    readonly recorded: number;
    /** Exchanges answered per second. */
    readonly achieved: number;
    /** New connections per second, and how many there were. */
    readonly connections: number;
    readonly connected: number;
  };
  readonly latency: { readonly unit: 'ms' } & Readonly<Record<LatencyName, LatencyRow>>;
  readonly histograms: Readonly<Record<LatencyName, string>>;
  /** How answers were unlike the recorded ones: the most frequent first. */
  readonly differences: Differences;
  /** By name; they add up to the run. Empty where requests could not be told apart. */
  readonly classes: readonly ClassReport[];
  readonly timeline: {
    readonly intervalSeconds: number;
    readonly intervals: readonly TimelineRow[];
  };
  readonly thresholds: readonly ThresholdOutcome[];
  /** What ended the run before its time, in one sentence; or null. */
  readonly failure: string | null;
  /** What ended it: something that was not reached, or this machine; null: nothing, or nobody knows. */
  readonly failureKind: RunFacts['failureKind'];
  /** Which threshold did not hold so that the run ended itself (`--abort-on-fail`); or null. */
  readonly stopped: string | null;
  /** Sums of this document that do not come out even (`checkLedger`): a fault of gryphon itself. */
  readonly faults: readonly string[];
  readonly generator: RunFacts['generator'] & {
    /** The latest start of a user after its intended time. */
    readonly startLagMsMax: number;
    /** Users that started more than 10 ms after it, and those of them that were held back. */
    readonly lateStarts: number;
    readonly heldStarts: number;
    readonly lagMsP99Bound: number;
    /** The lag's p99 exceeds the bound: part of the latencies is the generator's own. */
    readonly fellBehind: boolean;
  };
  readonly embedded: EmbeddedReport | null;
  readonly stateBytesPerUser: number;
  /** What results are added by; null: an older version did not write it. */
  readonly record: RecordDocument | null;
}
