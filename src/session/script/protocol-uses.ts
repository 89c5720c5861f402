/** Which protocols recorded sessions speak, and how far their conversations can be followed. */
import { Conversation } from '../../protocol/conversation.ts';
import type { StoredStream } from '../../protocol/message-ends.ts';
import { RECOGNISED_BYTES, recognise } from '../../protocol/recognise.ts';
import { FOLLOWED_PROTOCOLS } from '../../protocol/registry.ts';
import { storedIn } from './http-requests.ts';
import type { Scripts } from './scripts.ts';
import { type ReadOctets, StreamView } from './stream-view.ts';

/** What sessions of one server speak. */
export interface ProtocolUse {
  /** A name as `recognise` gives it. */
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
  const uses = new Map<string, { -readonly [K in keyof ProtocolUse]: ProtocolUse[K] }>();
  for (let session = 0; session < Math.min(scripts.sessions, sessionsMax); session++) {
    const said = storedIn(client, session);
    const heard = storedIn(server, session);
    const { firstMessage, messageAwait } = scripts.client;
    const isServerFirst = said.bytes === 0 || messageAwait[firstMessage[session]] > 0;
    const protocol = recognise(prefixOf(said), prefixOf(heard), isServerFirst);
    if (protocol === null) continue;
    const endpoint = scripts.endpoint[session];
    const key = `${endpoint} ${protocol}`;
    const use = uses.get(key) ?? {
      protocol,
      endpoint,
      sessions: 0,
      requests: 0,
      answers: 0,
      followed: 0,
    };
    uses.set(key, use);
    use.sessions++;
    const followed = FOLLOWED_PROTOCOLS.get(protocol);
    if (followed === undefined) continue;
    const conversation = conversations.get(protocol) ?? new Conversation(followed);
    conversations.set(protocol, conversation);
    let saidEnd = 0;
    let heardEnd = conversation.endOfGreeting(heard);
    for (const exchange of conversation.exchanges(said, heard)) {
      saidEnd = exchange.requestEnd;
      if (exchange.isUnanswered) continue;
      use.requests++;
      heardEnd = exchange.answerEnd;
      if (heardEnd >= 0) use.answers++;
    }
    if (conversation.isUpgraded) {
      saidEnd = conversation.endOfMessages(said, saidEnd);
      heardEnd = conversation.endOfMessages(heard, heardEnd);
    }
    if (saidEnd === said.bytes && heardEnd === heard.bytes) use.followed++;
  }
  return [...uses.values()];
}

function prefixOf(stream: StoredStream): Uint8Array {
  const octets = new Uint8Array(Math.min(RECOGNISED_BYTES, stream.bytes));
  if (octets.length > 0) stream.read(0, octets);
  return octets;
}
