/**
 * PostgreSQL: logs in with an account of the target, up to ReadyForQuery, and takes the recording up
 * behind it. A wish for encryption that was refused in the recording is left out: the target might grant it.
 * A CancelRequest brings the pair of process and key that its client's own connection was given.
 */
import { createHash } from 'node:crypto';
import {
  type ClientInfo,
  type DialogueStep,
  type MessageWriter,
  type ProtocolModule,
  type RecordedSession,
  RewriteOutcome,
  type SessionPlan,
} from '../module.ts';
import { octetsOfText, textOf } from '../octet-text.ts';
import {
  type Account,
  Accounts,
  type Credentials,
  noAccountFor,
  withoutPassword,
} from './accounts.ts';
import {
  clearPassword,
  errorText,
  type FirstMessage,
  firstMessage,
  firstMessageOf,
  isPasswordMessage,
  isStartUp,
  md5Password,
  parametersOf,
  parametersText,
  passwordMessage,
  type ServerMessage,
  StartCode,
  type StartParameters,
  saslFirst,
  serverMessages,
  word,
} from './postgres-messages.ts';
import { ScramKeyring, ScramLogIn } from './scram.ts';

/** What the module is told. */
export interface PostgresSettings {
  readonly accounts: readonly Account[];
  /** Whether a client has all connections of a recorded one: only then has it any to cancel. */
  readonly perClient: boolean;
  /** The server is asked to refuse what writes. */
  readonly readOnly: boolean;
}

interface LogInPlan {
  readonly kind: 'log-in';
  /** Version of the protocol. */
  readonly code: number;
  readonly parameters: StartParameters;
  readonly recordedUser: string;
  /** Message behind the log-in. */
  readonly resumeAt: number;
  /** Process and key that the recorded connection was given; empty where it was not captured. */
  readonly recordedKey: string;
}

interface CancelPlan {
  readonly kind: 'cancel';
  /** The message that cancels; those before it wish for encryption. */
  readonly message: number;
  readonly recordedKey: string;
}

type PostgresPlan = LogInPlan | CancelPlan | null;

interface PostgresClient {
  readonly info: ClientInfo;
  /** By the recorded pair of process and key: the one that this client was given; null: it was given none. */
  readonly keys: Map<string, string | null>;
  connections: number;
}

interface PostgresConnection {
  readonly client: PostgresClient;
  readonly plan: LogInPlan | CancelPlan;
  readonly credentials: Credentials;
  readonly nonce: string;
  scram: ScramLogIn | null;
  hasStarted: boolean;
}

const MECHANISM = 'SCRAM-SHA-256';
/** What the server asks for (AuthenticationRequest). */
const Ask = { OK: 0, CLEAR: 3, MD5: 5, SASL: 10, SASL_MORE: 11, SASL_FINAL: 12 } as const;
const WORD_BYTES = 4;
const NONCE_BYTES = 18;
/** Of octets that answer a wish for encryption. */
const REFUSED = 'N';
const READ_ONLY = '-c default_transaction_read_only=on';

/** The module. */
export const postgresModule = (settings: PostgresSettings): ProtocolModule =>
  new PostgresModule(settings) as ProtocolModule;

class PostgresModule implements ProtocolModule<PostgresPlan, PostgresClient, PostgresConnection> {
  readonly name = 'postgresql';
  readonly #settings: PostgresSettings;
  readonly #accounts: Accounts;
  readonly #keyring = new ScramKeyring();
  /** Pairs of process and key that recorded clients were given, with their addresses. */
  readonly #recordedKeys = new Set<string>();

  constructor(settings: PostgresSettings) {
    this.#settings = settings;
    this.#accounts = new Accounts(settings.accounts);
  }

