/**
 * Log-ins in clear text: name and password are octets of the recorded messages, and others are put in
 * their places. What a protocol's log-in looks like is told by whoever finds it (`find`).
 */
import {
  type MessageWriter,
  type ProtocolModule,
  type RecordedSession,
  RewriteOutcome,
} from '../module.ts';
import { messageAt, octetsOfText, textOf } from '../octet-text.ts';
import {
  type Account,
  Accounts,
  type Credentials,
  noAccountFor,
  withoutPassword,
} from './accounts.ts';
import type { ClientText } from './client-text.ts';

/** Octets `[from, to)` of the client's stream, and what stands there instead. */
export interface LogInEdit {
  readonly from: number;
  readonly to: number;
  /** @param client the virtual client's number */
  readonly render: (credentials: Credentials, client: number) => string;
}

/** The server's word on a log-in. */
export type Verdict = { readonly refusal: string } | 'accepted' | 'unknown';

/** A log-in that no recorded message has: it is said before the first one. */
export interface Opening {
  readonly say: (credentials: Credentials) => string;
  /** @returns null as long as the answer is not whole */
  readonly hear: (text: string) => { readonly bytes: number; readonly verdict: Verdict } | null;
}

/** The log-in of a session. */
export interface FoundLogIn {
  /** Empty where it has none. */
  readonly recordedUser: string;
  /** In ascending order, apart from each other. */
  readonly edits: readonly LogInEdit[];
  /** Which stage tells whether it was accepted; null: nobody asks. */
  readonly answer: { readonly stage: number; readonly judge: (text: string) => Verdict } | null;
  readonly opening?: Opening;
}

/** What is found in a session: null: it has nothing to do with log-ins. */
export type LogInSearch = FoundLogIn | { readonly refused: string } | null;

interface PlannedLogIn extends FoundLogIn {
  /** By message: edits whose places count from its beginning. */
  readonly byMessage: ReadonlyMap<number, readonly LogInEdit[]>;
}

interface Connection {
  readonly plan: PlannedLogIn;
  readonly credentials: Credentials;
  readonly client: number;
  /** Whether the log-in of its own has been said. */
  hasOpened: boolean;
}

/**
 * A module that replaces recorded names and passwords, and ends users who are not let in with what
 * the server says.
 * @param find looks for the log-in of a session; null where the session is of another protocol
 */
export function logInModule(
  name: string,
  all: readonly Account[],
  find: (session: RecordedSession) => { client: ClientText; found: LogInSearch } | null,
): ProtocolModule<PlannedLogIn | null, number, Connection> {
  const accounts = new Accounts(all);
  const refuse = (refused: string) => ({ plan: null, rewrites: [], reads: [], refused });
  return {
    name,
    plan(session) {
      const search = find(session);
      if (search === null || search.found === null) return undefined;
      const { client, found } = search;
      if ('refused' in found) return refuse(found.refused);
      if (!accounts.has(found.recordedUser)) return refuse(noAccountFor(found.recordedUser));
      const byMessage = editsByMessage(found.edits, client);
      if (byMessage === null) return refuse('its log-in is cut into several messages');
      const reads = found.answer === null ? [] : [found.answer.stage];
      const plan = { plan: { ...found, byMessage }, rewrites: [...byMessage.keys()], reads };
      return found.opening === undefined ? plan : { ...plan, dialogueBefore: 0 };
    },
    client: ({ client }) => client,
    connection(client, plan) {
      if (plan === null) throw new Error('a session that was refused is played');
      const credentials = accounts.of(plan.recordedUser, client);
      return { plan, credentials, client, hasOpened: false };
    },
    rewrite: (connection, message, out) => {
      writeEdits(connection, connection.plan.byMessage.get(message) ?? [], out);
      return RewriteOutcome.READY;
    },
    onAnswer({ plan, credentials }, _stage, octets) {
      const verdict = plan.answer?.judge(textOf(octets)) ?? 'unknown';
      // Whoever throws ends the user, under this reason.
      if (typeof verdict === 'object') {
        throw new Error(withoutPassword(verdict.refusal, credentials));
      }
    },
    dialogue(connection, octets) {
      const { plan, credentials } = connection;
      if (plan.opening === undefined) return { taken: 0, resumeAt: 0 };
      if (!connection.hasOpened) {
        connection.hasOpened = true;
        return { taken: 0, send: octetsOfText(plan.opening.say(credentials)) };
      }
      const heard = plan.opening.hear(textOf(octets));
      if (heard === null) return { taken: 0 };
      const { bytes, verdict } = heard;
      if (typeof verdict === 'object') {
        return { taken: bytes, fail: withoutPassword(verdict.refusal, credentials) };
      }
      return { taken: bytes, resumeAt: 0 };
    },
  };
}

/** @returns null where an edit lies in several messages */
function editsByMessage(
  edits: readonly LogInEdit[],
  { starts }: ClientText,
): ReadonlyMap<number, readonly LogInEdit[]> | null {
  const byMessage = new Map<number, LogInEdit[]>();
  for (const { from, to, render } of edits) {
    const message = messageAt(starts, from);
    if (to > starts[message + 1]) return null;
    const start = starts[message];
    const edit = { from: from - start, to: to - start, render };
    const before = byMessage.get(message);
    if (before === undefined) byMessage.set(message, [edit]);
    else before.push(edit);
  }
  return byMessage;
}

function writeEdits(
  { credentials, client }: Connection,
  edits: readonly LogInEdit[],
  out: MessageWriter,
): void {
  let at = 0;
  for (const { from, to, render } of edits) {
    out.copy(at, from);
    out.put(octetsOfText(render(credentials, client)));
    at = to;
  }
  out.copy(at, out.recorded.length);
}
