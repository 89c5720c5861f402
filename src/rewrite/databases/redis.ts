/**
 * Redis: AUTH, and HELLO with AUTH, bring the given account's password. A session that was recorded
 * without either logs in before its first command.
 */
import type { ProtocolModule, RecordedSession } from '../module.ts';
import { decodeUtf8, encodeUtf8, messageAt } from '../octet-text.ts';
import type { Account, Credentials } from './accounts.ts';
import { answerStage, clientTextOf } from './client-text.ts';
import { type LogInEdit, type LogInSearch, logInModule, type Verdict } from './log-in-module.ts';
import { endOfReply, type RespCommand, respCommands } from './resp-text.ts';

/** Who an AUTH without a name is. */
const DEFAULT_USER = 'default';

/** A command that logs in: where name and password stand. */
interface AuthCommand {
  readonly command: RespCommand;
  /** Place among the stream's commands. */
  readonly index: number;
  /** Empty where it names nobody. */
  readonly user: string;
  /** The argument of the name; -1 where there is none. */
  readonly userAt: number;
  readonly passwordAt: number;
}

/** The module. */
export function redisModule(accounts: readonly Account[]): ProtocolModule {
  return logInModule('redis', accounts, (session) => {
    if (session.protocol !== 'redis') return null;
    const client = clientTextOf(session);
    return { client, found: search(session, client) };
  }) as ProtocolModule;
}

function search(
  session: RecordedSession,
  { text, starts }: { readonly text: string; readonly starts: readonly number[] },
): LogInSearch {
  const commands = authCommands(text);
  const first = commands.at(0);
  if (first === undefined) {
    return { recordedUser: '', edits: [], answer: null, opening: { say, hear } };
  }
  const other = commands.find(({ user }) => user !== first.user);
  if (other !== undefined) {
    return { refused: `it logs in as '${first.user}' and as '${other.user}'` };
  }
  const edits = commands.map((each) => editOf(text, each));
  const message = messageAt(starts, first.command.from);
  const answer =
    message === 0
      ? { stage: answerStage(session, 0), judge: (said: string) => judge(said, first.index) }
      : null;
  return { recordedUser: first.user, edits, answer };
}

function authCommands(text: string): AuthCommand[] {
  const found: AuthCommand[] = [];
  let index = 0;
  for (const command of respCommands(text)) {
    const words = command.args.map(({ from, to }) => text.slice(from, to));
    const name = words[0].toUpperCase();
    const at = name === 'HELLO' ? words.findIndex((word) => word.toUpperCase() === 'AUTH') : 0;
    const isLogIn = (name === 'HELLO' && at > 0) || name === 'AUTH';
    const isNamed = name === 'HELLO' || words.length === 3;
    const passwordAt = at + (isNamed ? 2 : 1);
    if (isLogIn && passwordAt < words.length) {
      const userAt = isNamed ? at + 1 : -1;
      const user = isNamed ? decodeUtf8(words[userAt]) : '';
      found.push({ command, index, user, userAt, passwordAt });
    }
    index++;
  }
  return found;
}

/** The command anew, as a row of bulk strings. */
function editOf(text: string, { command, userAt, passwordAt }: AuthCommand): LogInEdit {
  const { from, to, args } = command;
  const words = args.map((arg) => text.slice(arg.from, arg.to));
  const render = ({ user, password }: Credentials): string => {
    const name = user === '' ? (userAt < 0 ? null : words[userAt]) : encodeUtf8(user);
    const before = words.slice(0, userAt < 0 ? passwordAt : userAt);
    const names = name === null ? [] : [name];
    return bulks([...before, ...names, encodeUtf8(password), ...words.slice(passwordAt + 1)]);
  };
  return { from, to, render };
}

const bulks = (words: readonly string[]): string =>
  `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`;

const say = ({ user, password }: Credentials): string =>
  bulks([
    'AUTH',
    ...(user === '' || user === DEFAULT_USER ? [] : [encodeUtf8(user)]),
    encodeUtf8(password),
  ]);

function hear(text: string): { readonly bytes: number; readonly verdict: Verdict } | null {
  const bytes = endOfReply(text, 0);
  return bytes < 0 ? null : { bytes, verdict: judge(text, 0) };
}

/** @param index of the reply, among those in the text */
function judge(text: string, index: number): Verdict {
  let at = 0;
  for (let i = 0; i < index && at >= 0; i++) at = endOfReply(text, at);
  const end = at < 0 ? -1 : endOfReply(text, at);
  if (end < 0) return 'unknown';
  if (text[at] !== '-') return 'accepted';
  return { refusal: `the server says: ${decodeUtf8(text.slice(at + 1, end - 2))}` };
}