  survey(session: RecordedSession): void {
    if (!this.#settings.perClient || session.protocol !== this.name) return;
    const plan = planOf(session);
    if (typeof plan !== 'object' || plan?.kind !== 'log-in' || plan.recordedKey === '') return;
    this.#recordedKeys.add(`${session.clientAddress} ${plan.recordedKey}`);
  }

  plan(session: RecordedSession): SessionPlan<PostgresPlan> | undefined {
    if (session.protocol !== this.name) return undefined;
    const plan = planOf(session);
    if (plan === null) return undefined;
    const refused = typeof plan === 'string' ? plan : this.#refusalOf(session, plan);
    if (typeof plan === 'string' || refused !== null) {
      return { plan: null, rewrites: [], reads: [], refused: refused ?? '' };
    }
    if (plan.kind === 'log-in') {
      return { plan, rewrites: [], reads: [], dialogueBefore: plan.resumeAt };
    }
    return { plan, rewrites: Array.from({ length: plan.message + 1 }, (_, i) => i), reads: [] };
  }

  #refusalOf({ clientAddress }: RecordedSession, plan: LogInPlan | CancelPlan): string | null {
    if (plan.kind === 'log-in') {
      return this.#accounts.has(plan.recordedUser) ? null : noAccountFor(plan.recordedUser);
    }
    if (!this.#settings.perClient) {
      return 'it cancels a query of another connection: play clients with all of theirs, --per client';
    }
    if (this.#recordedKeys.has(`${clientAddress} ${plan.recordedKey}`)) return null;
    return 'it cancels a query of a connection that is not played';
  }

  client(info: ClientInfo): PostgresClient {
    return { info, keys: new Map(), connections: 0 };
  }

  connection(client: PostgresClient, plan: PostgresPlan): PostgresConnection {
    if (plan === null) throw new Error('a session that was refused is played');
    const user = plan.kind === 'log-in' ? plan.recordedUser : null;
    const credentials =
      user === null ? { user: '', password: '' } : this.#accounts.of(user, client.info.client);
    const { seed, iteration } = client.info;
    const nonce = createHash('sha256')
      .update(`${seed} ${iteration} ${client.connections++}`)
      .digest()
      .toString('base64', 0, NONCE_BYTES);
    return { client, plan, credentials, nonce, scram: null, hasStarted: false };
  }

  rewrite(
    { client, plan }: PostgresConnection,
    message: number,
    out: MessageWriter,
  ): RewriteOutcome {
    if (plan.kind !== 'cancel' || message < plan.message) return RewriteOutcome.SKIP;
    const key = client.keys.get(plan.recordedKey);
    if (key === null) return RewriteOutcome.SKIP;
    if (key === undefined) return out.isLate ? RewriteOutcome.SKIP : RewriteOutcome.WAIT;
    out.put(octetsOfText(firstMessage(StartCode.CANCEL, key)));
    return RewriteOutcome.READY;
  }

  onEnd({ client, plan }: PostgresConnection): void {
    if (plan.kind !== 'log-in' || client.keys.has(plan.recordedKey)) return;
    client.keys.set(plan.recordedKey, null);
  }

  dialogue(connection: PostgresConnection, octets: Uint8Array): DialogueStep {
    const { plan } = connection;
    if (plan.kind !== 'log-in') return { taken: 0, resumeAt: 0 };
    if (!connection.hasStarted) {
      connection.hasStarted = true;
      return { taken: 0, send: octetsOfText(this.#startUp(plan, connection.credentials)) };
    }
    let taken = 0;
    let send = '';
    for (const message of serverMessages(textOf(octets))) {
      taken += message.bytes;
      switch (message.type) {
        case 'R':
          send += this.#answer(connection, message);
          break;
        case 'K':
          connection.client.keys.set(plan.recordedKey, message.body);
          break;
        case 'E':
          return { taken, fail: refusalText(message.body, connection.credentials) };
        case 'Z':
          return { taken, resumeAt: plan.resumeAt };
      }
    }
    return send === '' ? { taken } : { taken, send: octetsOfText(send) };
  }

  #startUp({ code, parameters, recordedUser }: LogInPlan, { user }: Credentials): string {
    const live = new Map(parameters).set('user', user);
    // Without a name the database is that of the user's name.
    if (!live.has('database')) live.set('database', recordedUser);
    if (this.#settings.readOnly) {
      live.set('options', `${live.get('options') ?? ''} ${READ_ONLY}`.trim());
    }
    return firstMessage(code, parametersText(live));
  }

  /** What the server asks for; empty where it asks for nothing. */
  #answer(connection: PostgresConnection, { body }: ServerMessage): string {
    const { user, password } = connection.credentials;
    const said = body.slice(WORD_BYTES);
    switch (word(body, 0)) {
      case Ask.OK:
        return '';
      case Ask.CLEAR:
        return clearPassword(password);
      case Ask.MD5:
        return md5Password(user, password, said);
      case Ask.SASL: {
        const mechanisms = said.split('\0').filter((name) => name !== '');
        if (!mechanisms.includes(MECHANISM)) {
          throw new Error(`the server asks for a log-in by ${mechanisms.join(' or ')}`);
        }
        connection.scram = new ScramLogIn({ name: '', password }, connection.nonce, this.#keyring);
        return saslFirst(MECHANISM, connection.scram.first());
      }
      case Ask.SASL_MORE:
        return passwordMessage(connection.scram?.final(said) ?? '');
      case Ask.SASL_FINAL:
        connection.scram?.verify(said);
        return '';
      default:
        throw new Error(`the server asks for a log-in of kind ${word(body, 0)}`);
    }
  }
}

/** All users that are refused alike have one text. */
const refusalText = (body: string, who: Credentials): string =>
  `the server says: ${withoutPassword(errorText(body).replaceAll(`"${who.user}"`, '"…"'), who)}`;

/** What a session is; a text: why it cannot be played; null: nothing is to be done. */
function planOf(session: RecordedSession): LogInPlan | CancelPlan | string | null {
  for (let at = 0; at < session.messages; at++) {
    const text = textOf(session.message(at));
    const first = firstMessageOf(text);
    if (first === null) return 'its log-in and what follows were sent in one go';
    const { code, body } = first;
    if (code === StartCode.CANCEL) return { kind: 'cancel', message: at, recordedKey: body };
    if (isStartUp(code)) return logInOf(session, at, first);
    if (code !== StartCode.TLS && code !== StartCode.GSS) return 'its version is not known';
    const answer = session.stage(at + 1);
    if (answer !== undefined && textOf(answer) !== REFUSED && at + 1 < session.messages) {
      return 'it is encrypted';
    }
  }
  return null;
}

function logInOf(session: RecordedSession, at: number, { code, body }: FirstMessage): LogInPlan {
  const parameters = parametersOf(body);
  let resumeAt = at + 1;
  while (resumeAt < session.messages && isPasswordMessage(textOf(session.message(resumeAt)))) {
    resumeAt++;
  }
  return {
    ...{ kind: 'log-in', code, parameters, resumeAt },
    recordedUser: parameters.get('user') ?? '',
    recordedKey: recordedKeyOf(session, resumeAt),
  };
}

function recordedKeyOf(session: RecordedSession, stage: number): string {
  const octets = session.stage(stage);
  if (octets === undefined) return '';
  for (const { type, body } of serverMessages(textOf(octets))) if (type === 'K') return body;
  return '';
}
