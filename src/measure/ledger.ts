/**
 * The sums that must come out even in every result. Users, exchanges and octets are counted at
 * different places; where two accounts of the same thing differ, a figure of the run is wrong.
 */
import type { Ledger, RunResult } from './result.ts';
import type { Counts } from './run-facts.ts';

/** What the ledger is about: a result without its own verdict. */
export type Accounts = Pick<
  RunResult,
  'users' | 'clients' | 'capture' | 'exchanges' | 'classes' | 'answerRules' | 'bytes' | 'embedded'
>;

/** The identities that do not hold, as sentences; none of them in a sound result. */
export function checkLedger(result: Accounts): readonly string[] {
  return [
    ...userFaults(result),
    ...clientFaults(result),
    ...sessionFaults(result),
    ...exchangeFaults(result),
    ...classFaults(result),
    ...octetFaults(result),
  ];
}

function userFaults({ users }: Accounts): string[] {
  const faults: string[] = [];
  const ended = users.completed + failedUsers(users);
  const counted = users.waiting + users.live + ended;
  faults.push(...unequal('users planned = waiting + live + ended', users.planned, counted));
  for (const state of ['reset', 'timedOut', 'aborted'] as const) {
    const reasons = total(users.reasons[state]);
    faults.push(...unequal(`users ${state} = its reasons`, users[state], reasons));
  }
  for (const state of ['waiting', 'live'] as const) {
    if (users[state] < 0) faults.push(`users ${state} is ${users[state]}`);
  }
  return [
    ...faults,
    ...above('completed with failures', users.completedWithFailures, 'completed', users.completed),
    ...above('FINs without acknowledgement', users.unackedFin, 'completed', users.completed),
  ];
}

/** A client has ended when its connections have, and well only if all of them did. */
function clientFaults({ clients, users }: Accounts): string[] {
  if (clients === null) return [];
  const ended = clients.completed + failedUsers(clients);
  const counted = clients.waiting + clients.live + ended;
  const faults = [
    ...unequal('clients planned = waiting + live + ended', clients.planned, counted),
    ...above('clients completed', clients.completed, 'connections completed', users.completed),
    ...above('clients reset', clients.reset, 'connections reset', users.reset),
    ...above('clients refused', clients.refused, 'connections refused', users.refused),
    ...above('clients timed out', clients.timedOut, 'connections timed out', users.timedOut),
  ];
  for (const state of ['waiting', 'live'] as const) {
    if (clients[state] < 0) faults.push(`clients ${state} is ${clients[state]}`);
  }
  if (clients.completed < clients.planned) return faults;
  return [
    ...faults,
    ...unequal('all clients completed: connections too', users.planned, users.completed),
  ];
}

function sessionFaults({ capture: { sessions } }: Accounts): string[] {
  const sorted = sessions.replayable + total(sessions.skipped);
  return unequal('sessions total = replayable + skipped', sessions.total, sorted);
}

function exchangeFaults({ users, exchanges, answerRules }: Accounts): string[] {
  const { planned, sent, answered, unanswered, unsent, skipped, ofCompleted } = exchanges;
  const faults = [
    ...unequal('exchanges sent = answered + unanswered', sent, answered + unanswered),
    ...unequal(
      'exchanges planned = answered + unanswered + unsent + skipped',
      planned,
      answered + unanswered + unsent + skipped,
    ),
    ...unequal('answered = its rules', answered, total(answerRules)),
    ...above('failed answers', exchanges.failed, 'answered', answered),
    ...unequal('mismatched = its kinds', exchanges.mismatched, total(exchanges.mismatchedBy)),
    ...above('mismatched answers', exchanges.mismatched, 'answered', answered),
    ...above('unchecked answers', exchanges.unchecked, 'answered', answered),
    // Whoever is completed has been answered everything.
    ...above('exchanges of completed users', ofCompleted, 'answered', answered),
  ];
  for (const state of ['unanswered', 'unsent'] as const) {
    if (exchanges[state] < 0) faults.push(`exchanges ${state} is ${exchanges[state]}`);
  }
  if (users.completed < users.planned) return faults;
  return [
    ...faults,
    ...unequal('all completed: planned = answered + skipped', planned, answered + skipped),
  ];
}

/** Where requests are told apart, each is of one class. */
function classFaults({ exchanges, classes }: Accounts): string[] {
  if (classes.length === 0) return [];
  return (['sent', 'answered', 'mismatched'] as const).flatMap((count) =>
    unequal(
      `exchanges ${count} = those of the classes`,
      exchanges[count],
      classes.reduce((sum, each) => sum + each[count], 0),
    ),
  );
}

function octetFaults({ bytes, embedded }: Accounts): string[] {
  const { sent, planned, ofCompleted } = bytes;
  const faults = above('bytes of completed users', ofCompleted, 'sent', sent);
  if (embedded === null) return faults;
  // What was wrong is not among the checked, and is a fault of its own.
  const received = embedded.octetsChecked + embedded.badOctets;
  return [
    ...faults,
    ...above('bytes of completed users', ofCompleted, 'received by the target', received),
    ...above('bytes received by the target', received, 'planned', planned),
  ];
}

const unequal = (what: string, expected: number, found: number): string[] =>
  expected === found ? [] : [`${what}: ${expected} is not ${found}`];

const above = (what: string, part: number, whole: string, count: number): string[] =>
  part <= count ? [] : [`${what}: ${part}, but ${whole}: ${count}`];

/** The sum of all counts. */
export const total = (counts: Counts): number =>
  Object.values(counts).reduce((sum, each) => sum + each, 0);

/** Users that ended otherwise than completed. */
export const failedUsers = (users: Ledger): number =>
  users.refused + users.reset + users.timedOut + users.aborted;
