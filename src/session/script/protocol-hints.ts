/**
 * Recognises what in recorded sessions cannot be played to a server as it stands, by the first
 * octets of both streams:
 *
 * - FTP that opens data connections (RFC 959, section 3.2; RFC 2428): their port is agreed upon
 *   anew each time, and what was recorded of them is a session of its own.
 * - Log-ins to HTTP that go with each request (RFC 7617): all users have those of the recorded ones.
 * - Names that a server lets only one connection bear at a time: client ids of MQTT (3.1.3.1 of
 *   MQTT 3.1.1 and 5.0), of STOMP's `client-id` and of OpenWire, exclusive queues of AMQP 0-9-1.
 */

import { Prefixes } from '../../base/prefixes.ts';
import { beginsConnect, readConnect } from '../../protocol/mqtt.ts';
import { Protocol, type Scripts } from './scripts.ts';
import { type ReadOctets, StreamView } from './stream-view.ts';

/** What may be recognised; documents name it so. */
export const HintKind = {
  FTP_DATA: 'ftp-data',
  HTTP_BASIC: 'http-basic',
  MQTT_CLIENT_ID: 'mqtt-client-id',
  STOMP_CLIENT_ID: 'stomp-client-id',
  OPENWIRE_CLIENT_ID: 'openwire-client-id',
  AMQP_EXCLUSIVE_QUEUE: 'amqp-exclusive-queue',
} as const;
export type HintKind = (typeof HintKind)[keyof typeof HintKind];

/** What was recognised in sessions of one server. */
export interface ProtocolHint {
  readonly kind: HintKind;
  /** Row in the scripts' `endpoints`. */
  readonly endpoint: number;
  readonly sessions: number;
  /** Different names among them; 0 where it is not about names. */
  readonly names: number;
}

/** So many sessions are looked at; what is in none of them is seldom in the others. */
const SESSIONS_MAX = 100_000;
/** Enough to tell protocols apart. */
const LOOK_BYTES = 16;
/** As much of a stream is read where it is one of these protocols. */
const PREFIX_BYTES = 4096;

const FTP_READY = /^220[ -]/;
const FTP_DATA = /(?:^|\n)(?:PASV|EPSV|EPRT |PORT )/i;
const HTTP_BASIC = /\nAuthorization: *Basic +([\w+/]+=*)\r?\n/i;
const STOMP = /^(?:CONNECT|STOMP)\r?\n/;
const STOMP_CLIENT_ID = /\nclient-id: *([^\r\n]+)/;
const AMQP_0_9_1 = 'AMQP\0\0\x09\x01';
const OPENWIRE_MAGIC = 'ActiveMQ';
/** Behind the length of the first command and its type. */
const OPENWIRE_MAGIC_AT = 5;

/** What is to be told of one session; the name is '' where it is not about names. */
interface Finding {
  readonly kind: HintKind;
  readonly name: string;
}

interface Count {
  sessions: number;
  readonly names: Set<string>;
}

/**
 * @param read fills `into` with octets of the joined capture from `offset`
 * @param withHttp whether HTTP is looked at, too: of it there is much, and nothing that keeps anybody from playing it
 */
export function findHints(scripts: Scripts, read: ReadOctets, withHttp = false): ProtocolHint[] {
  const hints = new HintCount(withHttp);
  hints.add(scripts, read);
  return hints.finish();
}

/** Counts what is recognised in scripts that come part by part. */
export class HintCount {
  readonly #withHttp: boolean;
  readonly #counts = new Map<string, Count>();
  #looked = 0;

  /** @param withHttp as of `findHints` */
  constructor(withHttp: boolean) {
    this.#withHttp = withHttp;
  }

  /** Whether further sessions are looked at. */
  get wantsMore(): boolean {
    return this.#looked < SESSIONS_MAX;
  }

  /** @param scripts a part of a capture's; the rows of their servers are the same in all parts */
  add(scripts: Scripts, read: ReadOctets): void {
    const sessions = Math.min(scripts.sessions, SESSIONS_MAX - this.#looked);
    this.#looked += sessions;
    const looker = new Looker(scripts, read);
    for (let session = 0; session < sessions; session++) {
      const isHttp = scripts.protocol[session] === Protocol.HTTP1;
      if (isHttp && !this.#withHttp) continue;
      const finding = isHttp ? looker.lookAtHttp(session) : looker.look(session);
      if (finding === null) continue;
      const key = `${scripts.endpoint[session]} ${finding.kind}`;
      const count = this.#counts.get(key) ?? { sessions: 0, names: new Set<string>() };
      this.#counts.set(key, count);
      count.sessions++;
      if (finding.name !== '') count.names.add(finding.name);
    }
  }

  finish(): ProtocolHint[] {
    return [...this.#counts].map(([key, { sessions, names }]) => {
      const [endpoint, kind] = key.split(' ') as [string, HintKind];
      return { kind, endpoint: Number(endpoint), sessions, names: names.size };
    });
  }
}

class Looker {
  readonly #scripts: Scripts;
  readonly #client: StreamHead;
  readonly #server: StreamHead;

