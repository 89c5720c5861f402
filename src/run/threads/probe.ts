/**
 * Half a handshake over the whole path before a run begins: a SYN by the way that all frames will go,
 * its answer by the way that all replies will come, and a RST, so that the server never accepts it.
 * What is not in order shows here, with the hop that it fails at, and not as a run without an answer.
 */

import { addressBytes } from '../../base/address.ts';
import { seqAdd } from '../../base/seq.ts';
import { NS_PER_MS } from '../../base/time.ts';
import { conntrack } from '../../io/doctor/machine.ts';
import { type LocalIo, openLocal } from '../../io/open-local.ts';
import { ResetListener } from '../../io/receive/reset-listener.ts';
import { UnreachableListener } from '../../io/receive/unreachable-listener.ts';
import { AddressPool } from '../../schedule/address-pool.ts';
import { ClientPlaces } from '../../schedule/client-places.ts';
import { shardAtPlace } from '../../schedule/target-pools.ts';
import type { CaptureBytes, PacketSink } from '../../transport/ports.ts';
import { foldSum, sumOctets } from '../../wire/checksum.ts';
import { EXTENTS_PER_FRAME } from '../../wire/frame-batch.ts';
import { FrameWriter, OptionsKind } from '../../wire/frame-writer.ts';
import { IpView } from '../../wire/ip-view.ts';
import { ACK, RST, SYN, TcpView } from '../../wire/tcp.ts';
import { WireFault } from '../../wire/wire-fault.ts';
import type { NetworkWay } from '../plan/network-way.ts';
import { portsEachOf, type RunPlan, targetBlocksOf } from '../plan/run-plan.ts';
import { localPlanOf } from './local-plan.ts';
import {
  probeFault,
  probeFull,
  probeOwnReset,
  probeReset,
  probeUnreachable,
} from './probe-faults.ts';

/** When the SYN is sent again, and when nothing more is expected, after the first one. */
const REPEAT_AT_MS: readonly number[] = [300, 1_000, 2_000];
const PATIENCE_MS = 3_500;
/**
 * When a bare ACK follows SYNs in vain: who listens answers it with a reset (RFC 9293, section 3.10.7.2)
 * even when its accept queue is full, for which Linux drops SYNs in silence.
 */
const ACK_AT_MS = 2_500;
/** The same where an older connection answers and heeds no RST (TIME-WAIT): the way is open. */
const PATIENCE_WITH_OLDER_MS = 1_000;
/** A turn of waiting: Ctrl-C is seen in between. */
const WAIT_NS = 20 * NS_PER_MS;
/** Of many targets the first ones stand for all. */
const TARGETS_MAX = 8;
/** The kernel resets a connection within the interrupt that brings the answer; a busy one is late. */
const OWN_RESET_MS = 50;
const WINDOW = 0xffff;
const RECEIVE_LIMIT = 64;

/** Packets that the ring holds for a probe. */
const RING_FRAMES = 64;

type Verdict = 'waiting' | 'answered' | 'reset' | 'unreachable' | 'own-reset' | 'full';

/** What the probe knows of the run. */
export interface ProbeContext {
  /** Of the intercepts, for the hint; null: replies come to this machine. */
  readonly mode: string | null;
  readonly captureBytes: CaptureBytes;
  readonly interrupted: AbortSignal;
  /** When nothing more is expected, after the first SYN, in place of the usual time. */
  readonly patienceMs?: number;
  /** Octets of the SYN as an IP packet: with data of the capture, which a target acknowledges not. */
  readonly packetBytes?: number;
}

/** What a probe that was answered came to know. */
export interface ProbeAnswer {
  /** Questions of neighbours for a client's link-layer address that were answered. */
  readonly questions: number;
}

/**
 * @param way with its channel where there are intercepts
 * @throws ReplayError ERR_PROBE_NO_ANSWER, ERR_PROBE_FULL, ERR_PROBE_RESET, ERR_PROBE_UNREACHABLE, ERR_PROBE_UNSENT
 * (unreachable); as openLocal does; the signal's reason
 */
