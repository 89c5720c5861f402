/** The protocols whose conversations can be followed, by name. */

import { type LengthField, LengthFramer, PlainLines } from './declared-framing.ts';
import type { AnswerFramer, PushFramer, RequestFramer } from './framer.ts';
import { Http1Answers } from './http1-answers.ts';
import { Http1Requests } from './http1-requests.ts';
import { ImapAnswers, ImapRequests } from './imap.ts';
import { MemcachedAnswers, MemcachedRequests } from './memcached.ts';
import { MemcachedBinaryAnswers, MemcachedBinaryRequests } from './memcached-binary.ts';
import { MqttAnswers, MqttPushes } from './mqtt-answers.ts';
import { MqttReplies } from './mqtt-replies.ts';
import { MqttRequests } from './mqtt-requests.ts';
import { MysqlAnswers, MysqlRequests } from './mysql.ts';
import { Pop3Answers, Pop3Requests } from './pop3.ts';
import { PostgresAnswers, PostgresRequests } from './postgresql.ts';
import { CommandLines, ReplyLines } from './reply-lines.ts';
import type { ReplyReader } from './reply-reader.ts';
import { RespAnswers, RespRequests } from './resp.ts';

/** How a protocol's streams are followed. */
export interface FollowedProtocol {
  readonly answers: () => AnswerFramer;
  readonly requests: () => RequestFramer;
  /** Whether the server speaks first: with an answer of kind 0, to nothing. */
  readonly hasGreeting: boolean;
  /** Where the server may speak of its own accord: what steps over that. */
  readonly pushes?: () => PushFramer;
  /** And what reads which of it the client answers. */
  readonly replies?: () => ReplyReader;
}

const LINES = { answers: () => new ReplyLines(), requests: () => new CommandLines() };

/** HTTP/1, which the engine follows, too. */
export const HTTP1: FollowedProtocol = {
  answers: () => new Http1Answers(),
  requests: () => new Http1Requests(),
  hasGreeting: false,
};

/** MQTT's name. */
export const MQTT_NAME = 'mqtt';

/** By the names of `recognise`. */
export const FOLLOWED_PROTOCOLS: ReadonlyMap<string, FollowedProtocol> = new Map<
  string,
  FollowedProtocol
>([
  ['http1', HTTP1],
  [
    'redis',
    { answers: () => new RespAnswers(), requests: () => new RespRequests(), hasGreeting: false },
  ],
  [
    'mysql',
    { answers: () => new MysqlAnswers(), requests: () => new MysqlRequests(), hasGreeting: true },
  ],
  [
    'postgresql',
    {
      answers: () => new PostgresAnswers(),
      requests: () => new PostgresRequests(),
      hasGreeting: false,
    },
  ],
  ['smtp', { ...LINES, hasGreeting: true }],
  ['ftp', { ...LINES, hasGreeting: true }],
  [
    'pop3',
    { answers: () => new Pop3Answers(), requests: () => new Pop3Requests(), hasGreeting: true },
  ],
  [
    'imap',
    { answers: () => new ImapAnswers(), requests: () => new ImapRequests(), hasGreeting: true },
  ],
  [
    'memcached',
    {
      answers: () => new MemcachedAnswers(),
      requests: () => new MemcachedRequests(),
      hasGreeting: false,
    },
  ],
  [
    'memcached-binary',
    {
      answers: () => new MemcachedBinaryAnswers(),
      requests: () => new MemcachedBinaryRequests(),
      hasGreeting: false,
    },
  ],
  [
    MQTT_NAME,
    {
      answers: () => new MqttAnswers(),
      requests: () => new MqttRequests(),
      hasGreeting: false,
      pushes: () => new MqttPushes(),
      replies: () => new MqttReplies(),
    },
  ],
]);

/** Their names. */
export const FOLLOWED_NAMES: readonly string[] = [...FOLLOWED_PROTOCOLS.keys()];

/** HTTP/1's name. */
export const HTTP1_NAME = 'http1';

/** A session whose module tells where its answers end, in place of a protocol's name. */
export const MODULE_NAME = 'module';

/** What a session is said to speak: a name of `FOLLOWED_PROTOCOLS`, or a framing; `none`: neither. */
export type ProtocolChoice = string | LengthField;

/** How it is followed; null where that is not known. */
export function followedProtocol(choice: ProtocolChoice): FollowedProtocol | null {
  if (choice === 'line') {
    return {
      answers: () => new PlainLines(),
      requests: () => new PlainLines(),
      hasGreeting: false,
    };
  }
  if (typeof choice === 'string') return FOLLOWED_PROTOCOLS.get(choice) ?? null;
  const framer = () => new LengthFramer(choice);
  return { answers: framer, requests: framer, hasGreeting: false };
}
