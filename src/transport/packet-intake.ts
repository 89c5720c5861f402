/** Packets on their way in: which are ours, whose they are, and what TCP makes of them. */
import type { Instant } from '../base/instant.ts';
import { Counter } from '../measure/counters.ts';
import { type Connections, NO_USER } from '../schedule/connections.ts';
import { IpView } from '../wire/ip-view.ts';
import { TCP_HEADER_BYTES_MIN, TcpView } from '../wire/tcp.ts';
import { TcpOptions } from '../wire/tcp-options.ts';
import { WireFault } from '../wire/wire-fault.ts';
import { NO_CONNECTION, type Owners } from './owners.ts';
import { NOT_FROM_TARGET, type TcpTransport } from './tcp-transport.ts';
import type { TransportListener } from './transport.ts';

/** Takes packets from the receiver, finds their users and hands their segments to TCP. */
export class PacketIntake {
  readonly #data: DataView;
  readonly #connections: Connections;
  readonly #owners: Owners;
  readonly #transport: TcpTransport;
  readonly #listener: TransportListener;
  readonly #counters: Float64Array;
  readonly #ip = new IpView();
  readonly #segment = new TcpView();
  readonly #options = new TcpOptions();

  constructor(
    connections: Connections,
    owners: Owners,
    transport: TcpTransport,
    listener: TransportListener,
    counters: Float64Array,
  ) {
    this.#data = transport.delivery.data;
    this.#connections = connections;
    this.#owners = owners;
    this.#transport = transport;
    this.#listener = listener;
    this.#counters = counters;
  }

  /** A packet, as PacketSink is given it; what it brings about happens now, which is not before it arrived. */
  onPacket(start: number, capturedBytes: number, arrived: Instant): void {
    const counters = this.#counters;
    const ip = this.#ip;
    ip.wrap(this.#data, start, capturedBytes);
    const fault = ip.check();
    if (fault !== WireFault.OK) {
      if (fault === WireFault.NOT_TCP) this.#onOtherPacket(start, capturedBytes);
      else counters[Counter.DROPPED_MALFORMED]++;
      return;
    }
    const segment = this.#segment;
    segment.wrap(this.#data, start + ip.headerBytes, capturedBytes - ip.headerBytes);
    const payloadBytes =
      segment.check() === WireFault.OK ? ip.payloadBytes - segment.headerBytes : -1;
    const optionsAt = start + ip.headerBytes + TCP_HEADER_BYTES_MIN;
    if (
      payloadBytes < 0 ||
      this.#options.parse(this.#data, optionsAt, segment.headerBytes - TCP_HEADER_BYTES_MIN) !==
        WireFault.OK
    ) {
      counters[Counter.DROPPED_MALFORMED]++;
      return;
    }
    const connection = this.#owners.connectionTo(ip, segment.srcPort, segment.dstPort);
    const user = connection === NO_CONNECTION ? NO_USER : this.#connections.userOf(connection);
    if (user === NO_USER) {
      counters[Counter.DROPPED_NOT_OURS]++;
      return;
    }
    counters[Counter.PACKETS_RECEIVED]++;
    const { delivery } = this.#transport;
    const headerBytes = ip.headerBytes + segment.headerBytes;
    delivery.arrived.ns = arrived.ns;
    delivery.payloadBytes = payloadBytes;
    delivery.payloadStart = start + headerBytes;
    delivery.payloadCapturedBytes = Math.min(
      payloadBytes,
      Math.max(0, capturedBytes - headerBytes),
    );
    this.#onSegment(user, connection);
  }

  #onSegment(user: number, connection: number): void {
    const transport = this.#transport;
    const ip = this.#ip;
    const segment = this.#segment;
    if (!transport.isOpen(user, connection)) {
      this.#counters[Counter.DROPPED_STALE]++;
      const { payloadBytes } = transport.delivery;
      transport.rejectSegment(user, connection, ip, segment, payloadBytes);
      return;
    }
    const events = transport.onSegment(user, ip, segment, this.#options);
    if (events === NOT_FROM_TARGET) this.#counters[Counter.DROPPED_NOT_OURS]++;
    else this.#listener.onEvents(user, events);
  }

  #onOtherPacket(start: number, capturedBytes: number): void {
    const user = this.#transport.onOtherPacket(start, capturedBytes, this.#ip);
    if (user !== NO_USER) this.#listener.onDueChanged(user);
  }
}
