/** From counters to what a result says of users, exchanges, packets and rates. */
import { NS_PER_SECOND } from '../base/time.ts';
import { Counter, unsentFrames } from './counters.ts';
import { total } from './ledger.ts';
import type { Ledger, RunResult, UserReport } from './result.ts';
import type { RunFacts } from './run-facts.ts';

/** What of a result follows from counters alone. */
export type CountedPart = Pick<
  RunResult,
  | 'users'
  | 'clients'
  | 'exchanges'
  | 'rewriting'
  | 'answerRules'
  | 'packets'
  | 'bytes'
  | 'rates'
  | 'embedded'
>;

/** What has to be known besides. */
export interface CountedFacts
  extends Pick<RunFacts, 'durationNs' | 'plays' | 'clientPlays' | 'recordedPerSecond'> {
  readonly plan: Pick<RunFacts['plan'], 'mode'>;
}

/** What counters come to, of a run or of a part of one. */
export function countedOf(facts: CountedFacts, counters: Float64Array): CountedPart {
  const count = (counter: Counter): number => counters[counter];
  const isEmbedded = facts.plan.mode === 'embedded';
  return {
    users: userReport(facts.plays, counters),
    clients: facts.clientPlays === null ? null : clientLedger(facts.clientPlays, counters),
    exchanges: exchangeReport(count),
    answerRules: {
      protocol: count(Counter.ANSWER_BY_PROTOCOL),
      'recorded-length': count(Counter.ANSWER_BY_LENGTH),
      'push-quiet': count(Counter.ANSWER_BY_QUIET),
      close: count(Counter.ANSWER_BY_CLOSE),
    },
    rewriting: {
      messages: count(Counter.MESSAGES_REWRITTEN),
      unbound: count(Counter.MESSAGES_UNBOUND),
      answersRead: count(Counter.ANSWERS_READ),
      answersReadInPart: count(Counter.ANSWERS_READ_PART),
    },
    packets: packetReport(counters),
    bytes: {
      sent: count(Counter.PAYLOAD_BYTES_SENT),
      received: count(Counter.PAYLOAD_BYTES_RECEIVED),
      planned: count(Counter.OCTETS_PLANNED),
      ofCompleted: count(Counter.OCTETS_OF_COMPLETED),
    },
    rates: rateReport(facts, count),
    embedded: !isEmbedded
      ? null
      : {
          badChecksums: count(Counter.EMBEDDED_BAD_CHECKSUM),
          badOctets: count(Counter.EMBEDDED_BAD_OCTETS),
          octetsChecked: count(Counter.EMBEDDED_OCTETS_CHECKED),
        },
  };
}

function exchangeReport(count: (counter: Counter) => number): RunResult['exchanges'] {
  const sent = count(Counter.EXCHANGES_SENT);
  const answered = count(Counter.EXCHANGES_ANSWERED);
  const planned = count(Counter.EXCHANGES_PLANNED);
  const skipped = count(Counter.EXCHANGES_SKIPPED);
  return {
    intended: count(Counter.EXCHANGES_INTENDED),
    planned,
    sent,
    answered,
    unanswered: sent - answered,
    skipped,
    unsent: planned - sent - skipped,
    unsolicited: count(Counter.EXCHANGES_UNSOLICITED),
    mismatched: count(Counter.EXCHANGES_MISMATCHED),
    mismatchedBy: {
      status: count(Counter.MISMATCHED_STATUS),
      length: count(Counter.MISMATCHED_LENGTH),
      body: count(Counter.MISMATCHED_BODY),
    },
    unchecked: count(Counter.EXCHANGES_UNCHECKED),
    otherLength: count(Counter.EXCHANGES_OTHER_LENGTH),
    unfollowed: count(Counter.ANSWERS_UNFOLLOWED),
    pingsAnswered: count(Counter.PINGS_ANSWERED),
    pushesAnswered: count(Counter.PUSHES_ANSWERED),
    failed: count(Counter.EXCHANGES_FAILED),
    statuses: {
      '1xx': count(Counter.STATUS_1XX),
      '2xx': count(Counter.STATUS_2XX),
      '3xx': count(Counter.STATUS_3XX),
      '4xx': count(Counter.STATUS_4XX),
      '5xx': count(Counter.STATUS_5XX),
    },
    ofCompleted: count(Counter.EXCHANGES_OF_COMPLETED),
  };
}