export async function probePath(
  plan: RunPlan,
  way: NetworkWay,
  context: ProbeContext,
): Promise<ProbeAnswer> {
  const pool = new AddressPool(plan);
  const shards = way.channel?.inboxes.length ?? 1;
  const blocks = shards === 1 ? null : targetBlocksOf(plan, shards);
  let questions = 0;
  for (let row = 0; row < Math.min(plan.targets.length, TARGETS_MAX); row++) {
    const connection = probeConnection(pool, row);
    const places = new ClientPlaces(pool, plan.users, portsEachOf(plan));
    const shard =
      blocks === null ? places.shardOf(connection, shards) : shardAtPlace(blocks[row], connection);
    const io = openLocal({
      ...localPlanOf(plan, way, shard, shards),
      answersNeighbours: way.answersNeighbours,
      // The probe's own address is among the first.
      announcedAddresses:
        way.answersNeighbours === 'nobody' ? 0 : Math.min(row + 1, pool.addresses),
      ringFrames: RING_FRAMES,
      captureBytes: context.captureBytes,
    });
    const listener =
      context.mode === null ? listenFor(plan, way, pool.lowOf(connection), row) : null;
    const iss = plan.seed ^ connection;
    const resets = way.own === null ? null : listenForResets(plan, pool, { connection, row, iss });
    try {
      const at = { pool, connection, row, iss, listener, resets };
      const probe = new Probe(plan, way, io, at, context);
      const verdict = await probe.run(context.interrupted);
      questions += io.answered();
      if (verdict === 'answered') continue;
      const seen = { row, client: probe.client, mode: context.mode };
      if (verdict === 'reset') throw probeReset(plan, seen);
      if (verdict === 'own-reset') throw probeOwnReset(plan, way, seen);
      if (verdict === 'full') throw probeFull(plan, way, seen);
      if (verdict === 'unreachable') throw probeUnreachable(plan, way, seen, probe.heard);
      const unsent = io.sender.faults;
      throw probeFault(plan, way, { ...seen, unsent, tracked: conntrack() });
    } finally {
      listener?.close();
      resets?.close();
      io.close();
    }
  }
  return { questions };
}

/** Where replies come to this machine, so do the complaints of routers and firewalls. */
function listenFor(
  plan: RunPlan,
  { path }: NetworkWay,
  low: number,
  row: number,
): UnreachableListener {
  const { family, prefix } = plan.clients;
  const client = { family, prefix, low };
  const target = plan.targets[row].address;
  return new UnreachableListener({ interfaceIndex: path.device.index, client, target });
}

/** Where clients are own addresses, their kernel must not answer the target. */
function listenForResets(
  plan: RunPlan,
  pool: AddressPool,
  {
    connection,
    row,
    iss,
  }: { readonly connection: number; readonly row: number; readonly iss: number },
): ResetListener {
  const { family, prefix } = plan.clients;
  const { address: target, port: targetPort } = plan.targets[row];
  const client = { family, prefix, low: pool.lowOf(connection) };
  return new ResetListener({
    client,
    clientPort: pool.portOf(connection),
    target,
    targetPort,
    iss,
  });
}

/** An address that users will have, with the port that they come to last: most runs never do. */
export function probeConnection(pool: AddressPool, row: number): number {
  const { addresses, portsPerAddress, capacity } = pool;
  if (pool.order === 'port') return Math.max(0, portsPerAddress - 1 - row);
  const lastPort = Math.max(0, Math.floor(capacity / addresses) - 1);
  return lastPort * addresses + (row % addresses);
}

