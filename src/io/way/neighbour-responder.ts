/**
 * Answers neighbours who ask for a client's link-layer address (ARP, NDP), so that a target on the
 * same link needs no route to the clients. It answers for the ranges alone, and not for
 * addresses that somebody else has; what is said unasked is in neighbour-announcer.ts.
 */

import { type AddressRange, addressBytes, familyOf, type IpAddress } from '../../base/address.ts';
import type { BpfInstruction } from '../../base/bpf-instruction.ts';
import {
  ARP_OPERATION,
  ARP_TARGET_ADDRESS,
  ArpOperation,
  arpReply,
  emitArp,
  parseArp,
} from '../../wire/arp.ts';
import { ETHERNET_HEADER_BYTES, EtherType, emitEthernet, MAC_BYTES } from '../../wire/ethernet.ts';
import { IPV6_HEADER_BYTES, IPV6_NEXT_HEADER } from '../../wire/ipv6.ts';
import {
  emitNdp,
  IP_PROTOCOL_ICMPV6,
  multicastMac,
  NDP_TARGET,
  NdpType,
  ndpAnswer,
  parseNdp,
} from '../../wire/ndp.ts';
import { Bpf, BpfAssembler } from '../filter/bpf.ts';
import { addRangeMatch, inPacket } from '../filter/range-match.ts';
import { attachFilter } from '../filter/socket-filter.ts';
import {
  AF_PACKET,
  intOption,
  PACKET_ADD_MEMBERSHIP,
  PACKET_IGNORE_OUTGOING,
  PACKET_MR_ALLMULTI,
  packetAddress,
  packetMembership,
  SOCK_RAW,
  SOL_PACKET,
  Socket,
} from '../sys/socket.ts';
import { join } from './neighbours.ts';

/** Where a frame's source address stands. */
const ETHERNET_SOURCE = MAC_BYTES;

/** A question has at most 14 + 40 + 24 octets and a few options. */
const FRAME_BYTES_MAX = 256;

/** Who answers for which addresses where. */
export interface NeighbourResponderOptions {
  readonly interfaceIndex: number;
  /** Six octets: what is answered. */
  readonly mac: Uint8Array;
  /** All of one family. */
  readonly ranges: readonly AddressRange[];
  /** Addresses of the ranges that are not answered for: this machine's own, the next hop's. */
  readonly except: readonly IpAddress[];
  /** Six octets each: whose questions are answered; null: everybody's. */
  readonly askers: readonly Uint8Array[] | null;
}

/** Answers the link's questions for the clients' addresses (ARP and neighbour solicitations). */
export class NeighbourResponder {
  /** To wait on: it can be read when somebody has asked. */
  readonly fd: number;
  /** Questions answered so far. */
  answered = 0;
  readonly #socket: Socket;
  readonly #options: NeighbourResponderOptions;
  readonly #mac: Uint8Array;
  readonly #answer: (packet: Uint8Array, asker: Uint8Array) => Uint8Array | null;
  readonly #frame = new Uint8Array(FRAME_BYTES_MAX);

