/**
 * LDAP (RFC 4511): simple binds, and SASL's PLAIN, bring the given account's name and password. Anonymous ones stay as
 * they are.
 */
import { type BerElement, berAt, berElements, berNumber, berText } from '../../protocol/ber.ts';
import type { ProtocolModule, RecordedSession } from '../module.ts';
import { decodeUtf8, encodeUtf8, messageAt } from '../octet-text.ts';
import type { Account, Credentials } from './accounts.ts';
import { answerStage, type ClientText, clientTextOf } from './client-text.ts';
import { type LogInEdit, type LogInSearch, logInModule, type Verdict } from './log-in-module.ts';

const SEQUENCE = 0x30;
const OCTET_STRING = 0x04;
const BIND_REQUEST = 0x60;
const BIND_RESPONSE = 0x61;
const EXTENDED_REQUEST = 0x77;
/** Of a BindRequest's authentication. */
const SIMPLE = 0x80;
const SASL = 0xa3;
const START_TLS = '1.3.6.1.4.1.1466.20037';
const SUCCESS = 0;
/** The server asks for more (SASL). */
const IN_PROGRESS = 14;
const NUL = '\0';

/** Results that are about who it is (RFC 4511, appendix A.1). */
const RESULTS: ReadonlyMap<number, string> = new Map([
  [7, 'authMethodNotSupported'],
  [8, 'strongerAuthRequired'],
  [13, 'confidentialityRequired'],
  [48, 'inappropriateAuthentication'],
  [49, 'invalidCredentials'],
  [50, 'insufficientAccessRights'],
  [51, 'busy'],
  [52, 'unavailable'],
  [53, 'unwillingToPerform'],
]);

/** A message that binds, taken apart. */
interface Bind {
  readonly message: BerElement;
  /** Its number: the answer has the same. */
  readonly id: number;
  readonly user: string;
  /** Everything before the bind's name, and everything behind the bind: as it was. */
  readonly version: string;
  readonly controls: string;
  /** How it is said anew. */
  readonly name: (who: Credentials) => string;
  readonly proof: (who: Credentials) => string;
}

/** The module. */
export function ldapModule(accounts: readonly Account[]): ProtocolModule {
  return logInModule('ldap', accounts, (session) => {
    if (session.protocol !== 'ldap') return null;
    const client = clientTextOf(session);
    return { client, found: search(session, client) };
  }) as ProtocolModule;
}

function search(session: RecordedSession, { text, starts }: ClientText): LogInSearch {
  const binds: Bind[] = [];
  for (const message of berElements(text)) {
    const [id, operation] = berElements(text, message.from, message.to);
    if (message.tag !== SEQUENCE || id === undefined || operation === undefined) break;
    if (isStartTls(text, operation)) return { refused: 'what follows is encrypted' };
    if (operation.tag !== BIND_REQUEST) continue;
    const bind = bindOf(text, message, id, operation);
    if (typeof bind === 'string') return { refused: bind };
    if (bind !== null) binds.push(bind);
  }
  const [first] = binds;
  if (first === undefined) return null;
  const other = binds.find(({ user }) => user !== first.user);
  if (other !== undefined) {
    return { refused: `it binds as '${first.user}' and as '${other.user}'` };
  }
  const stage = answerStage(session, messageAt(starts, first.message.at));
  return {
    recordedUser: first.user,
    edits: binds.map((bind) => editOf(text, bind)),
    answer: { stage, judge: (said) => judge(said, first.id) },
  };
}

function isStartTls(text: string, operation: BerElement): boolean {
  if (operation.tag !== EXTENDED_REQUEST) return false;
  const name = berAt(text, operation.from, operation.to);
  return name !== null && text.slice(name.from, name.to) === START_TLS;
}

/** @returns null for an anonymous one; why it cannot be done anew */
function bindOf(
  text: string,
  message: BerElement,
  id: BerElement,
  operation: BerElement,
): Bind | string | null {
  const [version, name, proof] = berElements(text, operation.from, operation.to);
  if (version === undefined || name === undefined || proof === undefined) return null;
  const common = {
    ...{ message, id: berNumber(text, id) },
    version: text.slice(version.at, version.to),
    controls: text.slice(operation.to, message.to),
  };
  const named = text.slice(name.from, name.to);
  if (proof.tag === SIMPLE) {
    if (named === '') return null;
    return {
      ...{ ...common, user: decodeUtf8(named) },
      name: ({ user }) => encodeUtf8(user),
      proof: ({ password }) => berText(SIMPLE, encodeUtf8(password)),
    };
  }
  if (proof.tag !== SASL) return null;
  const [mechanism, initial] = berElements(text, proof.from, proof.to);
  const method = mechanism === undefined ? '' : text.slice(mechanism.from, mechanism.to);
  if (method !== 'PLAIN') return `its log-in is by ${method}, which brings no password`;
  if (initial === undefined) return 'its log-in is said in two steps';
  const [authority = '', user = ''] = text.slice(initial.from, initial.to).split(NUL);
  return {
    ...{ ...common, user: decodeUtf8(user) },
    name: () => named,
    proof: (who) => {
      const said = [authority, encodeUtf8(who.user), encodeUtf8(who.password)].join(NUL);
      return berText(SASL, berText(OCTET_STRING, method) + berText(OCTET_STRING, said));
    },
  };
}

function editOf(text: string, bind: Bind): LogInEdit {
  const { message, version, controls, name, proof } = bind;
  const id = berAt(text, message.from, message.to);
  const idText = id === null ? '' : text.slice(id.at, id.to);
  const render = (who: Credentials): string => {
    // A bind with a name and without a password is an anonymous one to many servers (section 5.1.2 of RFC 4513).
    if (who.password === '') throw new Error('a bind without a password proves nobody');
    const request = version + berText(OCTET_STRING, name(who)) + proof(who);
    return berText(SEQUENCE, idText + berText(BIND_REQUEST, request) + controls);
  };
  return { from: message.at, to: message.to, render };
}

/** @param id the number of the bind that is judged */
function judge(said: string, id: number): Verdict {
  for (const message of berElements(said)) {
    const [number, operation] = berElements(said, message.from, message.to);
    if (number === undefined || operation?.tag !== BIND_RESPONSE) continue;
    if (berNumber(said, number) !== id) continue;
    const [result, , words] = berElements(said, operation.from, operation.to);
    if (result === undefined) return 'unknown';
    const code = berNumber(said, result);
    if (code === SUCCESS || code === IN_PROGRESS) return 'accepted';
    const word = words === undefined ? '' : decodeUtf8(said.slice(words.from, words.to));
    const name = RESULTS.get(code);
    const known = name === undefined ? `code ${code}` : `${name}, code ${code}`;
    return { refusal: `the server says: ${word === '' ? known : `${word} (${known})`}` };
  }
  return 'unknown';
}
