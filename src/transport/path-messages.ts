/**
 * What routers say of packets of ours that are too big for the path to a target (RFC 1191, RFC 8201),
 * and what was learnt of it: later users of the target begin with segments that fit.
 *
 * Anybody can send such a message. It is believed where it quotes octets of a user that are in flight
 * (RFC 5927, section 4), and never below what every link must carry.
 */
import type { NarrowColumn } from '../base/narrow-column.ts';
import { Counter } from '../measure/counters.ts';
import { type Connections, NO_USER } from '../schedule/connections.ts';
import type { TcpClient } from '../tcp/tcp-client.ts';
import type { IpView } from '../wire/ip-view.ts';
import { IPV4_HEADER_BYTES_MIN } from '../wire/ipv4.ts';
import { IPV6_HEADER_BYTES } from '../wire/ipv6.ts';
import { PacketTooBigView } from '../wire/packet-too-big.ts';
import { TCP_HEADER_BYTES_MIN } from '../wire/tcp.ts';
import { WireFault } from '../wire/wire-fault.ts';
import { NO_CONNECTION, type Owners } from './owners.ts';
import type { TransportPlan } from './transport-plan.ts';

/** Takes messages that a packet was too big and lowers segment sizes. */
export class PathMessages {
  /** Whether anything was learnt of any target's path. */
  hasLearnt = false;
  readonly #plan: TransportPlan;
  readonly #connections: Connections;
  readonly #owners: Owners;
  /** A row a user: whose server it talks to, a row in the plan's targets. */
  readonly #target: NarrowColumn;
  readonly #tcp: TcpClient;
  readonly #counters: Float64Array;
  /** For each target, octets that fit a segment without options; 0 where nothing was learnt. */
  readonly #mss: Uint16Array;
  readonly #headerBytes: number;
  readonly #message = new PacketTooBigView();

  constructor(
    plan: TransportPlan,
    connections: Connections,
    owners: Owners,
    target: NarrowColumn,
    tcp: TcpClient,
    counters: Float64Array,
  ) {
    this.#plan = plan;
    this.#connections = connections;
    this.#owners = owners;
    this.#target = target;
    this.#tcp = tcp;
    this.#counters = counters;
    this.#mss = new Uint16Array(plan.targets.length);
    const isIpv4 = plan.pool.clients.family === 4;
    const ipBytes = isIpv4 ? IPV4_HEADER_BYTES_MIN : IPV6_HEADER_BYTES;
    this.#headerBytes = ipBytes + TCP_HEADER_BYTES_MIN;
  }

  /**
   * A packet has come in that is not TCP's.
   * @param ip its headers, whose `check` has said NOT_TCP
   * @returns the user who sends smaller segments now, whose timer is to be set anew; or NO_USER
   */
  onPacket(data: DataView, start: number, capturedBytes: number, ip: IpView): number {
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
    this.#learn(this.#target[user], mtu);
    const isNews = this.#tcp.onPathMtu(user, message.seq, mtu - this.#headerBytes);
    return isNews ? user : NO_USER;
  }

  /** The user whose present connection the message at hand is about. */
  #userOf(ip: IpView): number {
    const message = this.#message;
    const isToClient = message.dstLow32 === ip.dstLow32 && this.#owners.isClients(ip);
    const connection = isToClient
      ? this.#owners.connectionTo(message, message.srcPort, message.dstPort)
      : NO_CONNECTION;
    if (connection === NO_CONNECTION) return NO_USER;
    const user = this.#connections.userOf(connection);
    if (user === NO_USER || this.#connections.numberOf(user) !== connection) return NO_USER;
    const { address, port } = this.#plan.targets[this.#target[user]];
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
    const mss = this.#mss[this.#target[user]];
    if (mss > 0) this.#tcp.limitMss(user, mss);
  }
}
