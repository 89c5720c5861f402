/**
 * Sees whether this machine's own kernel resets a connection of ours: a RST that leaves from a client's
 * address and port for the target. For the probe before a run that plays from own addresses.
 */

import { addressBytes, type IpAddress } from '../../base/address.ts';
import type { BpfInstruction } from '../../base/bpf-instruction.ts';
import { seqAdd } from '../../base/seq.ts';
import { EtherType } from '../../wire/ethernet.ts';
import { IP_PROTOCOL_TCP, IPV4_DESTINATION, IPV4_PROTOCOL, IPV4_SOURCE } from '../../wire/ipv4.ts';
import {
  IPV6_DESTINATION,
  IPV6_HEADER_BYTES,
  IPV6_NEXT_HEADER,
  IPV6_SOURCE,
} from '../../wire/ipv6.ts';
import { RST, TCP_FLAGS, TCP_SEQ } from '../../wire/tcp.ts';
import { BPF_ETHER_TYPE, Bpf, BpfAssembler } from '../filter/bpf.ts';
import { attachFilter } from '../filter/socket-filter.ts';
import { AF_PACKET, ETH_P_ALL, packetAddress, SOCK_DGRAM, Socket } from '../sys/socket.ts';
import { ALL_INTERFACES } from './packet-ring.ts';

/** That there is one is all that is asked. */
const SNAP_BYTES = 1;

/** A half-open connection as its client has it; both addresses of one family. */
export interface HalfOpen {
  readonly client: IpAddress;
  readonly clientPort: number;
  readonly target: IpAddress;
  readonly targetPort: number;
  /** Of the client's SYN: a reset in answer to the SYN-ACK bears the number behind it (RFC 9293, section 3.10.7.1). */
  readonly iss: number;
}

/** Hears RSTs in answer to one SYN-ACK, and no other: not what the probe sends itself to an older connection. */
export class ResetListener {
  readonly #socket: Socket;
  readonly #packet = new Uint8Array(SNAP_BYTES);

  /** @throws ReplayError ERR_IO_NOT_PERMITTED, ERR_IO_SOCKET, ERR_IO_FILTER */
  constructor(halfOpen: HalfOpen) {
    this.#socket = new Socket(AF_PACKET, SOCK_DGRAM, 0);
    try {
      attachFilter(this.#socket, resetFilter(halfOpen));
      // The kernel's routes say where a reset leaves; and only who asks for all protocols sees it.
      this.#socket.bind(packetAddress(ETH_P_ALL, ALL_INTERFACES));
    } catch (fault) {
      this.#socket.close();
      throw fault;
    }
  }

  /** Whether a reset has left since it was opened, or since the last question. */
  hear(): boolean {
    let heard = false;
    while (this.#socket.receive(this.#packet) >= 0) heard = true;
    return heard;
  }

  close(): void {
    this.#socket.close();
  }
}

/** A filter for resets of this connection, over packets that begin at their IP header. */
export function resetFilter(halfOpen: HalfOpen): BpfInstruction[] {
  const { client, clientPort, target, targetPort } = halfOpen;
  const isIpv4 = target.family === 4;
  const filter = new BpfAssembler();
  let met = 0;
  const drop = (jump: number, value: number): void => {
    const next = `check ${met++} is met`;
    filter.jump(jump, value, next, null);
    filter.add(Bpf.RETURN, 0);
    filter.label(next);
  };
  const require = (load: number, at: number, value: number): void => {
    filter.add(load, at);
    drop(Bpf.JUMP_EQUAL, value);
  };
  const requireAddress = (at: number, address: IpAddress): void => {
    const octets = addressBytes(address);
    const data = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
    for (let i = 0; i < octets.length; i += 4) require(Bpf.LOAD_WORD, at + i, data.getUint32(i));
  };
  require(Bpf.LOAD_WORD, BPF_ETHER_TYPE, isIpv4 ? EtherType.IPV4 : EtherType.IPV6);
  require(Bpf.LOAD_BYTE, isIpv4 ? IPV4_PROTOCOL : IPV6_NEXT_HEADER, IP_PROTOCOL_TCP);
  requireAddress(isIpv4 ? IPV4_SOURCE : IPV6_SOURCE, client);
  requireAddress(isIpv4 ? IPV4_DESTINATION : IPV6_DESTINATION, target);
  if (isIpv4) filter.add(Bpf.LOAD_X_HEADER_LENGTH, 0);
  const [word, half, octet] = isIpv4
    ? [Bpf.LOAD_WORD_AT_X, Bpf.LOAD_HALF_AT_X, Bpf.LOAD_BYTE_AT_X]
    : [Bpf.LOAD_WORD, Bpf.LOAD_HALF, Bpf.LOAD_BYTE];
  const tcp = isIpv4 ? 0 : IPV6_HEADER_BYTES;
  require(half, tcp, clientPort);
  require(half, tcp + 2, targetPort);
  require(word, tcp + TCP_SEQ, seqAdd(halfOpen.iss, 1));
  filter.add(octet, tcp + TCP_FLAGS);
  drop(Bpf.JUMP_SET, RST);
  filter.add(Bpf.RETURN, SNAP_BYTES);
  return filter.assemble();
}
