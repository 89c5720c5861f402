/**
 * MySQL and MariaDB: logs in with an account of the target, from its greeting to OK, and takes the recording
 * up behind it. Prepared statements are named by the numbers that the target gives them, and changes of
 * users are proved anew.
 */
import {
  type DialogueStep,
  type MessageWriter,
  type ProtocolModule,
  type RecordedSession,
  RewriteOutcome,
  type SessionPlan,
} from '../module.ts';
import { octetsOfText, textOf } from '../octet-text.ts';
import { type Account, Accounts, noAccountFor } from './accounts.ts';
import { bringZstd, inflatedMessage, type PartedMessages } from './mysql-compression.ts';
import {
  Capability,
  changeUserText,
  errorText,
  type Greeting,
  greetingOf,
  logInResponseText,
  numberAt,
  numberText,
  type Packet,
  packetsOf,
  packetText,
  Reply,
} from './mysql-packets.ts';
import { ID_AT, type MysqlPlan, planOf, type StatementCommand } from './mysql-plan.ts';
import { PasswordProof } from './mysql-proofs.ts';
import { unzstd } from './zstd-content.ts';

/** What the module is told. */
export interface MysqlSettings {
  readonly accounts: readonly Account[];
  /** Statements that write are left out. */
  readonly readOnly: boolean;
}

interface MysqlConnection {
  readonly client: number;
  readonly plan: MysqlPlan;
  /** Null before the greeting. */
  proof: PasswordProof | null;
  /** What is to be said in a change of users; null: nothing. */
  reply: string | null;
  /** By a statement's place: its number; null: it could not be prepared; undefined: not told yet. */
  readonly statements: (number | null | undefined)[];
  isFileRefused: boolean;
}

/** Not offered here, or not to be agreed to. */
const DROPPED =
  Capability.TLS | Capability.COMPRESS | Capability.ZSTD | Capability.LENGTH_ENCODED_AUTH;
/** What a log-in takes, whatever was recorded. */
const ADDED = Capability.PROTOCOL_41 | Capability.SECURE_CONNECTION | Capability.PLUGIN_AUTH;
/** Commands, or answers, are of another form without them. */
const NEEDED = new Map([
  [Capability.DEPRECATE_EOF, 'CLIENT_DEPRECATE_EOF'],
  [Capability.QUERY_ATTRIBUTES, 'CLIENT_QUERY_ATTRIBUTES'],
]);
const FILE_WANTED = 0xfb;
const ID_BYTES = 4;

/** The module. */
export const mysqlModule = (settings: MysqlSettings): ProtocolModule =>
  new MysqlModule(settings) as ProtocolModule;

class MysqlModule implements ProtocolModule<MysqlPlan | null, number, MysqlConnection> {
  readonly name = 'mysql';
  readonly #accounts: Accounts;
  readonly #readOnly: boolean;

  constructor({ accounts, readOnly }: MysqlSettings) {
    bringZstd(unzstd);
    this.#accounts = new Accounts(accounts);
    this.#readOnly = readOnly;
  }

  plan(session: RecordedSession): SessionPlan<MysqlPlan | null> | undefined {
    if (session.protocol !== this.name) return undefined;
    const plan = planOf(session, this.#readOnly);
    if (plan === null) return undefined;
    const refuse = (refused: string) => ({ plan: null, rewrites: [], reads: [], refused });
    if (typeof plan === 'string') return refuse(plan);
    const stranger = [...plan.users].find((user) => !this.#accounts.has(user));
    if (stranger !== undefined) return refuse(noAccountFor(stranger));
    const isGoingOn = plan.resumeAt < session.messages;
    const ascending = (numbers: Iterable<number>) => [...numbers].sort((a, b) => a - b);
    return {
      ...{ plan, dialogueBefore: plan.resumeAt },
      ...(plan.parted !== null && isGoingOn ? { inflatedFrom: plan.resumeAt } : {}),
      rewrites: ascending(plan.messages.keys()),
      reads: ascending(plan.stages.keys()),
    };
  }

  client({ client }: { readonly client: number }): number {
    return client;
  }

  connection(client: number, plan: MysqlPlan | null): MysqlConnection {
    if (plan === null) throw new Error('a session that was refused is played');
    return { client, plan, proof: null, reply: null, statements: [], isFileRefused: false };
  }

  // ---- the log-in -------------------------------------------------------------------------

  dialogue(connection: MysqlConnection, octets: Uint8Array): DialogueStep {
    let taken = 0;
    let send = '';
    for (const packet of packetsOf(textOf(octets))) {
      taken = packet.to;
      const kind = packet.body.charCodeAt(0);
      if (kind === Reply.ERROR) return { taken, fail: refusalText(packet) };
      if (connection.proof === null) send += this.#logIn(connection, packet);
      else if (kind === Reply.OK) return { taken, resumeAt: connection.plan.resumeAt };
      else send += replyText(packet, connection.proof);
    }
    return send === '' ? { taken } : { taken, send: octetsOfText(send) };
  }

  #logIn(connection: MysqlConnection, { sequence, body }: Packet): string {
    const greeting = greetingOf(body);
    if (greeting === null) throw new Error('the server greets in a way that is not known');
    const { response } = connection.plan;
    const capabilities = agreedCapabilities(response.capabilities, greeting);
    const credentials = this.#accounts.of(response.user, connection.client);
    const proof = new PasswordProof(credentials, greeting.plugin, greeting.nonce);
    connection.proof = proof;
    return packetText(
      sequence + 1,
      logInResponseText({
        ...response,
        ...{ capabilities, user: credentials.user, proof: proof.first(), plugin: proof.plugin },
        extended: capabilities & 1 ? 0 : response.extended & greeting.extended,
      }),
    );
  }

  // ---- behind it --------------------------------------------------------------------------

  onAnswer(connection: MysqlConnection, stage: number, octets: Uint8Array): void {
    const planned = connection.plan.stages.get(stage);
    const [first, ...more] = packetsOf(textOf(octets));
    switch (planned?.kind) {
      case 'prepared': {
        const isPrepared = first !== undefined && first.body.charCodeAt(0) === Reply.OK;
        connection.statements[planned.statement] = isPrepared
          ? numberAt(first.body, 1, ID_BYTES)
          : null;
        break;
      }
      case 'file':
        connection.isFileRefused = first?.body.charCodeAt(0) !== FILE_WANTED;
        break;
      case 'proof':
        for (const packet of first === undefined ? [] : [first, ...more]) {
          this.#onProof(connection, stage, packet);
        }
    }
  }

  /** Whoever throws ends the user, under this reason. */
  #onProof(connection: MysqlConnection, stage: number, packet: Packet): void {
    const kind = packet.body.charCodeAt(0);
    if (kind === Reply.ERROR) throw new Error(refusalText(packet));
    const { proof, plan } = connection;
    connection.reply = kind === Reply.OK || proof === null ? null : replyText(packet, proof);
    if (connection.reply === null || connection.reply === '') return;
    let next = stage;
    while (plan.messages.get(next)?.kind === 'nothing') next++;
    if (plan.messages.get(next)?.kind === 'proof') return;
    throw new Error('a change of users takes more steps than were recorded');
  }