  /** @throws ReplayError ERR_IO_NOT_PERMITTED, ERR_IO_SOCKET, ERR_IO_FILTER_TOO_LONG */
  constructor(options: NeighbourResponderOptions) {
    const { interfaceIndex, mac, ranges } = options;
    const isIpv4 = ranges.every((range) => familyOf(range) === 4);
    this.#options = options;
    this.#mac = mac;
    this.#answer = isIpv4 ? this.#answerArp : this.#answerNdp;
    this.#socket = new Socket(AF_PACKET, SOCK_RAW, 0);
    this.fd = this.#socket.fd;
    try {
      attachFilter(this.#socket, questionFilter(options, isIpv4));
      const ignoring = 'ignoring own packets';
      this.#socket.setOption(SOL_PACKET, PACKET_IGNORE_OUTGOING, intOption(1), ignoring);
      // Solicitations come to multicast groups that nobody on this machine has joined.
      const groups = packetMembership(interfaceIndex, PACKET_MR_ALLMULTI);
      const joining = 'receiving multicast';
      if (!isIpv4) this.#socket.setOption(SOL_PACKET, PACKET_ADD_MEMBERSHIP, groups, joining);
      const protocol = isIpv4 ? EtherType.ARP : EtherType.IPV6;
      this.#socket.bind(packetAddress(protocol, interfaceIndex));
    } catch (fault) {
      this.#socket.close();
      throw fault;
    }
  }

  /** Answers at most `limit` questions that wait, and returns how many it took. Does not block. */
  respond(limit: number): number {
    const frame = this.#frame;
    for (let taken = 0; taken < limit; taken++) {
      const bytes = this.#socket.receive(frame);
      if (bytes < 0) return taken;
      const asker = frame.slice(MAC_BYTES, 2 * MAC_BYTES);
      const answer = this.#answer(frame.subarray(ETHERNET_HEADER_BYTES, bytes), asker);
      // One that cannot be sent is lost like any other packet: the neighbour asks again.
      if (answer !== null && this.#socket.trySend(answer)) this.answered++;
    }
    return limit;
  }

  /**
   * Others are answered from now on, where not everybody is.
   * @throws ReplayError ERR_IO_FILTER_TOO_LONG, ERR_IO_FILTER
   */
  setAskers(askers: readonly Uint8Array[]): void {
    if (this.#options.askers === null) return;
    const isIpv4 = this.#options.ranges.every((range) => familyOf(range) === 4);
    attachFilter(this.#socket, questionFilter({ ...this.#options, askers }, isIpv4));
  }

  close(): void {
    this.#socket.close();
  }

  #answerArp(packet: Uint8Array): Uint8Array | null {
    const request = parseArp(packet);
    if (request?.operation !== ArpOperation.REQUEST) return null;
    const destination = request.senderMac;
    const header = emitEthernet({ destination, source: this.#mac, etherType: EtherType.ARP });
    return join(header, emitArp(arpReply(request, this.#mac)));
  }

  #answerNdp(packet: Uint8Array, asker: Uint8Array): Uint8Array | null {
    const solicitation = parseNdp(packet);
    if (solicitation?.type !== NdpType.SOLICITATION) return null;
    const answer = ndpAnswer(solicitation, this.#mac);
    const isToAll = answer.destination[0] === 0xff;
    const destination = isToAll ? multicastMac(answer.destination) : (solicitation.mac ?? asker);
    const header = emitEthernet({ destination, source: this.#mac, etherType: EtherType.IPV6 });
    return join(header, emitNdp(answer));
  }
}

/** Accepts questions for an address of the ranges, frames beginning at their link header. */
function questionFilter(
  { ranges, except, askers }: NeighbourResponderOptions,
  isIpv4: boolean,
): BpfInstruction[] {
  const filter = new BpfAssembler();
  if (askers !== null) addAskers(filter, askers);
  const place = inPacket(ETHERNET_HEADER_BYTES + (isIpv4 ? ARP_TARGET_ADDRESS : NDP_TARGET));
  if (isIpv4) addArpQuestion(filter);
  else addNdpQuestion(filter);
  for (const [i, address] of except.entries()) {
    if (addressBytes(address).length !== (isIpv4 ? 4 : 16)) continue;
    const range = { prefix: address.prefix, start: address.low, count: 1 };
    addRangeMatch(filter, { range, name: `exception ${i}`, place, index: 0, found: 'drop' });
  }
  for (const [i, range] of ranges.entries()) {
    addRangeMatch(filter, { range, name: `range ${i}`, place, index: 0, found: 'accept' });
  }
  filter.label('drop');
  filter.add(Bpf.RETURN, 0);
  filter.label('accept');
  filter.add(Bpf.RETURN, FRAME_BYTES_MAX);
  return filter.assemble();
}

/** Goes on where the frame comes from one of these, else drops. */
function addAskers(filter: BpfAssembler, askers: readonly Uint8Array[]): void {
  for (const [i, mac] of askers.entries()) {
    const data = new DataView(mac.buffer, mac.byteOffset, MAC_BYTES);
    const next = `not asker ${i}`;
    filter.add(Bpf.LOAD_WORD, ETHERNET_SOURCE);
    filter.jump(Bpf.JUMP_EQUAL, data.getUint32(0), null, next);
    filter.add(Bpf.LOAD_HALF, ETHERNET_SOURCE + 4);
    filter.jump(Bpf.JUMP_EQUAL, data.getUint16(4), null, next);
    filter.goto('known asker');
    filter.label(next);
  }
  filter.add(Bpf.RETURN, 0);
  filter.label('known asker');
}

function addArpQuestion(filter: BpfAssembler): void {
  filter.add(Bpf.LOAD_HALF, ETHERNET_HEADER_BYTES + ARP_OPERATION);
  filter.jump(Bpf.JUMP_EQUAL, ArpOperation.REQUEST, 'question', null);
  filter.add(Bpf.RETURN, 0);
  filter.label('question');
}

function addNdpQuestion(filter: BpfAssembler): void {
  filter.add(Bpf.LOAD_BYTE, ETHERNET_HEADER_BYTES + IPV6_NEXT_HEADER);
  filter.jump(Bpf.JUMP_EQUAL, IP_PROTOCOL_ICMPV6, 'icmpv6', null);
  filter.add(Bpf.RETURN, 0);
  filter.label('icmpv6');
  filter.add(Bpf.LOAD_BYTE, ETHERNET_HEADER_BYTES + IPV6_HEADER_BYTES);
  filter.jump(Bpf.JUMP_EQUAL, NdpType.SOLICITATION, 'question', null);
  filter.add(Bpf.RETURN, 0);
  filter.label('question');
}