class Probe implements PacketSink {
  /** `ADDRESS:PORT` that it comes from. */
  readonly client: string;
  /** Of the verdict `unreachable`: who said so, and why. */
  heard = '';
  readonly #io: LocalIo;
  readonly #listener: UnreachableListener | null;
  readonly #resets: ResetListener | null;
  readonly #writer: FrameWriter;
  readonly #route: number;
  readonly #low: number;
  readonly #port: number;
  readonly #targetPort: number;
  readonly #targetAddress: Uint8Array;
  readonly #iss: number;
  readonly #ip = new IpView();
  readonly #segment = new TcpView();
  #verdict: Verdict = 'waiting';
  /** What the target acknowledged of an older connection of this address and port: a failed probe's. */
  #olderAck: number | null = null;
  #hasHeardOlder = false;
  #hasSentAck = false;
  /** What all times are multiplied by. */
  readonly #pace: number;
  /** Octets of data in the SYN, and their sum; they are the first ones of the joined capture. */
  #dataBytes = 0;
  #dataSum = 0;

  constructor(
    plan: RunPlan,
    way: NetworkWay,
    io: LocalIo,
    at: {
      readonly pool: AddressPool;
      readonly connection: number;
      readonly row: number;
      readonly iss: number;
      readonly listener: UnreachableListener | null;
      readonly resets: ResetListener | null;
    },
    context: ProbeContext,
  ) {
    const { family, prefix } = plan.clients;
    const { pool, connection, row } = at;
    this.#io = io;
    this.#listener = at.listener;
    this.#resets = at.resets;
    this.#low = pool.lowOf(connection);
    this.#port = pool.portOf(connection);
    const address = pool.addressOf(connection);
    this.client = family === 6 ? `[${address}]:${this.#port}` : `${address}:${this.#port}`;
    this.#targetPort = plan.targets[row].port;
    this.#targetAddress = addressBytes(plan.targets[row].address);
    this.#iss = at.iss;
    this.#writer = new FrameWriter(io.sender.batch, { family });
    this.#writer.synOptions = plan.syn;
    this.#pace = (context.patienceMs ?? PATIENCE_MS) / PATIENCE_MS;
    const source = addressBytes({ family, prefix, low: 0 });
    this.#route = this.#writer.addRoute(
      way.path.routes[row].linkHeader,
      this.#targetAddress,
      source,
    );
    this.#fill(context, way.path.routes[row].linkHeader.length);
  }

  /** Data for the SYN, so that its packet has the length that was asked for. */
  #fill({ packetBytes = 0, captureBytes }: ProbeContext, linkBytes: number): void {
    if (packetBytes === 0) return;
    const { batch } = this.#io.sender;
    this.#write(SYN, this.#iss, 0);
    const headerBytes = batch.headerBytes[batch.count] - linkBytes;
    this.#dataBytes = Math.max(0, packetBytes - headerBytes);
    const data = new Uint8Array(this.#dataBytes);
    captureBytes.read(0, data);
    this.#dataSum = foldSum(sumOctets(data, 0, data.length));
  }

  async run(interrupted: AbortSignal): Promise<Verdict> {
    try {
      const verdict = await this.#ask(interrupted);
      const isReset = verdict === 'answered' && (await this.#isResetByKernel(interrupted));
      return isReset ? 'own-reset' : verdict;
    } finally {
      // The target forgets it, heard or not: else it would repeat its answer for a minute, and tell the
      // next probe of this one.
      if (this.#verdict !== 'reset') this.#send(RST, seqAdd(this.#iss, 1));
    }
  }

  async #ask(interrupted: AbortSignal): Promise<Verdict> {
    const startMs = performance.now();
    const repeats = [...REPEAT_AT_MS];
    this.#send(SYN, this.#iss);
    while (this.#verdict === 'waiting') {
      const elapsedMs = (performance.now() - startMs) / this.#pace;
      if (elapsedMs > PATIENCE_MS) break;
      if (this.#hasHeardOlder && elapsedMs > PATIENCE_WITH_OLDER_MS) return 'answered';
      if (elapsedMs > (repeats.at(0) ?? Number.POSITIVE_INFINITY)) {
        repeats.shift();
        this.#send(SYN, this.#iss);
      }
      if (elapsedMs > ACK_AT_MS && !this.#hasSentAck) {
        this.#hasSentAck = true;
        this.#send(ACK, seqAdd(this.#iss, 1), this.#ackNumber);
      }
      this.#io.wait(WAIT_NS);
      this.#io.answerNeighbours();
      this.#io.receiver.receive(RECEIVE_LIMIT, this);
      this.#endOlder();
      this.#listen();
      await new Promise<void>((resolve) => setImmediate(resolve));
      interrupted.throwIfAborted();
    }
    return this.#verdict;
  }

  /** Before our own reset leaves, which bears the same number. */
  async #isResetByKernel(interrupted: AbortSignal): Promise<boolean> {
    if (this.#resets === null) return false;
    const startMs = performance.now();
    while (performance.now() - startMs < OWN_RESET_MS) {
      if (this.#resets.hear()) return true;
      this.#io.wait(WAIT_NS);
      await new Promise<void>((resolve) => setImmediate(resolve));
      interrupted.throwIfAborted();
    }
    return false;
  }

  #listen(): void {
    const heard = this.#listener?.hear() ?? null;
    if (heard === null || this.#verdict !== 'waiting') return;
    this.heard = heard;
    this.#verdict = 'unreachable';
  }

  /** RFC 9293, section 3.10.7.3: the connection that the target remembers is ended, and asked anew. */
  #endOlder(): void {
    if (this.#olderAck === null || this.#verdict !== 'waiting') return;
    this.#send(RST, this.#olderAck);
    this.#olderAck = null;
    this.#send(SYN, this.#iss);
  }

  onPacket(start: number, capturedBytes: number): void {
    const { data } = this.#io.receiver;
    const ip = this.#ip;
    ip.wrap(data, start, capturedBytes);
    if (ip.check() !== WireFault.OK) return;
    const segment = this.#segment;
    segment.wrap(data, start + ip.headerBytes, capturedBytes - ip.headerBytes);
    if (segment.check() !== WireFault.OK) return;
    const isOurs = ip.dstLow32 === this.#low && segment.dstPort === this.#port;
    if (!isOurs || segment.srcPort !== this.#targetPort) return;
    if (!ip.srcMatches(this.#targetAddress)) return;
    if (this.#hasSentAck && segment.flags === RST && segment.seq === this.#ackNumber) {
      this.#verdict = 'full';
      return;
    }
    if (segment.ack !== seqAdd(this.#iss, 1)) {
      if ((segment.flags & (RST | ACK)) !== ACK) return;
      this.#olderAck = segment.ack;
      this.#hasHeardOlder = true;
      return;
    }
    if (segment.flags & RST) this.#verdict = 'reset';
    else if ((segment.flags & (SYN | ACK)) === (SYN | ACK)) this.#verdict = 'answered';
  }

  /** What the bare ACK acknowledges: the reset in answer to it bears this number. */
  get #ackNumber(): number {
    return ~this.#iss;
  }

  #send(flags: number, seq: number, ack = 0): void {
    const { batch } = this.#io.sender;
    this.#write(flags, seq, ack);
    batch.extentCount[batch.count] = flags === SYN && this.#dataBytes > 0 ? 1 : 0;
    batch.extentOffset[batch.count * EXTENTS_PER_FRAME] = 0;
    batch.extentBytes[batch.count * EXTENTS_PER_FRAME] = this.#dataBytes;
    batch.count++;
    this.#io.sender.flush();
  }

  #write(flags: number, seq: number, ack: number): void {
    const isSyn = flags === SYN;
    this.#writer.writeTcp(
      this.#route,
      this.#low,
      this.#port,
      this.#targetPort,
      0,
      seq,
      ack,
      flags,
      isSyn ? WINDOW : 0,
      isSyn ? OptionsKind.SYN : OptionsKind.NONE,
      isSyn ? 1 : 0,
      0,
      isSyn ? this.#dataBytes : 0,
      isSyn ? this.#dataSum : 0,
    );
  }
}
