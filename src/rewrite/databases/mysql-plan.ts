/** What of a recorded session of MySQL or MariaDB has to be written anew: log-ins, and numbers of statements. */
import type { RecordedSession } from '../module.ts';
import { decodeUtf8, textOf } from '../octet-text.ts';
import { answerStage } from './client-text.ts';
import { inflatedSession, type PartedMessages } from './mysql-compression.ts';
import {
  Capability,
  type ChangeUser,
  changeUserOf,
  greetingOf,
  type LogInResponse,
  logInResponseOf,
  numberAt,
  type Packet,
  packetsOf,
  Reply,
  Words,
} from './mysql-packets.ts';
import { onlyReads } from './mysql-statements.ts';

/** A command that names a prepared statement, in its message. */
export interface StatementCommand {
  /** Offsets of its packets. */
  readonly from: number;
  readonly to: number;
  /** Place among the session's prepared statements; -1 where it names none. */
  readonly statement: number;
  readonly isAnswered: boolean;
}

/** What is done with a message. */
export type PlannedMessage =
  | { readonly kind: 'statements'; readonly commands: readonly StatementCommand[] }
  /** It writes, and nothing is to be written. */
  | { readonly kind: 'left out' }
  | { readonly kind: 'change user'; readonly change: ChangeUser }
  /** A step of a change of users: what it says hangs on the server. */
  | { readonly kind: 'proof' }
  /** Octets of a local file that the server has asked for. */
  | { readonly kind: 'file' }
  /** The beginning of a compressed packet, with which nothing can be done yet. */
  | { readonly kind: 'nothing' };

/** What is looked for in a stage. */
export type PlannedStage =
  | { readonly kind: 'prepared'; readonly statement: number }
  | { readonly kind: 'proof' }
  | { readonly kind: 'file' };

/** A session that can be played. */
export interface MysqlPlan {
  readonly response: LogInResponse;
  /** Users that accounts have to stand for. */
  readonly users: ReadonlySet<string>;
  /** Message behind the log-in. */
  readonly resumeAt: number;
  /**
   * Not null where messages were recorded in compressed packets from there on. Then offsets are those of what they
   * hold, and these are the messages that do not end with a packet.
   */
  readonly parted: PartedMessages | null;
  readonly messages: ReadonlyMap<number, PlannedMessage>;
  readonly stages: ReadonlyMap<number, PlannedStage>;
}

const Command = {
  QUIT: 0x01,
  QUERY: 0x03,
  CHANGE_USER: 0x11,
  REGISTER_REPLICA: 0x15,
  PREPARE: 0x16,
  EXECUTE: 0x17,
  SEND_LONG_DATA: 0x18,
  CLOSE: 0x19,
  RESET: 0x1a,
  FETCH: 0x1c,
  BULK_EXECUTE: 0xfa,
} as const;
const UNANSWERED = new Set<number>([Command.QUIT, Command.SEND_LONG_DATA, Command.CLOSE]);
/** They begin with a statement's number. */
const NAMES_STATEMENT = new Set<number>([
  ...[Command.EXECUTE, Command.SEND_LONG_DATA, Command.CLOSE],
  ...[Command.RESET, Command.FETCH, Command.BULK_EXECUTE],
]);
/** COM_BINLOG_DUMP, COM_REGISTER_SLAVE, COM_BINLOG_DUMP_GTID. */
const OF_REPLICAS = new Set<number>([0x12, Command.REGISTER_REPLICA, 0x1e]);
/** Commands without a statement that change nothing: quit, use, fields, statistics, processes, ping, … */
const HARMLESS = new Set<number>([0x01, 0x02, 0x04, 0x09, 0x0a, 0x0e, 0x11, 0x1b, 0x1f]);
/** MariaDB's number for the statement that was prepared last. */
const LAST_PREPARED = 0xffff_ffff;
/** A statement that is not prepared, since it writes. */
const LEFT_OUT = -2;
const ID_BYTES = 4;
const COMPRESSING = Capability.COMPRESS | Capability.ZSTD;
/** From a command's packet to the number of its statement. */
export const ID_AT = 5;

