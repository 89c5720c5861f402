/**
 * The main thread of an intercept: who is connected, who has registered, and sending each replay
 * what was captured for it. Strangers are limited in number and in time (io/channel/channel-socket.ts,
 * intercept/intercept-peer.ts); a slow replay fills its own outbox.
 */

import { formatRange } from '../../base/address.ts';
import type { PostedFailure } from '../../base/posted-failure.ts';
import { createRecordRing, RecordRing } from '../../base/record-ring.ts';
import { NS_PER_SECOND, type Timestamp } from '../../base/time.ts';
import { OUTBOX_BYTES, Tally } from '../../intercept/intercept-core.ts';
import { InterceptPeer } from '../../intercept/intercept-peer.ts';
import type { Registration } from '../../intercept/ports.ts';
import { type ChannelStatus, type Hello, RefusalCode } from '../../intercept/protocol.ts';
import { grantedBytes, type RegistrationRequest } from '../../intercept/registration.ts';
import { overlapOf, REGISTRATIONS_MAX } from '../../intercept/registry.ts';
import type { ChannelStream, StreamEvents } from '../../io/channel/channel-socket.ts';
import type { PostedOwner } from './intercept-job.ts';

/** Octets that may wait in a connection before records are kept in the outbox instead. */
const PENDING_BYTES_MAX = 1 << 19;
/** What a replay is told of the source: what is captured, and what may be wrong. */
const NOTES_MAX = 16;
const NOTE_CHARACTERS_MAX = 500;
/** Ticks are ten a second: so long without one, this process stood still. */
const STALL_NS = NS_PER_SECOND;
/** Frames sent to one replay before the next one's turn. */
const FRAMES_PER_TURN = 32;

/** What a server needs of the capture thread and of the process. */
export interface InterceptServerHost {
  readonly hello: Hello;
  readonly mode: string;
  /** Octets of payload handed over with the headers: to everybody, and at most to who asks. */
  readonly prefixBytes: number;
  readonly prefixBytesMax: number;
  /** Those that the operator has named. */
  readonly interfaces: readonly string[];
  readonly tally: Float64Array;
  nowNs(): number;
  now(): Timestamp;
  /** Why nobody at the other end of this stream may register, or null. */
  refusalOf(stream: ChannelStream): string | null;
  /** Captures for these and nobody else; `failure` where the former ones stay in force. */
  setOwners(
    owners: readonly PostedOwner[],
  ): Promise<{ readonly failure: PostedFailure | null; readonly lines: readonly string[] }>;
  log(level: 'info' | 'warn', message: string, fields?: Readonly<Record<string, unknown>>): void;
}

interface Registered extends PostedOwner {
  readonly request: RegistrationRequest;
  readonly peer: InterceptPeer;
  readonly ring: RecordRing;
  readonly stream: ChannelStream;
  /** The kernel's drops when it registered. */
  readonly kernelDroppedBefore: number;
  isEnded: boolean;
}

/** Takes replays in: their registrations, and the records that are sent to each. */
export class InterceptServer {
  readonly #host: InterceptServerHost;
  readonly #peers = new Set<InterceptPeer>();
  #registered: Registered[] = [];
  #droppedOfGone = 0;
  #ids = 0;
  #tickedNs: number;
  /** Registrations change one after another. */
  #turn: Promise<void> = Promise.resolve();

  constructor(host: InterceptServerHost) {
    this.#host = host;
    this.#tickedNs = host.nowNs();
  }

  /** Replays that have registered. */
  get replays(): number {
    return this.#registered.length;
  }

  /** Records that replays have lost because they were slow, since they registered. */
  get dropped(): number {
    return this.#registered.reduce((sum, { ring }) => sum + ring.dropped, 0);
  }

  /** The same since the intercept began, with those that are gone. */
  get droppedEver(): number {
    return this.#droppedOfGone + this.dropped;
  }

