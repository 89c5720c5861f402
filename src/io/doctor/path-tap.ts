/**
 * Listens to the clients' segments on every interface, before any rule of a firewall: a packet socket
 * each for what comes in, and one for what goes out as well.
 */

import type { Endpoint } from '../../base/address.ts';
import { type AddressRange, addressBytes, addressOfBytes, isInRange } from '../../base/address.ts';
import { seqAdd } from '../../base/seq.ts';
import { EtherType } from '../../wire/ethernet.ts';
import { IpView } from '../../wire/ip-view.ts';
import { IPV4_DESTINATION, IPV4_SOURCE } from '../../wire/ipv4.ts';
import { IPV6_DESTINATION, IPV6_SOURCE } from '../../wire/ipv6.ts';
import { ACK, RST, SYN, TcpView } from '../../wire/tcp.ts';
import { WireFault } from '../../wire/wire-fault.ts';
import { BPF_ETHER_TYPE, Bpf, BpfAssembler } from '../filter/bpf.ts';
import { attachFilter } from '../filter/socket-filter.ts';
import {
  AF_PACKET,
  ETH_P_ALL,
  intOption,
  PACKET_IGNORE_OUTGOING,
  packetAddress,
  SOCK_DGRAM,
  SOL_PACKET,
  Socket,
} from '../sys/socket.ts';
import { readInterfaces } from '../way/interfaces.ts';

/** Octets of headers that are looked at. */
const SNAP_BYTES = 128;
const IP_PROTOCOL_TCP = 6;
const IPV4_PROTOCOL_AT = 9;
const IPV6_NEXT_HEADER_AT = 6;

/** Segments by kind, since the tap was opened. */
interface Tally {
  syn: number;
  synAck: number;
}

/** As `Heard` of the doctor: what came in by an interface, and what left. */
export interface Tapped {
  readonly interfaceName: string;
  readonly syn: { readonly in: number; readonly out: number };
  readonly synAck: { readonly in: number; readonly out: number };
}

interface Ear {
  readonly interfaceName: string;
  readonly incoming: Socket;
  readonly both: Socket;
  readonly counts: { readonly incoming: Tally; readonly both: Tally };
}

/** Open ears on all interfaces that are up. */
export class PathTap {
  readonly #target: Endpoint;
  readonly #targetOctets: Uint8Array;
  readonly #clients: readonly AddressRange[];
  readonly #clientPort: number | null;
  /** Of SYNs that were heard: what their answers acknowledge, with the client's port; null: any answer counts. */
  readonly #asked: Set<number> | null;
  readonly #ears: Ear[] = [];
  readonly #packet = new Uint8Array(SNAP_BYTES);
  readonly #data = new DataView(this.#packet.buffer);
  readonly #ip = new IpView();
  readonly #segment = new TcpView();

  /**
   * @param clientPort the only one that counts: what else comes may be of an earlier run; else any
   * @param isAtTarget SYNs come by here: only answers to those that were heard count, since a kernel repeats
   *   those to earlier ones for a minute
   * @throws ReplayError ERR_IO_NOT_PERMITTED, ERR_IO_SOCKET, ERR_IO_FILTER (environment)
   */
  constructor(
    target: Endpoint,
    clients: readonly AddressRange[],
    { clientPort, isAtTarget = false }: { clientPort?: number; isAtTarget?: boolean } = {},
  ) {
    this.#clientPort = clientPort ?? null;
    this.#asked = isAtTarget ? new Set() : null;
    this.#target = target;
    this.#targetOctets = addressBytes(target.address);
    this.#clients = clients;
    try {
      for (const { name, index, isUp } of readInterfaces()) {
        if (!isUp) continue;
        const incoming = listenOn(index, true);
        const both = listenOn(index, false);
        const counts = { incoming: newTally(), both: newTally() };
        this.#ears.push({ interfaceName: name, incoming, both, counts });
      }
    } catch (fault) {
      this.close();
      throw fault;
    }
  }