  rewrite(connection: MysqlConnection, message: number, writer: MessageWriter): RewriteOutcome {
    const { parted } = connection.plan;
    const out = parted === null ? writer : inflating(parted, message, writer);
    const planned = connection.plan.messages.get(message);
    switch (planned?.kind) {
      case 'statements':
        return writeStatements(planned.commands, connection.statements, out);
      case 'change user': {
        const credentials = this.#accounts.of(planned.change.user, connection.client);
        const before = connection.proof;
        const proof = new PasswordProof(credentials, before?.plugin ?? '', before?.nonce ?? '');
        connection.proof = proof;
        const { plugin } = proof;
        const words = { user: credentials.user, proof: proof.first(), plugin };
        out.put(octetsOfText(packetText(0, changeUserText(planned.change, words))));
        return RewriteOutcome.READY;
      }
      case 'proof':
        // What the target has accepted already is not proved again.
        if (connection.reply === null) return RewriteOutcome.SKIP;
        out.put(octetsOfText(connection.reply));
        connection.reply = null;
        return RewriteOutcome.READY;
      case 'file':
        if (connection.isFileRefused) return RewriteOutcome.SKIP;
        out.copy(0, out.recorded.length);
        return RewriteOutcome.READY;
      default:
        return RewriteOutcome.SKIP;
    }
  }
}

/** @throws Error where something is not offered without which the recording means nothing */
function agreedCapabilities(recorded: number, { capabilities }: Greeting): number {
  const agreed = (((recorded & ~DROPPED) | ADDED) & capabilities) >>> 0;
  for (const [capability, name] of NEEDED) {
    if (recorded & capability && !(agreed & capability)) {
      throw new Error(`the server does not offer ${name}, which the recording has`);
    }
  }
  return agreed;
}

/** What is said to a packet that asks for more; empty: nothing. */
function replyText({ sequence, body }: Packet, proof: PasswordProof): string {
  const said = proof.next(body);
  return said === null ? '' : packetText(sequence + 1, said);
}

const refusalText = ({ body }: Packet): string => `the server says: ${errorText(body)}`;

/** Writes what the recorded compressed packets hold. */
function inflating(parted: PartedMessages, message: number, out: MessageWriter): MessageWriter {
  const recorded = inflatedMessage(parted, message, out.recorded);
  return {
    ...{ recorded, isLate: out.isLate },
    copy: (from, to) => out.put(recorded.subarray(from, to)),
    put: (octets) => out.put(octets),
    fail: (reason) => out.fail(reason),
  };
}

/** Commands with the numbers that the target gave; those of statements that it did not prepare are left out. */
function writeStatements(
  commands: readonly StatementCommand[],
  statements: readonly (number | null | undefined)[],
  out: MessageWriter,
): RewriteOutcome {
  const idOf = ({ statement }: StatementCommand) => (statement < 0 ? -1 : statements[statement]);
  if (commands.some((command) => idOf(command) === undefined)) {
    if (!out.isLate) return RewriteOutcome.WAIT;
    out.fail('the server has not told the number of a prepared statement');
    return RewriteOutcome.FAIL;
  }
  const kept = commands.filter((command) => idOf(command) !== null);
  if (kept.length === 0) return RewriteOutcome.SKIP;
  if (commands.some((command) => idOf(command) === null && command.isAnswered)) {
    out.fail('a statement that could not be prepared is executed amid other commands');
    return RewriteOutcome.FAIL;
  }
  for (const command of kept) {
    const id = idOf(command) ?? -1;
    const idAt = command.from + ID_AT;
    if (id < 0) out.copy(command.from, command.to);
    else {
      out.copy(command.from, idAt);
      out.put(octetsOfText(numberText(id, ID_BYTES)));
      out.copy(idAt + ID_BYTES, command.to);
    }
  }
  return RewriteOutcome.READY;
}
