/**
 * A target inside the process: the recorded servers, as far as their clients can tell.
 *
 * The engine's frames come in through the Sender port, its replies go out through the Receiver
 * port, and no kernel is between: a frame that is flushed at a time arrives at that time. Replies
 * are made when they are asked for, one at a time, so that a million connections with answers in
 * flight take no more memory than their columns.
 *
 * Call in turn: `onTimeout` when `nextDueNs` has come, then `receive`; `flush` is the engine's.
 * Between them `setNow` says what time it is, on a clock that is real or virtual.
 */
import { Instant } from '../base/instant.ts';
import { PREFIX_BYTES } from '../base/prefix-bytes.ts';
import { Counter } from '../measure/counters.ts';
import type { Scripts } from '../session/script/scripts.ts';
import { StreamView } from '../session/script/stream-view.ts';
import type {
  CaptureBytes,
  ClientTexts,
  PacketSink,
  Receiver,
  Sender,
} from '../transport/ports.ts';
import { FrameBatch, HEADER_SLOT_BYTES } from '../wire/frame-batch.ts';
import { ACK, RST, SYN } from '../wire/tcp.ts';
import { CaptureCache } from './capture-cache.ts';
import { ConnectionTable, F64, ServerState, U8, U16, U32 } from './connection-table.ts';
import { FrameCheck } from './frame-check.ts';
import { Reply, ReplyWriter } from './reply-writer.ts';
import { ServerScript } from './server-script.ts';
import { ServerTcp } from './server-tcp.ts';

/** Whose connection an address and port are, and what is played on it. */
export interface ClientDirectory {
  /**
   * The user, from 0, to whom a client address (its last 32 bits) and port belong; -1 when they are
   * nobody's. A user has one live connection: its next one takes the place of the one before.
   */
  userOf(addressLow32: number, port: number, targetPort: number): number;
  /** The row in Scripts that the connection of this address and port plays; -1 for an old one. */
  sessionOf(addressLow32: number, port: number, targetPort: number): number;
}

/** What the embedded target plays, to whom, and how its TCP is set. */
export interface EmbeddedTargetOptions {
  readonly scripts: Scripts;
  readonly capture: CaptureBytes;
  readonly clients: ClientDirectory;
  readonly users: number;
  /** What recorded times are divided by. */
  readonly accel: number;
  readonly seed: number;
  /** One thread's row of `createCounters`. */
  readonly counters: Float64Array;
  /** Frames that the engine can write before it must flush. */
  readonly batchFrames?: number;
  /** Largest segment announced; 1460 without it. */
  readonly mss?: number;
  /** Receive window announced, in octets; 1 MiB without it. */
  readonly windowBytes?: number;
  /** Payload octets of one merged packet (GRO); 0 sends each segment by itself. 64 KiB without it. */
  readonly mergedBytesMax?: number;
  /** Octets of payload that are handed over with a packet's headers; PREFIX_BYTES without it. */
  readonly prefixBytes?: number;
}

const BATCH_FRAMES = 1024;
/** 1500 octets of Ethernet less IPv4 and TCP headers. */
const MSS = 1460;
const WINDOW_BYTES = 1 << 20;
/** The largest IP packet less the longest headers. */
const MERGED_BYTES_MAX = 0xffff - 100;
/** Timers run in one `onTimeout`: a turn of the loop must stay short. */
const TIMERS_PER_TURN = 4096;

/** The recorded servers behind the ports of a sender and a receiver. */
export class EmbeddedTarget implements Sender, Receiver {
  readonly batch: FrameBatch;
  readonly data: DataView;
  /** What the recorded servers said. */
  readonly #said: StreamView;
  readonly #clients: ClientDirectory;
  readonly #counters: Float64Array;
  readonly #cache: CaptureCache;
  readonly #check: FrameCheck;
  readonly #table: ConnectionTable;
  readonly #script: ServerScript;
  readonly #server: ServerTcp;
  readonly #writer: ReplyWriter;
  readonly #reply = new Reply();
  readonly #prefixBytes: number;
  /** When the reply at hand arrives. */
  readonly #arrived = new Instant();
  #nowNs = 0;

