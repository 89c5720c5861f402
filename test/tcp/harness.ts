/** One user's TCP with everything around it in plain sight: what leaves is a list. */
import { seqAdd } from '../../src/base/seq.ts';
import type { TcpSettings } from '../../src/tcp/ports.ts';
import { TcpClient } from '../../src/tcp/tcp-client.ts';
import { State, UserTable } from '../../src/tcp/user-table.ts';
import { ACK, SYN, TcpView } from '../../src/wire/tcp.ts';
import { TcpOptions } from '../../src/wire/tcp-options.ts';

export const USER = 1;
/** Our SYN's octet is the last before the wrap, so that every test crosses it. */
export const ISS = -1;
export const IRS = -16;
export const MS = 1_000_000;
export const SECOND = 1_000_000_000;
export const WINDOW_BYTES = 65_535;

export interface Sent {
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  readonly offset: number;
  readonly payloadBytes: number;
  /** Edges of its SACK blocks; absent without any. */
  readonly sack?: readonly number[];
}

export interface Incoming {
  readonly seq?: number;
  readonly ack?: number;
  readonly flags?: number;
  readonly window?: number;
  readonly payloadBytes?: number;
  readonly mss?: number;
  readonly windowScale?: number;
  readonly timestamps?: readonly [number, number];
  readonly sackPermitted?: boolean;
  /** Blocks `[left, right)`. */
  readonly sack?: readonly (readonly [number, number])[];
}

const SETTINGS: TcpSettings = {
  synRtoNs: SECOND,
  synRetriesMax: 6,
  dataRetriesMax: 15,
  windowBytes: WINDOW_BYTES,
  mss: 1460,
  timestamps: false,
};

export class Harness {
  readonly users = new UserTable(3);
  readonly sent: Sent[] = [];
  readonly client: TcpClient;
  /** Stream octets that the user has written. */
  limit = 0;

  constructor(settings: Partial<TcpSettings> = {}) {
    this.client = new TcpClient(
      this.users,
      {
        streamLimit: () => this.limit,
        segmentEnd: (_user, offset, mss) =>
          Math.min(this.limit, Math.floor(offset / mss) * mss + mss),
      },
      {
        emitSegment: (_user, seq, ack, flags, offset, payloadBytes) => {
          this.sent.push({ seq, ack, flags, offset, payloadBytes });
        },
        emitSack: (_user, seq, ack, { count, edges }) => {
          const sack = [...edges.subarray(0, 2 * count)];
          this.sent.push({ seq, ack, flags: ACK, offset: 0, payloadBytes: 0, sack });
        },
        timestampOf: (_user, at = this.users.now) => Math.floor(at.ns / MS),
      },
      { ...SETTINGS, ...settings },
      4,
    );
  }

  get nowNs(): number {
    return this.users.now.ns;
  }

  set nowNs(ns: number) {
    this.users.now.ns = ns;
  }

  get state(): number {
    return this.users.state[USER];
  }

  /** The whole transmission control block of the user, by column. */
  tcb(): Readonly<Record<string, number>> {
    const columns = Object.entries(this.users).filter(([, column]) => ArrayBuffer.isView(column));
    return Object.fromEntries(columns.map(([name, column]) => [name, column[USER]]));
  }

  /** What left since the last call. */
  take(): Sent[] {
    return this.sent.splice(0);
  }

  /** Sequence number of the peer's stream octet `offset`. */
  peer(offset: number): number {
    return seqAdd(IRS, 1 + offset);
  }

  /** Sequence number of our stream octet `offset`. */
  ours(offset: number): number {
    return seqAdd(ISS, 1 + offset);
  }

  /** Feed one segment, then let the user send. @returns the events */
  receive(segment: Incoming): number {
    const events = this.arrive(segment);
    this.client.emit(USER);
    return events;
  }

  /** Feed one segment. @returns the events */
  arrive(segment: Incoming): number {
    const data = new DataView(new ArrayBuffer(64));
    const flags = segment.flags ?? ACK;
    data.setUint32(4, segment.seq ?? this.users.rcvNxt[USER]);
    data.setUint32(8, segment.ack ?? this.users.sndUna[USER]);
    data.setUint8(12, 5 << 4);
    data.setUint8(13, flags);
    data.setUint16(14, segment.window ?? 65_535);
    const view = new TcpView();
    view.wrap(data, 0, 64);
    const options = new TcpOptions();
    options.mss = segment.mss ?? 0;
    options.windowScale = segment.windowScale ?? -1;
    if (segment.timestamps) {
      options.hasTimestamps = true;
      options.tsVal = segment.timestamps[0];
      options.tsEcr = segment.timestamps[1];
    }
    options.sackPermitted = segment.sackPermitted ?? false;
    for (const [left, right] of segment.sack ?? []) options.sack.add(left, right);
    const payloadBytes = segment.payloadBytes ?? 0;
    return this.client.onSegment(USER, view, options, payloadBytes);
  }

  /** Advance to the user's timer and let it fire. @returns the events */
  timeout(): number {
    this.nowNs = this.users.dueNs[USER];
    return this.client.onTimeout(USER);
  }

  /** @param offersSack whether the SYN offers it */
  open(offersSack = false): this {
    this.client.open(USER, ISS, offersSack);
    return this;
  }

  /** SYN-SENT to ESTABLISHED, with 10 ms of round trip. */
  establish(options: Incoming = {}): this {
    this.open(options.sackPermitted);
    this.nowNs += 10 * MS;
    this.receive({ seq: IRS, ack: this.ours(0), flags: SYN | ACK, mss: 1460, ...options });
    if (this.state !== State.ESTABLISHED) throw new Error('the handshake failed');
    this.take();
    return this;
  }

  /** Write `octets` more and send what may go. */
  write(octets: number): this {
    this.limit += octets;
    this.client.emit(USER);
    return this;
  }

  finish(): this {
    this.client.finish(USER);
    this.client.emit(USER);
    return this;
  }
}