  constructor(scripts: Scripts, read: ReadOctets) {
    this.#scripts = scripts;
    this.#client = new StreamHead(new StreamView(scripts.client, read));
    this.#server = new StreamHead(new StreamView(scripts.server, read));
  }

  look(session: number): Finding | null {
    const start = this.#client.of(session, LOOK_BYTES);
    if (beginsConnect(start)) return this.#named(session, mqttClientId);
    if (start.startsWith(AMQP_0_9_1)) return this.#named(session, amqpExclusiveQueue);
    if (STOMP.test(start)) return this.#named(session, stompClientId);
    if (start.startsWith(OPENWIRE_MAGIC, OPENWIRE_MAGIC_AT)) {
      return this.#named(session, openWireClientId);
    }
    return this.#isServerFirst(session) ? this.#ftp(session) : null;
  }

  lookAtHttp(session: number): Finding | null {
    return this.#named(session, httpBasic);
  }

  #named(session: number, find: (text: string) => Finding | null): Finding | null {
    return find(this.#client.of(session, PREFIX_BYTES));
  }

  #isServerFirst(session: number): boolean {
    const { firstMessage, messageAwait } = this.#scripts.client;
    return messageAwait[firstMessage[session]] > 0;
  }

  #ftp(session: number): Finding | null {
    if (!FTP_READY.test(this.#server.of(session, LOOK_BYTES))) return null;
    const opens = FTP_DATA.test(this.#client.of(session, PREFIX_BYTES));
    return opens ? { kind: HintKind.FTP_DATA, name: '' } : null;
  }
}

/** Reads the first octets of streams, one character an octet. */
class StreamHead {
  readonly #stream: StreamView;
  readonly #prefixes = new Prefixes(PREFIX_BYTES);
  readonly #text = Buffer.from(this.#prefixes.octets.buffer);

  constructor(stream: StreamView) {
    this.#stream = stream;
  }

  of(session: number, bytesMax: number): string {
    const bytes = Math.min(bytesMax, this.#stream.bytesOf(session));
    this.#stream.read(session, 0, this.#prefixes.of(bytes));
    return this.#text.toString('latin1', 0, bytes);
  }
}

/** The first log-in of a session; its name is what precedes the colon. */
function httpBasic(text: string): Finding | null {
  const packed = HTTP_BASIC.exec(text)?.[1];
  if (packed === undefined) return null;
  const name = Buffer.from(packed, 'base64').toString('latin1').split(':', 1)[0] ?? '';
  return { kind: HintKind.HTTP_BASIC, name };
}

function mqttClientId(text: string): Finding | null {
  const id = readConnect(text)?.clientId ?? '';
  // Without one the server makes one up.
  return id === '' ? null : { kind: HintKind.MQTT_CLIENT_ID, name: id };
}

function stompClientId(text: string): Finding | null {
  const end = text.search(/\r?\n\r?\n/);
  const id = STOMP_CLIENT_ID.exec(end < 0 ? text : text.slice(0, end))?.[1];
  return id === undefined ? null : { kind: HintKind.STOMP_CLIENT_ID, name: id };
}

/** A client always names itself; ActiveMQ's own ids begin like this. */
function openWireClientId(text: string): Finding {
  const id = /ID:[\w.:-]+/.exec(text)?.[0] ?? 'an id';
  return { kind: HintKind.OPENWIRE_CLIENT_ID, name: id };
}

const AMQP_HEADER_BYTES = 8;
const AMQP_FRAME_BYTES = 8;
const AMQP_METHOD = 1;
/** Class and method of queue.declare. */
const QUEUE_DECLARE = 0x0032_000a;
/** passive, durable, exclusive, auto-delete, no-wait. */
const EXCLUSIVE = 1 << 2;

/** The first exclusive queue that is declared by a name of the client's. */
function amqpExclusiveQueue(text: string): Finding | null {
  // A frame: type (1), channel (2), length (4), payload, end (1).
  for (let at = AMQP_HEADER_BYTES; at + AMQP_FRAME_BYTES <= text.length; ) {
    const payload = at + 7;
    const isDeclare =
      text.charCodeAt(at) === AMQP_METHOD &&
      u16(text, payload) * 65_536 + u16(text, payload + 2) === QUEUE_DECLARE;
    if (isDeclare) {
      const nameBytes = text.charCodeAt(payload + 6);
      const name = text.slice(payload + 7, payload + 7 + nameBytes);
      const flags = text.charCodeAt(payload + 7 + nameBytes);
      if (name !== '' && (flags & EXCLUSIVE) !== 0) {
        return { kind: HintKind.AMQP_EXCLUSIVE_QUEUE, name };
      }
    }
    at += AMQP_FRAME_BYTES + u16(text, at + 3) * 65_536 + u16(text, at + 5);
  }
  return null;
}

/** Two octets in network order; NaN where they are not there, which no comparison holds for. */
const u16 = (text: string, at: number): number =>
  text.charCodeAt(at) * 256 + text.charCodeAt(at + 1);