  constructor(options: EmbeddedTargetOptions) {
    this.#prefixBytes = options.prefixBytes ?? PREFIX_BYTES;
    const { scripts, users, counters, seed } = options;
    this.batch = new FrameBatch(options.batchFrames ?? BATCH_FRAMES);
    const read = (offset: number, into: Uint8Array) => options.capture.read(offset, into);
    this.#said = new StreamView(scripts.server, read);
    this.#clients = options.clients;
    this.#counters = counters;
    this.#cache = new CaptureCache(options.capture, scripts.files);
    this.data = this.#cache.data;
    this.#check = new FrameCheck(this.#cache, new StreamView(scripts.client, read), counters);
    this.#table = new ConnectionTable(users);
    this.#writer = new ReplyWriter(this.data);
    const script = new ServerScript(scripts, this.#table, options.accel);
    this.#script = script;
    this.#server = new ServerTcp(users, this.#table, script, this.#check, {
      mss: options.mss ?? MSS,
      windowBytes: options.windowBytes ?? WINDOW_BYTES,
      mergedBytesMax: options.mergedBytesMax ?? MERGED_BYTES_MAX,
      seed,
    });
  }

  /** Clients that say something else than was recorded are understood from now on. */
  followTexts(texts: ClientTexts): void {
    this.#script.texts = texts;
    this.#server.followTexts(texts);
  }

  /** The time from now on; never goes back. */
  setNow(nowNs: number): void {
    if (nowNs > this.#nowNs) this.#nowNs = nowNs;
  }

  /** When to call `onTimeout` and `receive` next: at once while there are replies to receive. */
  nextDueNs(): number {
    return this.#server.isReady ? this.#nowNs : this.#server.nextDueNs();
  }

  /** Lets due answers become ready; a spurious call is harmless. */
  onTimeout(nowNs: number): void {
    this.setNow(nowNs);
    this.#server.onTimeout(this.#nowNs, TIMERS_PER_TURN);
  }

  /** The frames arrive. May be called from within `receive`. */
  flush(): void {
    const { batch } = this;
    for (let frame = 0; frame < batch.count; frame++) {
      if (!this.#check.check(batch, frame)) this.#counters[Counter.EMBEDDED_BAD_CHECKSUM]++;
      else this.#onFrame(frame * HEADER_SLOT_BYTES);
    }
    batch.count = 0;
    batch.firstNs = this.#nowNs;
  }

  receive(limit: number, sink: PacketSink): number {
    let packets = 0;
    for (; packets < limit; packets++) {
      const user = this.#server.emit(this.#reply);
      if (user < 0) break;
      const bytes = this.#writeReply(user);
      this.#arrived.ns = this.#table.readyNs[user * F64];
      sink.onPacket(0, bytes, this.#arrived);
    }
    return packets;
  }

  /** Connections that still have something to do (not CLOSED, not TIME-WAIT); walks all users. */
  countUnfinished(): number {
    let unfinished = 0;
    const { users, state: states } = this.#table;
    for (let user = 0; user < users; user++) {
      const state = states[user * U8];
      if (state !== ServerState.CLOSED && state !== ServerState.TIME_WAIT) unfinished++;
    }
    return unfinished;
  }

  /** @param ipAt where the checked frame's IP header begins in the batch's headers */
  #onFrame(ipAt: number): void {
    const { ip, segment, options, payloadBytes } = this.#check;
    const clientLow32 = ip.srcLow32;
    const { srcPort, dstPort } = segment;
    const user = this.#clients.userOf(clientLow32, srcPort, dstPort);
    if (user < 0) {
      // An address that no client has: no reply could find its way.
      this.#counters[Counter.UNSENT_OTHER]++;
      return;
    }
    const server = this.#server;
    const nowNs = this.#nowNs;
    // The user's connection before may have had the same address and port, to another of the ports here.
    const isToPort = this.#writer.serverPortOf(this.#table.path[user * U16]) === dstPort;
    if (isToPort && server.isOpen(user, clientLow32, srcPort)) {
      server.onSegment(user, segment, options, payloadBytes, nowNs);
      return;
    }
    const isSyn = (segment.flags & (SYN | ACK | RST)) === SYN;
    const session = isSyn ? this.#clients.sessionOf(clientLow32, srcPort, dstPort) : -1;
    if (session < 0 && !server.isClosed(user)) return;
    const path = this.#writer.pathOf(this.batch.headers, ipAt, ip.version, dstPort);
    if (path < 0) this.#counters[Counter.UNSENT_OTHER]++;
    else if (session >= 0) server.listen(user, session, path, clientLow32, segment, options, nowNs);
    else server.reject(user, path, clientLow32, segment, payloadBytes, nowNs);
  }

  /** @returns octets of it that are present */
  #writeReply(user: number): number {
    const reply = this.#reply;
    const headerBytes = this.#writer.write(reply);
    const prefixBytes = Math.min(reply.payloadBytes, this.#prefixBytes);
    if (prefixBytes === 0) return headerBytes;
    const offset = (reply.seq - this.#table.iss[user * U32] - 1) >>> 0;
    const session = this.#table.session[user * U32];
    this.#cache.copyStream(this.#said, session, offset, prefixBytes, headerBytes);
    return headerBytes + prefixBytes;
  }
}
