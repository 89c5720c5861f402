/** A host with model servers: finds the connection of a packet, or says that there is none. */
import type { ServerFault, ServerSettings, Session } from './scenario.ts';
import { ACK, lengthOf, RST, readSegment, type SegmentRead, SYN, writeSegment } from './segment.ts';
import { ServerConnection } from './server-connection.ts';

const NEVER_NS = Number.POSITIVE_INFINITY;

/** What a host has to know of who connects. */
export interface ModelServerOptions {
  readonly settings: ServerSettings;
  readonly faults: readonly ServerFault[];
  /** The session of the client with that address and port, with what both say; null: there is none. */
  readonly sessionOf: (
    address: Uint8Array,
    port: number,
  ) => { session: Session; expected: Uint8Array; spoken: Uint8Array } | null;
  /** A packet leaves. */
  readonly send: (packet: Uint8Array) => void;
  /** A packet came that is wrong although nothing has harmed it. */
  readonly onBadPacket: (what: string) => void;
}

export const keyOf = (address: Uint8Array, port: number): string =>
  `${address[address.length - 2]}.${address[address.length - 1]}:${port}`;

export class ModelServer {
  /** The first connection of each client, and all others: late SYNs make more of them. */
  readonly connections = new Map<string, ServerConnection>();
  readonly #present = new Map<string, ServerConnection>();
  readonly #options: ModelServerOptions;
  /** How many clients had come before it. */
  readonly #numbers = new Map<string, number>();

  constructor(options: ModelServerOptions) {
    this.#options = options;
  }

  nextDueNs(): number {
    let dueNs = NEVER_NS;
    for (const connection of this.#present.values()) {
      dueNs = Math.min(dueNs, connection.nextDueNs());
    }
    return dueNs;
  }

  onTimeout(nowNs: number): void {
    for (const connection of this.#present.values()) connection.onTimeout(nowNs);
  }

  /** @param isHarmed whether the path has changed the packet: then it may be wrong */
  onPacket(packet: Uint8Array, isHarmed: boolean, nowNs: number): void {
    const segment = readSegment(packet);
    if (typeof segment === 'string') {
      if (!isHarmed) this.#options.onBadPacket(segment);
      return;
    }
    const key = keyOf(segment.src, segment.srcPort);
    const connection = this.#present.get(key);
    if (connection !== undefined && connection.state !== 'CLOSED') {
      connection.onSegment(segment, nowNs);
    } else if (segment.flags & SYN && !(segment.flags & (ACK | RST))) {
      this.#listen(key, segment, nowNs);
    } else this.#reject(segment);
  }

  /** LISTEN: RFC 9293, section 3.10.7.2. */
  #listen(key: string, syn: SegmentRead, nowNs: number): void {
    const found = this.#options.sessionOf(syn.src, syn.srcPort);
    if (found === null) {
      this.#options.onBadPacket(`a SYN of nobody's: ${key}`);
      return;
    }
    const isFirst = !this.connections.has(key);
    const number = this.#numbers.get(key) ?? this.#numbers.size;
    this.#numbers.set(key, number);
    // A SYN that comes again is refused again.
    const faults = this.#options.faults.filter(
      ({ connection, kind }) =>
        connection === number && (isFirst || kind === 'refuse' || kind === 'mute'),
    );
    const connection = new ServerConnection(
      {
        ...found,
        settings: this.#options.settings,
        faults,
        iss: (0xffff_fff0 + 0x1234_5678 * (number + (isFirst ? 0 : 1000))) >>> 0,
        send: (segment) => {
          const { src, dst, srcPort, dstPort } = syn;
          const ends = { src: dst, dst: src, srcPort: dstPort, dstPort: srcPort };
          this.#options.send(writeSegment({ ...segment, ...ends }));
        },
      },
      syn,
      nowNs,
    );
    this.#present.set(key, connection);
    if (isFirst) this.connections.set(key, connection);
  }

  /** CLOSED: RFC 9293, section 3.10.7.1. */
  #reject(segment: SegmentRead): void {
    if (segment.flags & RST) return;
    const { src, dst, srcPort, dstPort } = segment;
    const ends = { src: dst, dst: src, srcPort: dstPort, dstPort: srcPort };
    const hasAck = (segment.flags & ACK) !== 0;
    this.#options.send(
      writeSegment({
        ...ends,
        seq: hasAck ? segment.ack : 0,
        ack: hasAck ? 0 : segment.seq + lengthOf(segment),
        flags: hasAck ? RST : RST | ACK,
        window: 0,
        payload: new Uint8Array(0),
      }),
    );
  }
}
