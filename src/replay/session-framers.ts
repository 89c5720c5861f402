/** The framers of recorded sessions: of the protocol that the user names, or that the octets show. */
import type { AnswerFramer, RequestFramer } from '../protocol/framer.ts';
import type { StoredStream } from '../protocol/message-ends.ts';
import { RECOGNISED_BYTES, recognise } from '../protocol/recognise.ts';
import { followedProtocol, HTTP1_NAME, type ProtocolChoice } from '../protocol/registry.ts';
import { Protocol, type Scripts } from '../session/script/scripts.ts';
import type { ExchangeColumnsBuilder } from './exchange-columns.ts';
import type { FindPlan, ProtocolOfPort } from './replay-plan.ts';

/** The framers of one protocol. */
export interface Framers {
  /** Null where it is a framing. */
  readonly name: string | null;
  readonly id: number;
  readonly requests: RequestFramer;
  readonly answers: AnswerFramer;
  readonly hasGreeting: boolean;
}

/** Finds them, and writes down which protocol each session speaks. */
export class SessionFramers {
  readonly #scripts: Scripts;
  readonly #columns: ExchangeColumnsBuilder;
  readonly #choices: readonly ProtocolOfPort[];
  readonly #framers = new Map<ProtocolChoice, Framers>();
  readonly #client = new Uint8Array(RECOGNISED_BYTES);
  readonly #server = new Uint8Array(RECOGNISED_BYTES);

  constructor({ scripts, protocols = [] }: FindPlan, columns: ExchangeColumnsBuilder) {
    this.#scripts = scripts;
    this.#columns = columns;
    this.#choices = protocols;
  }

  /** How the session is followed; null where nobody can. */
  of(session: number, client: StoredStream, server: StoredStream): Framers | null {
    const choice = this.#choiceOf(session, client, server);
    if (choice === null) return null;
    let framers = this.#framers.get(choice);
    if (framers === undefined) {
      const protocol = followedProtocol(choice);
      if (protocol === null) return null;
      const name = typeof choice === 'string' ? choice : null;
      const id = this.#columns.protocols.push(choice);
      framers = {
        ...protocol,
        name,
        id,
        requests: protocol.requests(),
        answers: protocol.answers(),
      };
      this.#framers.set(choice, framers);
    }
    this.#columns.protocol[session] = framers.id;
    return framers;
  }

  /** What the user says of the recorded port, then what the octets say, then what the user says of all. */
  #choiceOf(session: number, client: StoredStream, server: StoredStream): ProtocolChoice | null {
    const { endpoints, endpoint, protocol } = this.#scripts;
    const { port } = endpoints[endpoint[session]];
    const choice = this.#choices.find((each) => each.port === port);
    if (choice !== undefined) return choice.protocol;
    if (protocol[session] === Protocol.HTTP1) return HTTP1_NAME;
    const recognised = this.#recognise(session, client, server);
    if (recognised !== null) return recognised;
    return this.#choices.find((each) => each.port === null)?.protocol ?? null;
  }

  #recognise(session: number, client: StoredStream, server: StoredStream): string | null {
    const { firstMessage, messageAwait } = this.#scripts.client;
    const isServerFirst = client.bytes === 0 || messageAwait[firstMessage[session]] > 0;
    const said = prefixOf(client, this.#client);
    return recognise(said, prefixOf(server, this.#server), isServerFirst);
  }
}

function prefixOf(stream: StoredStream, into: Uint8Array): Uint8Array {
  const octets = into.subarray(0, Math.min(RECOGNISED_BYTES, stream.bytes));
  if (octets.length > 0) stream.read(0, octets);
  return octets;
}