  /** Takes what has come since the last call; interfaces without any segment are left out. */
  hear(): Tapped[] {
    // What comes in by one interface may be answered by another.
    for (const { incoming, counts } of this.#ears) this.#drain(incoming, counts.incoming);
    for (const { both, counts } of this.#ears) this.#drain(both, counts.both);
    return this.#ears
      .map(({ interfaceName, counts: { incoming, both } }) => ({
        interfaceName,
        syn: split(incoming.syn, both.syn),
        synAck: split(incoming.synAck, both.synAck),
      }))
      .filter(({ syn, synAck }) => [syn, synAck].some((one) => one.in + one.out > 0));
  }

  close(): void {
    for (const { incoming, both } of this.#ears.splice(0)) {
      incoming.close();
      both.close();
    }
  }

  #drain(socket: Socket, tally: Tally): void {
    for (;;) {
      const bytes = socket.receive(this.#packet);
      if (bytes < 0) return;
      this.#count(bytes, tally);
    }
  }

  #count(bytes: number, tally: Tally): void {
    const ip = this.#ip;
    ip.wrap(this.#data, 0, bytes);
    if (ip.check() !== WireFault.OK) return;
    const segment = this.#segment;
    segment.wrap(this.#data, ip.headerBytes, bytes - ip.headerBytes);
    if (segment.check() !== WireFault.OK) return;
    const kind = segment.flags & (SYN | ACK | RST);
    const { port } = this.#target;
    const [sourceAt, destinationAt] =
      ip.version === 4 ? [IPV4_SOURCE, IPV4_DESTINATION] : [IPV6_SOURCE, IPV6_DESTINATION];
    if (segment.dstPort === port && ip.dstMatches(this.#targetOctets)) {
      if (!this.#isClient(sourceAt, segment.srcPort)) return;
      if (kind === SYN) {
        tally.syn++;
        this.#asked?.add(keyOf(seqAdd(segment.seq, 1), segment.srcPort));
      }
    } else if (segment.srcPort === port && ip.srcMatches(this.#targetOctets)) {
      if (kind !== (SYN | ACK) || !this.#isClient(destinationAt, segment.dstPort)) return;
      if (this.#asked?.has(keyOf(segment.ack, segment.dstPort)) !== false) tally.synAck++;
    }
  }

  #isClient(at: number, port: number): boolean {
    if (this.#clientPort !== null && port !== this.#clientPort) return false;
    const octets = this.#packet.subarray(at, at + this.#targetOctets.length);
    const address = addressOfBytes(octets);
    return this.#clients.some((range) => isInRange(address, range));
  }
}

/** A sequence number and a port, as one number. */
const keyOf = (seq: number, port: number): number => (seq >>> 0) * 0x1_0000 + port;

const newTally = (): Tally => ({ syn: 0, synAck: 0 });

const split = (incoming: number, both: number): { readonly in: number; readonly out: number } => ({
  in: incoming,
  out: Math.max(0, both - incoming),
});

function listenOn(interfaceIndex: number, isIncomingOnly: boolean): Socket {
  const socket = new Socket(AF_PACKET, SOCK_DGRAM, 0);
  try {
    attachFilter(socket, tcpFilter());
    if (isIncomingOnly) {
      const option = intOption(1);
      socket.setOption(SOL_PACKET, PACKET_IGNORE_OUTGOING, option, 'leaving out what is sent');
    }
    socket.bind(packetAddress(ETH_P_ALL, interfaceIndex));
    return socket;
  } catch (fault) {
    socket.close();
    throw fault;
  }
}

/** TCP without extension headers, over packets that begin at their IP header. */
function tcpFilter() {
  const filter = new BpfAssembler();
  filter.add(Bpf.LOAD_WORD, BPF_ETHER_TYPE);
  filter.jump(Bpf.JUMP_EQUAL, EtherType.IPV6, 'ipv6', null);
  filter.jump(Bpf.JUMP_EQUAL, EtherType.IPV4, null, 'drop');
  filter.add(Bpf.LOAD_BYTE, IPV4_PROTOCOL_AT);
  filter.jump(Bpf.JUMP_EQUAL, IP_PROTOCOL_TCP, 'keep', 'drop');
  filter.label('ipv6');
  filter.add(Bpf.LOAD_BYTE, IPV6_NEXT_HEADER_AT);
  filter.jump(Bpf.JUMP_EQUAL, IP_PROTOCOL_TCP, 'keep', 'drop');
  filter.label('keep');
  filter.add(Bpf.RETURN, SNAP_BYTES);
  filter.label('drop');
  filter.add(Bpf.RETURN, 0);
  return filter.assemble();
}