  onStream(stream: ChannelStream): StreamEvents {
    const host = this.#host;
    let mine: Registered | null = null;
    const peer: InterceptPeer = new InterceptPeer(
      {
        hello: host.hello,
        send: stream.send,
        now: () => host.now(),
        register: (request) => {
          const refusal = host.refusalOf(stream);
          if (refusal !== null)
            return this.#refuse(request, peer, stream, RefusalCode.USER, refusal);
          stream.welcome();
          this.#turn = this.#turn.then(async () => {
            mine = await this.#register(request, peer, stream);
          });
        },
        status: () => (mine === null ? NOTHING : this.#statusOf(mine)),
        takeRecords: (into, at) => mine?.ring.take(into, at) ?? 0,
        end: (reason) => {
          this.#peers.delete(peer);
          stream.close();
          if (mine !== null) this.#remove(mine, reason);
          else host.log('info', 'a connection ended', { peer: stream.peer, reason });
        },
      },
      host.nowNs(),
    );
    this.#peers.add(peer);
    return {
      onOctets: (chunk) => peer.onOctets(chunk, host.nowNs()),
      onDrain: () => this.#send(),
      onClosed: (reason) => peer.onClosed(reason),
    };
  }

  /** Records lie in an outbox. */
  onWake(): void {
    this.#send();
  }

  /** Some times a second. After a pause of our own, what was sent meanwhile is read first. */
  onTick(): void {
    const nowNs = this.#host.nowNs();
    const hasStoodStill = nowNs - this.#tickedNs > STALL_NS;
    this.#tickedNs = nowNs;
    if (hasStoodStill) return;
    for (const peer of this.#peers) peer.onTimeout(nowNs);
  }

  /** Tells every peer that the intercept ends. */
  close(): void {
    for (const peer of this.#peers) peer.refuse(RefusalCode.ENDING, 'the intercept was ended');
  }

  /** In turns, so that nobody waits for another's backlog. */
  #send(): void {
    let isMore = false;
    for (const { peer, stream } of this.#registered) {
      for (let frames = 0; stream.pendingBytes() < PENDING_BYTES_MAX; frames++) {
        if (frames === FRAMES_PER_TURN) {
          isMore = true;
          break;
        }
        if (!peer.flushRecords()) break;
      }
    }
    if (isMore) setImmediate(() => this.#send());
  }

  async #register(
    request: RegistrationRequest,
    peer: InterceptPeer,
    stream: ChannelStream,
  ): Promise<Registered | null> {
    const host = this.#host;
    // After a lost connection the same run comes back before its old one was missed.
    for (const old of this.#registered.filter((each) => each.request.run === request.run)) {
      old.peer.refuse(RefusalCode.ENDING, 'the same replay has connected again');
    }
    const refuse = (code: RefusalCode, why: string): null => {
      this.#refuse(request, peer, stream, code, why);
      return null;
    };
    const list = this.#registered.map(({ registration }) => registration);
    const overlap = overlapOf(request, list, (id) => this.#nameOf(id));
    if (overlap !== null) return refuse(RefusalCode.OVERLAP, overlap);
    if (list.length >= REGISTRATIONS_MAX) {
      return refuse(RefusalCode.FULL, `${list.length} replays have registered already`);
    }
    const added = this.#create(request, peer, stream);
    const { failure, lines } = await host.setOwners([...this.#registered, added].map(postable));
    if (failure !== null) {
      const { message, hint } = failure;
      return refuse(RefusalCode.CAPTURE, hint === null ? message : `${message}; ${hint}`);
    }
    this.#registered.push(added);
    const { registration } = added;
    host.log('info', 'a replay has registered', {
      replay: request.name,
      peer: stream.peer,
      clients: registration.ranges.slice(0, 8).map((each) => formatRange(each)),
      ports: `${registration.ports.first}-${registration.ports.last}`,
      prefixBytes: registration.prefixBytes,
    });
    for (const line of lines) logLine(host, line);
    const { mode, interfaces } = host;
    const { prefixBytes } = registration;
    const notes = lines
      .filter((line) => !line.startsWith('has '))
      .slice(0, NOTES_MAX)
      .map((line) => line.replace(/\p{Cc}/gu, ' ').slice(0, NOTE_CHARACTERS_MAX));
    peer.accept({ mode, interfaces, prefixBytes, notes }, host.nowNs());
    if (!peer.isLive) {
      this.#remove(added, 'it was gone before it was answered');
      return null;
    }
    return added;
  }

  #refuse(
    { name: replay }: RegistrationRequest,
    peer: InterceptPeer,
    stream: ChannelStream,
    code: RefusalCode,
    why: string,
  ): void {
    this.#host.log('warn', 'a replay was refused', { replay, peer: stream.peer, why });
    peer.refuse(code, why);
  }

  #create(request: RegistrationRequest, peer: InterceptPeer, stream: ChannelStream): Registered {
    const { family, ranges, ports, targets } = request;
    const { prefixBytes: least, prefixBytesMax: most } = this.#host;
    const prefixBytes = grantedBytes(request.prefixBytes, least, most);
    const id = ++this.#ids;
    const registration: Registration = { id, family, ranges, ports, targets, prefixBytes };
    const outbox = createRecordRing(OUTBOX_BYTES);
    const forwarded = new Float64Array(new SharedArrayBuffer(Float64Array.BYTES_PER_ELEMENT));
    const ring = new RecordRing(outbox);
    const kernelDroppedBefore = this.#host.tally[Tally.KERNEL_DROPPED];
    return {
      request,
      peer,
      stream,
      registration,
      outbox,
      ring,
      forwarded,
      kernelDroppedBefore,
      isEnded: false,
    };
  }

  #remove(one: Registered, reason: string): void {
    if (one.isEnded) return;
    one.isEnded = true;
    this.#registered = this.#registered.filter((each) => each !== one);
    const { forwarded, dropped } = this.#statusOf(one);
    this.#droppedOfGone += dropped;
    const replay = one.request.name;
    this.#host.log('info', 'a replay is gone', { replay, reason, forwarded, dropped });
    this.#turn = this.#turn.then(async () => {
      const { failure } = await this.#host.setOwners(this.#registered.map(postable));
      if (failure !== null) {
        this.#host.log('warn', 'what it had registered is still captured', {
          why: failure.message,
        });
      }
    });
  }

  #statusOf({ forwarded, ring, kernelDroppedBefore }: Registered): ChannelStatus {
    return {
      forwarded: forwarded[0],
      dropped: ring.dropped,
      kernelDropped: Math.max(0, this.#host.tally[Tally.KERNEL_DROPPED] - kernelDroppedBefore),
    };
  }

  #nameOf(id: number): string {
    const found = this.#registered.find(({ registration }) => registration.id === id);
    return found === undefined ? 'another replay' : `${found.request.name} (${found.stream.peer})`;
  }
}

const NOTHING: ChannelStatus = { forwarded: 0, dropped: 0, kernelDropped: 0 };

const postable = ({ registration, outbox, forwarded }: Registered): PostedOwner => ({
  registration,
  outbox,
  forwarded,
});

/** A source marks what the operator should look at. */
export function logLine({ log }: Pick<InterceptServerHost, 'log'>, line: string): void {
  const warning = /^warning: (.*)$/s.exec(line)?.[1];
  if (warning === undefined) log('info', line);
  else log('warn', warning);
}
