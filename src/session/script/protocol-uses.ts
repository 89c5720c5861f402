/** Which protocols recorded sessions speak, and how far their conversations can be followed. */
import { Conversation } from '../../protocol/conversation.ts';
import type { StoredStream } from '../../protocol/message-ends.ts';
import { RECOGNISED_BYTES, recognise } from '../../protocol/recognise.ts';
import { FOLLOWED_PROTOCOLS, MQTT_NAME } from '../../protocol/registry.ts';
import { storedIn } from './http-requests.ts';
import { MqttSessions } from './mqtt-sessions.ts';
import type { Scripts } from './scripts.ts';
import { type ReadOctets, StreamView } from './stream-view.ts';
import { type Upgrade, upgradeBy, WebSocketSessions } from './websocket-sessions.ts';

/** What sessions of one server speak. */
export interface ProtocolUse {
  /** A name as `recognise` gives it; `websocket`: what is spoken behind an upgrade of some of HTTP's. */
  readonly protocol: string;
  /** Row in the scripts' `endpoints`. */
  readonly endpoint: number;
  readonly sessions: number;
  /** Of those sessions whose protocol can be followed: requests that are answered, and answers. */
  readonly requests: number;
  readonly answers: number;
  /** Sessions both of whose streams were followed to their last octets. */
  readonly followed: number;
}

/**
 * @param sessionsMax how many sessions are looked at, the first ones: what is in none of them is
 *   seldom in the others
 * @param read fills `into` with octets of the joined capture from `offset`
 */
export function findProtocolUses(
  scripts: Scripts,
  sessionsMax: number,
  read: ReadOctets,
): ProtocolUse[] {
  const client = new StreamView(scripts.client, read);
  const server = new StreamView(scripts.server, read);
  const conversations = new Map<string, Conversation>();
  const webSockets = new WebSocketSessions(scripts, read);
  const mqtt = new MqttSessions(scripts, read);
  const uses = new Uses();
  for (let session = 0; session < Math.min(scripts.sessions, sessionsMax); session++) {
    const said = storedIn(client, session);
    const heard = storedIn(server, session);
    const { firstMessage, messageAwait } = scripts.client;
    const isServerFirst = said.bytes === 0 || messageAwait[firstMessage[session]] > 0;
    const protocol = recognise(prefixOf(said), prefixOf(heard), isServerFirst);
    if (protocol === null) continue;
    const endpoint = scripts.endpoint[session];
    const use = uses.of(endpoint, protocol);
    use.sessions++;
    const followed = FOLLOWED_PROTOCOLS.get(protocol);
    if (followed === undefined) continue;
    if (protocol === MQTT_NAME) {
      const { pairs, requests, isWhole } = mqtt.read(session);
      use.requests += requests;
      use.answers += pairs.length;
      use.followed += isWhole ? 1 : 0;
      continue;
    }
    const conversation = conversations.get(protocol) ?? new Conversation(followed);
    conversations.set(protocol, conversation);
    const { upgrade, isWhole } = follow(conversation, said, heard, use);
    let isFollowed = isWhole;
    if (upgrade !== null) {
      const { pairs, isWhole: isRestWhole } = webSockets.read(session, upgrade);
      const behind = uses.of(endpoint, 'websocket');
      behind.sessions++;
      behind.requests += pairs.length;
      behind.answers += pairs.length;
      behind.followed += isRestWhole ? 1 : 0;
      isFollowed = isRestWhole;
    }
    use.followed += isFollowed ? 1 : 0;
  }
  return uses.all;
}

type Growing = { -readonly [K in keyof ProtocolUse]: ProtocolUse[K] };

/** What has been found, by server and protocol. */
class Uses {
  readonly #found = new Map<string, Growing>();

  of(endpoint: number, protocol: string): Growing {
    const key = `${endpoint} ${protocol}`;
    const none = { protocol, endpoint, sessions: 0, requests: 0, answers: 0, followed: 0 };
    const use = this.#found.get(key) ?? none;
    this.#found.set(key, use);
    return use;
  }

  get all(): ProtocolUse[] {
    return [...this.#found.values()];
  }
}

/** Counts a session's requests and answers; where they end, maybe with an upgrade to WebSocket. */
function follow(
  conversation: Conversation,
  said: StoredStream,
  heard: StoredStream,
  use: Growing,
): { readonly upgrade: Upgrade | null; readonly isWhole: boolean } {
  let saidEnd = 0;
  let heardEnd = conversation.endOfGreeting(heard);
  let answerStart = heardEnd;
  for (const exchange of conversation.exchanges(said, heard)) {
    saidEnd = exchange.requestEnd;
    if (exchange.isUnanswered) continue;
    use.requests++;
    answerStart = heardEnd;
    heardEnd = exchange.answerEnd;
    if (heardEnd >= 0) use.answers++;
  }
  const isUpgraded = conversation.isUpgraded && answerStart >= 0 && heardEnd >= 0;
  const upgrade = isUpgraded ? upgradeBy(heard, answerStart, heardEnd, saidEnd) : null;
  return { upgrade, isWhole: saidEnd === said.bytes && heardEnd === heard.bytes };
}

function prefixOf(stream: StoredStream): Uint8Array {
  const octets = new Uint8Array(Math.min(RECOGNISED_BYTES, stream.bytes));
  if (octets.length > 0) stream.read(0, octets);
  return octets;
}
