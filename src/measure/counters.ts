/**
 * Everything a run counts: one Float64Array row a thread, in shared memory, so that the main thread
 * can draw progress while the run goes on. Each number has one writer; rows are added up to merge.
 */
export const Counter = {
  // Users: every play of a session by a user is in exactly one of the six end states or live.
  STARTED: 0,
  COMPLETED: 1,
  REFUSED: 2,
  RESET: 3,
  TIMED_OUT: 4,
  ABORTED: 5,
  ESTABLISHED: 6,
  // Since the interval's beginning (`IntervalRecorder`).
  PEAK_ESTABLISHED: 7,
  CONNECTED: 8,
  // Exchanges: a client turn and the server's answer to it.
  EXCHANGES_INTENDED: 9,
  EXCHANGES_SENT: 10,
  EXCHANGES_ANSWERED: 11,
  EXCHANGES_MISMATCHED: 12,
  // Packets and TCP payload octets.
  PACKETS_SENT: 13,
  PACKETS_RECEIVED: 14,
  RETRANSMITTED: 15,
  SYN_RETRANSMITTED: 16,
  PAYLOAD_BYTES_SENT: 17,
  PAYLOAD_BYTES_RECEIVED: 18,
  // How the end of an answer was recognised.
  ANSWER_BY_PROTOCOL: 19,
  ANSWER_BY_LENGTH: 20,
  ANSWER_BY_QUIET: 21,
  ANSWER_BY_CLOSE: 22,
  // Why users ended otherwise than completed.
  TIMED_OUT_CONNECTING: 23,
  TIMED_OUT_WAITING: 24,
  TIMED_OUT_RETRANSMITTING: 25,
  RESET_BEFORE_ANSWER: 26,
  RESET_DURING_ANSWER: 27,
  RESET_AFTER_ANSWER: 28,
  ABORTED_CLOSED_EARLY: 29,
  ABORTED_INTERRUPTED: 30,
  // Packets that came in and were not understood or not ours, by reason.
  DROPPED_MALFORMED: 31,
  DROPPED_NOT_OURS: 32,
  DROPPED_STALE: 33,
  DROPPED_OUT_OF_WINDOW: 34,
  DROPPED_OUT_OF_ORDER: 35,
  // Frames that the kernel would not take.
  UNSENT_NO_BUFFERS: 36,
  UNSENT_NOT_PERMITTED: 37,
  UNSENT_TOO_LONG: 38,
  UNSENT_OTHER: 39,
  // Replies that the kernel's ring had no room for.
  RING_DROPPED: 40,
  // Embedded target: what it found wrong in what it was sent. Both must be 0.
  EMBEDDED_BAD_CHECKSUM: 41,
  EMBEDDED_BAD_OCTETS: 42,
  // Octets of client streams that the embedded target received in order and found right.
  EMBEDDED_OCTETS_CHECKED: 43,
  // When the run's own clock has got to, in ns; not a sum: the largest row counts.
  CLOCK_NS: 44,
  // Latest start of a user after its intended time, in ns; the largest row counts.
  START_LAG_NS_MAX: 45,
  // What the scripts of the started plays hold: exchanges, and octets of the client's stream.
  EXCHANGES_PLANNED: 46,
  OCTETS_PLANNED: 47,
  // The same of the plays that were completed (octets: those that the server has for certain).
  EXCHANGES_OF_COMPLETED: 48,
  OCTETS_OF_COMPLETED: 49,
  // Times that a server spoke although nothing had been asked of it.
  EXCHANGES_UNSOLICITED: 50,
  // Answers whose status is of another class than the recorded one.
  EXCHANGES_FAILED: 51,
  // Answers that began with a status line, by class.
  STATUS_1XX: 52,
  STATUS_2XX: 53,
  STATUS_3XX: 54,
  STATUS_4XX: 55,
  STATUS_5XX: 56,
  // Of the completed users: had a failed answer; never saw their FIN acknowledged.
  COMPLETED_WITH_FAILURES: 57,
  COMPLETED_UNACKED_FIN: 58,
  TIMED_OUT_CLOSING: 59,
  // Routers' messages that packets were too big for the path: those believed, and those that quote
  // nothing of ours that is in flight, or make no sense.
  PATH_MESSAGES: 60,
  DROPPED_PATH_MESSAGE: 61,
  // The smallest path MTU learnt from them, in octets; 0 without one; not a sum.
  PATH_MTU: 62,
  // Times that full-sized segments vanished without a word, so that a user tried smaller ones.
  SMALLER_TRIED: 63,
  // Users whose SYN met a connection of an earlier run at the target.
  OLD_CONNECTIONS: 64,
  // Answers that are whole as their protocol says, of another length than the recorded ones.
  EXCHANGES_OTHER_LENGTH: 65,
  // Answers whose end their protocol's framer could not tell: other rules did, for each alone.
  ANSWERS_UNFOLLOWED: 66,
  // Users that started late (`LATE_START_NS`); and those of them that were held back since the target
  // left openings unanswered.
  STARTED_LATE: 67,
  STARTED_HELD: 68,
  // In the midst of an answer: it never ended.
  TIMED_OUT_DURING_ANSWER: 69,
  // Answers unlike the recorded ones, by what is unlike first: EXCHANGES_MISMATCHED is their sum.
  MISMATCHED_STATUS: 70,
  MISMATCHED_LENGTH: 71,
  MISMATCHED_BODY: 72,
  // Answers of which nothing could be compared: not recorded, or not at hand.
  EXCHANGES_UNCHECKED: 73,
  // Where users are clients with several connections: clients, by how they ended.
  CLIENTS_STARTED: 74,
  CLIENTS_COMPLETED: 75,
  CLIENTS_REFUSED: 76,
  CLIENTS_RESET: 77,
  CLIENTS_TIMED_OUT: 78,
  CLIENTS_ABORTED: 79,
  // Messages that modules have written, and those asked for when what they need was late.
  MESSAGES_REWRITTEN: 80,
  MESSAGES_UNBOUND: 81,
  // Exchanges that modules have left out.
  EXCHANGES_SKIPPED: 82,
  // Answers that were handed to modules, and those of them that were not whole.
  ANSWERS_READ: 83,
  ANSWERS_READ_PART: 84,
  // By a module, or since it has failed; since what was written is longer than anybody had reckoned
  // with, and no room was left for it.
  ABORTED_MODULE: 85,
  ABORTED_REWRITE_MEMORY: 86,
  // Frames that the kernel would not take since the interface was down or gone.
  UNSENT_INTERFACE_DOWN: 87,
  // Before its connection was opened, since there was no room for what it may have to say.
  ABORTED_NOT_STARTED: 88,
  // Since an answer broke its protocol's rules: octets that are none of it, a length that is none, a header or
  // line without an end, octets behind an answer's end for which nothing was asked.
  ABORTED_ANSWER_MALFORMED: 89,
  ABORTED_ANSWER_BAD_LENGTH: 90,
  ABORTED_ANSWER_TOO_LONG: 91,
  ABORTED_ANSWER_EXCESS: 92,
  // Pings of live WebSockets' servers that users have answered; of several that wait the last one is.
  PINGS_ANSWERED: 93,
  // Publications of live MQTT servers, and releases of them, that users have answered.
  PUSHES_ANSWERED: 94,
} as const;
export type Counter = (typeof Counter)[keyof typeof Counter];