/** @returns a text where it cannot be played: why */
export function planOf(session: RecordedSession, readOnly: boolean): MysqlPlan | string | null {
  if (session.messages === 0) return null;
  const [first] = packetsOf(textOf(session.message(0)));
  const response = first === undefined ? null : logInResponseOf(first.body);
  if (first === undefined || response === null) {
    const isTls = first !== undefined && (numberAt(first.body, 0, 4) & Capability.TLS) !== 0;
    return isTls ? 'it is encrypted' : 'it logs in as before version 4.1';
  }
  const capabilities = response.capabilities & offeredIn(session);
  const plain = { ...response, capabilities: capabilities & ~COMPRESSING };
  const from = firstCommand(session);
  if (!(capabilities & COMPRESSING)) return new Planner(session, plain, readOnly).plan(from);
  const inflated = inflatedSession(session, from);
  if (inflated === null) return 'its compressed packets cannot be read';
  return new Planner(inflated.session, plain, readOnly, inflated.parted).plan(from);
}

/** The message behind the log-in; as many as there are where there is none. */
function firstCommand(session: RecordedSession): number {
  let message = 1;
  // Compressed packets have their number in the same place.
  while (message < session.messages && session.message(message)[3] !== 0) message++;
  return message;
}

/** Some clients wish for what was not offered; whatever was, where that was not captured. */
function offeredIn(session: RecordedSession): number {
  const [packet] = packetsOf(textOf(session.stage(0) ?? new Uint8Array(0)));
  return packet === undefined ? -1 : (greetingOf(packet.body)?.capabilities ?? -1);
}

class Planner {
  readonly #session: RecordedSession;
  readonly #response: LogInResponse;
  readonly #readOnly: boolean;
  readonly #parted: PartedMessages | null;
  readonly #users = new Set<string>();
  readonly #messages = new Map<number, PlannedMessage>();
  readonly #stages = new Map<number, PlannedStage>();
  /** By recorded number: place among prepared statements. */
  readonly #statements = new Map<number, number>();
  #prepared = 0;
  #lastPrepared = -1;
  #isChanging = false;
  /** Whether answers are still to come for what was asked before the message at hand. */
  #isBehind = false;

  /** @param parted as `MysqlPlan.parted`: the session has what compressed packets hold */
  constructor(
    session: RecordedSession,
    response: LogInResponse,
    readOnly: boolean,
    parted: PartedMessages | null = null,
  ) {
    this.#session = session;
    this.#response = response;
    this.#readOnly = readOnly;
    this.#parted = parted;
    this.#users.add(response.user);
  }

  /** @param resumeAt message behind the log-in */
  plan(resumeAt: number): MysqlPlan | string {
    const { messages } = this.#session;
    for (let message = resumeAt; message < messages; message++) {
      const refused = this.#message(message);
      if (refused !== null) return refused;
      if (this.#parted !== null) this.#keep(message);
    }
    return {
      ...{
        response: this.#response,
        users: this.#users,
        resumeAt,
        parted: this.#parted,
      },
      ...{ messages: this.#messages, stages: this.#stages },
    };
  }

  /** What is not changed is written as well. */
  #keep(message: number): void {
    if (this.#messages.has(message)) return;
    const to = this.#session.message(message).length;
    const commands = [{ from: 0, to, statement: -1, isAnswered: true }];
    this.#messages.set(message, { kind: 'statements', commands });
  }

  /** @returns why it cannot be played */
  #message(message: number): string | null {
    const text = textOf(this.#session.message(message));
    const packets = [...packetsOf(text)];
    const end = packets.at(-1)?.to ?? 0;
    if (end < text.length) return 'its commands cannot be told apart';
    this.#isBehind &&= this.#session.stage(message)?.length === 0;
    if (packets.length === 0) {
      this.#messages.set(message, { kind: 'nothing' });
      return null;
    }
    if (packets[0].sequence > 0) {
      this.#step(message);
      return null;
    }
    this.#isChanging = false;
    const commands = commandsOf(packets);
    if (commands.some(({ code }) => OF_REPLICAS.has(code))) return 'it is a replica’s';
    if (commands.some(({ code }) => code === Command.CHANGE_USER)) {
      return this.#changeUser(message, commands);
    }
    const refused = this.#commands(message, commands);
    this.#isBehind ||= commands.some(({ code }) => !UNANSWERED.has(code));
    return refused;
  }

  /** More of a log-in, or of a file. */
  #step(message: number): void {
    if (this.#isChanging) {
      this.#messages.set(message, { kind: 'proof' });
      this.#stages.set(answerStage(this.#session, message), { kind: 'proof' });
      return;
    }
    let last = message - 1;
    while (this.#messages.get(last)?.kind === 'nothing') last--;
    const before = this.#messages.get(last)?.kind;
    this.#messages.set(message, { kind: before === 'left out' ? 'left out' : 'file' });
    if (before !== 'left out') this.#stages.set(message, { kind: 'file' });
  }

  #changeUser(message: number, commands: readonly RecordedCommand[]): string | null {
    if (commands.length > 1) return 'it changes users amid other commands';
    const change = changeUserOf(commands[0].body, this.#response.capabilities);
    this.#users.add(change.user);
    this.#isChanging = true;
    this.#messages.set(message, { kind: 'change user', change });
    this.#stages.set(answerStage(this.#session, message), { kind: 'proof' });
    return null;
  }

  #commands(message: number, commands: readonly RecordedCommand[]): string | null {
    const found: StatementCommand[] = [];
    let writing = 0;
    for (const [i, command] of commands.entries()) {
      const { code, from, to } = command;
      let statement = -1;
      if (NAMES_STATEMENT.has(code)) {
        const named = this.#named(command);
        if (named === undefined) return 'it uses statements whose preparing was not recorded';
        statement = named;
      }
      const writes = this.#writes(command, statement);
      if (writes) writing++;
      if (code === Command.PREPARE) this.#prepare(message, commands.slice(0, i), writes);
      found.push({ from, to, statement, isAnswered: !UNANSWERED.has(code) });
    }
    if (writing > 0) {
      this.#messages.set(message, { kind: 'left out' });
      return writing === commands.length
        ? null
        : 'it reads and writes in one go, and nothing is to be written';
    }
    if (found.some(({ statement }) => statement >= 0)) {
      this.#messages.set(message, { kind: 'statements', commands: found });
    }
    return null;
  }

  /** The statement that a command names: its place, -1 for the last one, LEFT_OUT; undefined: not known. */
  #named({ body }: RecordedCommand): number | undefined {
    const id = numberAt(body, 1, ID_BYTES);
    if (id !== LAST_PREPARED) return this.#statements.get(id);
    return this.#lastPrepared === LEFT_OUT ? LEFT_OUT : -1;
  }

