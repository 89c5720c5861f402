/**
 * What routers say of packets of ours that are too big for the path to a target (RFC 1191, RFC 8201),
 * and what was learnt of it: later users of the target begin with segments that fit.
 *
 * Anybody can send such a message. It is believed where it quotes octets of a user that are in flight
 * (RFC 5927, section 4), and never below what every link must carry.
 */
import { Counter } from '../measure/counters.ts';
import type { TcpClient } from '../tcp/tcp-client.ts';
import type { IpView } from '../wire/ip-view.ts';
import { IPV4_HEADER_BYTES_MIN } from '../wire/ipv4.ts';
import { IPV6_HEADER_BYTES } from '../wire/ipv6.ts';
import { PacketTooBigView } from '../wire/packet-too-big.ts';
import { TCP_HEADER_BYTES_MIN } from '../wire/tcp.ts';
import { WireFault } from '../wire/wire-fault.ts';
import type { FrameOutput } from './frame-output.ts';
import type { ReplayPlan } from './replay-plan.ts';

/** Of no user of this engine. */
export const NO_USER = -1;

export class PathMessages {
  /** Whether anything was learnt of any target's path. */
  hasLearnt = false;
  readonly #plan: ReplayPlan;
  readonly #output: FrameOutput;
  readonly #tcp: TcpClient;
  readonly #counters: Float64Array;
  /** For each target, octets that fit a segment without options; 0 where nothing was learnt. */
  readonly #mss: Uint16Array;
  readonly #headerBytes: number;
  /** A pool address whose first 12 octets all clients of an IPv6 pool have in common. */
  readonly #prefix = new Uint8Array(16);
  readonly #message = new PacketTooBigView();

  constructor(plan: ReplayPlan, output: FrameOutput, tcp: TcpClient, counters: Float64Array) {
    this.#plan = plan;
    this.#output = output;
    this.#tcp = tcp;
    this.#counters = counters;
    this.#mss = new Uint16Array(plan.targets.length);
    const { family, prefix } = plan.pool.clients;
    this.#prefix.set(prefix);
    const ipBytes = family === 4 ? IPV4_HEADER_BYTES_MIN : IPV6_HEADER_BYTES;
    this.#headerBytes = ipBytes + TCP_HEADER_BYTES_MIN;
  }

  /**
   * A packet has come in that is not TCP's.
   * @param ip its headers, whose `check` has said NOT_TCP
   * @returns the user who sends smaller segments now, whose timer is to be set anew; or NO_USER
   */
  onPacket(
    data: DataView,
    start: number,
    capturedBytes: number,
    ip: IpView,
    nowNs: number,
  ): number {
    const message = this.#message;
    message.wrap(data, start, capturedBytes, ip);
    if (message.check() !== WireFault.OK) {
      this.#counters[Counter.DROPPED_MALFORMED]++;
      return NO_USER;
    }
    const user = this.#userOf(ip);
    const mtu = message.pathMtu;
    if (user === NO_USER || mtu === 0 || !this.#tcp.isInFlight(user, message.seq)) {
      this.#counters[Counter.DROPPED_PATH_MESSAGE]++;
      return NO_USER;
    }
    this.#counters[Counter.PATH_MESSAGES]++;
    this.#learn(this.#output.targetOf(user), mtu);
    const isNews = this.#tcp.onPathMtu(user, message.seq, mtu - this.#headerBytes, nowNs);
    return isNews ? user : NO_USER;
  }

  /** The user whose present connection the message at hand is about. */
  #userOf(ip: IpView): number {
    const message = this.#message;
    const { pool, users, shard, shards, targets } = this.#plan;
    const { family } = pool.clients;
    const isToClient =
      message.version === family &&
      message.dstLow32 === ip.dstLow32 &&
      (family === 4 || (message.dstMatches(this.#prefix, 12) && ip.dstMatches(this.#prefix, 12)));
    const connection = isToClient ? pool.connectionOf(message.dstLow32, message.dstPort) : -1;
    if (connection < 0 || (connection % users) % shards !== shard) return NO_USER;
    const user = Math.floor((connection % users) / shards);
    if (this.#output.connectionOf(user) !== connection) return NO_USER;
    const { address, port } = targets[this.#output.targetOf(user)];
    return message.srcPort === port && message.srcMatches(address) ? user : NO_USER;
  }

  #learn(target: number, mtu: number): void {
    const mss = mtu - this.#headerBytes;
    const known = this.#mss[target];
    if (known !== 0 && known <= mss) return;
    this.#mss[target] = mss;
    this.hasLearnt = true;
    const counters = this.#counters;
    const smallest = counters[Counter.PATH_MTU] || Number.POSITIVE_INFINITY;
    counters[Counter.PATH_MTU] = Math.min(smallest, mtu);
  }

  /** What was learnt of the path to its target holds for a user who is about to send. */
  limit(user: number): void {
    const mss = this.#mss[this.#output.targetOf(user)];
    if (mss > 0) this.#tcp.limitMss(user, mss);
  }
}