/** The counters of frames that the kernel would not take, one a reason. */
const UNSENT = [
  Counter.UNSENT_NO_BUFFERS,
  Counter.UNSENT_NOT_PERMITTED,
  Counter.UNSENT_TOO_LONG,
  Counter.UNSENT_INTERFACE_DOWN,
  Counter.UNSENT_OTHER,
] as const;

/** Frames that the kernel would not take, whatever the reason. */
export const unsentFrames = (counters: Float64Array): number =>
  UNSENT.reduce((sum, counter) => sum + counters[counter], 0);

/** Packets: sent again (SYNs, too), not taken by the kernel, and replies its ring had no room for. */
export const lossesOf = (
  counters: Float64Array,
): Readonly<Record<'retransmitted' | 'unsent' | 'ringFull', number>> => ({
  retransmitted: counters[Counter.RETRANSMITTED] + counters[Counter.SYN_RETRANSMITTED],
  unsent: unsentFrames(counters),
  ringFull: counters[Counter.RING_DROPPED],
});

/** How many counters a thread's row has. */
export const COUNTERS = 95;

/** Zeroed counters of one thread, in memory that other threads may read. */
export const createCounters = (): Float64Array<SharedArrayBuffer> =>
  new Float64Array(new SharedArrayBuffer(COUNTERS * Float64Array.BYTES_PER_ELEMENT));

/** Adds the rows up; of the clock and of the latest start the largest counts, of MTUs the smallest. */
export function sumCounters(rows: Iterable<Float64Array>): Float64Array {
  const sum = new Float64Array(COUNTERS);
  for (const row of rows) {
    const clockNs = Math.max(sum[Counter.CLOCK_NS], row[Counter.CLOCK_NS]);
    const lagNs = Math.max(sum[Counter.START_LAG_NS_MAX], row[Counter.START_LAG_NS_MAX]);
    const mtus = [sum[Counter.PATH_MTU], row[Counter.PATH_MTU]].filter((mtu) => mtu > 0);
    for (let i = 0; i < COUNTERS; i++) sum[i] += row[i];
    sum[Counter.PATH_MTU] = mtus.length === 0 ? 0 : Math.min(...mtus);
    sum[Counter.CLOCK_NS] = clockNs;
    sum[Counter.START_LAG_NS_MAX] = lagNs;
  }
  return sum;
}