  #writes({ code, body }: RecordedCommand, statement: number): boolean {
    if (!this.#readOnly) return false;
    if (NAMES_STATEMENT.has(code)) return statement === LEFT_OUT;
    if (code === Command.PREPARE) return !onlyReads(decodeUtf8(body.slice(1)));
    if (code === Command.QUERY) return !onlyReads(decodeUtf8(this.#queryOf(body)));
    return !HARMLESS.has(code);
  }

  /** A statement's text; with attributes it counts as one that writes. */
  #queryOf(body: string): string {
    if (!(this.#response.capabilities & Capability.QUERY_ATTRIBUTES)) return body.slice(1);
    const words = new Words(body, 1);
    const attributes = words.number();
    words.number();
    return attributes === 0 ? words.rest() : '';
  }

  /** Its answer tells the statement's number, where that can be found: as the first one of its stage. */
  #prepare(message: number, before: readonly RecordedCommand[], isLeftOut: boolean): void {
    const isFirst = before.every(({ code }) => UNANSWERED.has(code)) && !this.#isBehind;
    const stage = answerStage(this.#session, message);
    const octets = isFirst ? this.#session.stage(stage) : undefined;
    const [answer] = packetsOf(octets === undefined ? '' : textOf(octets));
    const isPrepared = answer !== undefined && answer.body.charCodeAt(0) === Reply.OK;
    const statement = isLeftOut ? LEFT_OUT : this.#prepared++;
    this.#lastPrepared = statement;
    if (!isPrepared) return;
    this.#statements.set(numberAt(answer.body, 1, ID_BYTES), statement);
    if (!isLeftOut) this.#stages.set(stage, { kind: 'prepared', statement });
  }
}

interface RecordedCommand {
  readonly code: number;
  readonly body: string;
  readonly from: number;
  readonly to: number;
}

/** Packets with numbers above 0 belong to the command before them. */
function commandsOf(packets: readonly Packet[]): RecordedCommand[] {
  const commands: RecordedCommand[] = [];
  for (const { sequence, body, from, to } of packets) {
    const last = commands.at(-1);
    if (sequence > 0 && last !== undefined) commands[commands.length - 1] = { ...last, to };
    else commands.push({ code: body.charCodeAt(0), body, from, to });
  }
  return commands;
}