function packetReport(counters: Float64Array): RunResult['packets'] {
  const count = (counter: Counter): number => counters[counter];
  return {
    sent: count(Counter.PACKETS_SENT) - unsentFrames(counters),
    received: count(Counter.PACKETS_RECEIVED),
    retransmitted: count(Counter.RETRANSMITTED),
    synRetransmitted: count(Counter.SYN_RETRANSMITTED),
    dropped: {
      malformed: count(Counter.DROPPED_MALFORMED),
      notOurs: count(Counter.DROPPED_NOT_OURS),
      stale: count(Counter.DROPPED_STALE),
      outOfWindow: count(Counter.DROPPED_OUT_OF_WINDOW),
      outOfOrder: count(Counter.DROPPED_OUT_OF_ORDER),
      pathMessages: count(Counter.DROPPED_PATH_MESSAGE),
      ringFull: count(Counter.RING_DROPPED),
      unsentNoBuffers: count(Counter.UNSENT_NO_BUFFERS),
      unsentNotPermitted: count(Counter.UNSENT_NOT_PERMITTED),
      unsentTooLong: count(Counter.UNSENT_TOO_LONG),
      unsentInterfaceDown: count(Counter.UNSENT_INTERFACE_DOWN),
      unsentOther: count(Counter.UNSENT_OTHER),
    },
    path: {
      mtu: count(Counter.PATH_MTU) || null,
      messages: count(Counter.PATH_MESSAGES),
      smallerTried: count(Counter.SMALLER_TRIED),
    },
  };
}

function rateReport(facts: CountedFacts, count: (counter: Counter) => number): RunResult['rates'] {
  const seconds = facts.durationNs / NS_PER_SECOND;
  const perSecond = (value: number): number => (seconds > 0 ? value / seconds : 0);
  const due = perSecond(count(Counter.EXCHANGES_INTENDED));
  return {
    offered: due,
    due,
    recorded: facts.recordedPerSecond,
    achieved: perSecond(count(Counter.EXCHANGES_ANSWERED)),
    connections: perSecond(count(Counter.CONNECTED)),
    connected: count(Counter.CONNECTED),
  };
}

/** How users ended, of so many plays. */
export function userReport(plays: number, counters: Float64Array): UserReport {
  const started = counters[Counter.STARTED];
  const ended = {
    completed: counters[Counter.COMPLETED],
    refused: counters[Counter.REFUSED],
    reset: counters[Counter.RESET],
    timedOut: counters[Counter.TIMED_OUT],
    aborted: counters[Counter.ABORTED],
  };
  return {
    planned: plays,
    waiting: plays - started,
    live: started - total(ended),
    ...ended,
    peakEstablished: counters[Counter.PEAK_ESTABLISHED],
    completedWithFailures: counters[Counter.COMPLETED_WITH_FAILURES],
    unackedFin: counters[Counter.COMPLETED_UNACKED_FIN],
    reasons: {
      reset: {
        beforeAnswer: counters[Counter.RESET_BEFORE_ANSWER],
        duringAnswer: counters[Counter.RESET_DURING_ANSWER],
        afterAnswer: counters[Counter.RESET_AFTER_ANSWER],
      },
      timedOut: {
        connecting: counters[Counter.TIMED_OUT_CONNECTING],
        waiting: counters[Counter.TIMED_OUT_WAITING],
        duringAnswer: counters[Counter.TIMED_OUT_DURING_ANSWER],
        retransmitting: counters[Counter.TIMED_OUT_RETRANSMITTING],
        closing: counters[Counter.TIMED_OUT_CLOSING],
      },
      aborted: {
        closedEarly: counters[Counter.ABORTED_CLOSED_EARLY],
        interrupted: counters[Counter.ABORTED_INTERRUPTED],
        module: counters[Counter.ABORTED_MODULE],
        rewriteMemory: counters[Counter.ABORTED_REWRITE_MEMORY],
        notStarted: counters[Counter.ABORTED_NOT_STARTED],
        answerMalformed: counters[Counter.ABORTED_ANSWER_MALFORMED],
        answerBadLength: counters[Counter.ABORTED_ANSWER_BAD_LENGTH],
        answerTooLong: counters[Counter.ABORTED_ANSWER_TOO_LONG],
        answerExcess: counters[Counter.ABORTED_ANSWER_EXCESS],
      },
    },
  };
}

function clientLedger(planned: number, counters: Float64Array): Ledger {
  const started = counters[Counter.CLIENTS_STARTED];
  const ended = {
    completed: counters[Counter.CLIENTS_COMPLETED],
    refused: counters[Counter.CLIENTS_REFUSED],
    reset: counters[Counter.CLIENTS_RESET],
    timedOut: counters[Counter.CLIENTS_TIMED_OUT],
    aborted: counters[Counter.CLIENTS_ABORTED],
  };
  return { planned, waiting: planned - started, live: started - total(ended), ...ended };
}
