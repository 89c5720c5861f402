/**
 * MQTT: CONNECT brings the given account's name and password. Only one connection may bear a client id, so that all
 * virtual clients but the first have their number behind the recorded one.
 */
import {
  MQTT_VERSION_5,
  type MqttConnect,
  readConnack,
  readConnect,
  writeConnect,
} from '../../protocol/mqtt.ts';
import type { ProtocolModule, RecordedSession } from '../module.ts';
import { decodeUtf8, encodeUtf8 } from '../octet-text.ts';
import type { Account, Credentials } from './accounts.ts';
import { answerStage, clientTextOf } from './client-text.ts';
import { type LogInSearch, logInModule, type Verdict } from './log-in-module.ts';

/** MQTT 3.1 has shorter client ids than its successors (section 3.1). */
const VERSION_3_1 = 3;
const ID_BYTES_MAX = 23;

/** Codes of CONNACK before version 5 (3.1.1, section 3.2.2.3), and those of version 5 that are about who it is. */
const REASONS: ReadonlyMap<number, string> = new Map([
  [1, 'unacceptable protocol version'],
  [2, 'identifier rejected'],
  [3, 'server unavailable'],
  [4, 'bad user name or password'],
  [5, 'not authorized'],
  [0x84, 'unsupported protocol version'],
  [0x85, 'client identifier not valid'],
  [0x86, 'bad user name or password'],
  [0x87, 'not authorized'],
  [0x88, 'server unavailable'],
  [0x8a, 'banned'],
  [0x8c, 'bad authentication method'],
]);

/** The module. */
export function mqttModule(accounts: readonly Account[]): ProtocolModule {
  return logInModule('mqtt', accounts, (session) => {
    if (session.protocol !== 'mqtt') return null;
    const client = clientTextOf(session);
    return { client, found: search(session, client.text) };
  }) as ProtocolModule;
}

function search(session: RecordedSession, text: string): LogInSearch {
  const connect = readConnect(text);
  if (connect === null || connect.bytes > text.length) return null;
  if (connect.method !== null) {
    return { refused: `its log-in is by ${decodeUtf8(connect.method)}, which brings no password` };
  }
  const render = (who: Credentials, client: number): string => connectAs(connect, who, client);
  return {
    recordedUser: decodeUtf8(connect.user ?? ''),
    edits: [{ from: 0, to: connect.bytes, render }],
    answer: { stage: answerStage(session, 0), judge: (said) => judge(said, connect.level) },
  };
}

function connectAs(connect: MqttConnect, { user, password }: Credentials, client: number): string {
  if (user === '' && password !== '' && connect.level < MQTT_VERSION_5) {
    throw new Error('MQTT before version 5 has no password without a name');
  }
  return writeConnect(
    connect,
    idOf(connect, client),
    user === '' ? null : encodeUtf8(user),
    password === '' ? null : encodeUtf8(password),
  );
}

function idOf({ clientId, level }: MqttConnect, client: number): string {
  if (clientId === '' || client === 0) return clientId;
  const number = `-${client}`;
  const kept = level === VERSION_3_1 ? clientId.slice(0, ID_BYTES_MAX - number.length) : clientId;
  return kept + number;
}

function judge(said: string, level: number): Verdict {
  const connack = readConnack(said, level);
  if (connack === null) return 'unknown';
  const { code, isAccepted, reason } = connack;
  if (isAccepted) return 'accepted';
  const word = reason === null ? REASONS.get(code) : decodeUtf8(reason);
  return { refusal: `the server says: ${word ?? 'no'} (code ${code})` };
}
