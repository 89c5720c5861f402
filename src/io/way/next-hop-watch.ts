/**
 * Sees when a next hop's link-layer address changes in the midst of a run: a target that was moved to
 * another machine, a standby that took over, a card that was exchanged. Frames bear that address as it
 * was when the run began, and would go to nobody.
 *
 * Each next hop is asked once a second (ARP, NDP), and what it says unasked is heard as well. The
 * kernel's own table is of no help: it asks only for what is sent by way of it.
 */
import type { BpfInstruction } from '../../base/bpf-instruction.ts';
import { ETHERNET_HEADER_BYTES, EtherType, emitEthernet } from '../../wire/ethernet.ts';
import { IPV4_ADDRESS_BYTES } from '../../wire/ipv4.ts';
import { IPV6_HEADER_BYTES, IPV6_NEXT_HEADER } from '../../wire/ipv6.ts';
import { IP_PROTOCOL_ICMPV6, NdpType } from '../../wire/ndp.ts';
import { Bpf, BpfAssembler } from '../filter/bpf.ts';
import { attachFilter } from '../filter/socket-filter.ts';
import {
  AF_PACKET,
  intOption,
  PACKET_IGNORE_OUTGOING,
  packetAddress,
  SOCK_RAW,
  SOL_PACKET,
  Socket,
} from '../sys/socket.ts';
import type { LocalPath } from './local-path.ts';
import { macIn, neighbourQuestion } from './neighbours.ts';

const ASK_EVERY_MS = 1_000;
/** How often the socket is looked at: a system call. */
const LOOK_EVERY_MS = 50;
/** Messages taken in one look: a turn of the loop must stay short. */
const PER_LOOK = 64;
/** Of many targets on the link the first ones are asked; what the others say is heard. */
const ASKED_MAX = 16;
const FRAME_BYTES_MAX = 256;

/** The targets with these rows in the plan are reached by this header from now on. */
export type OnMoved = (targets: readonly number[], linkHeader: Uint8Array) => void;

interface WatchedHop {
  readonly address: Uint8Array;
  readonly question: Uint8Array | null;
  readonly targets: number[];
  mac: Uint8Array;
}

/** Hears when a next hop gets another MAC. */
export class NextHopWatch {
  readonly #socket: Socket;
  readonly #hops: readonly WatchedHop[];
  readonly #etherType: number;
  readonly #sourceMac: Uint8Array;
  readonly #onMoved: OnMoved;
  readonly #frame = new Uint8Array(FRAME_BYTES_MAX);
  #askedMs = performance.now();
  #lookedMs = this.#askedMs;

  /** @throws ReplayError ERR_IO_NOT_PERMITTED, ERR_IO_SOCKET */
  constructor(path: LocalPath, onMoved: OnMoved) {
    this.#hops = followedHops(path);
    this.#onMoved = onMoved;
    const [{ address }] = this.#hops;
    const isIpv4 = address.length === IPV4_ADDRESS_BYTES;
    this.#etherType = isIpv4 ? EtherType.IPV4 : EtherType.IPV6;
    this.#sourceMac = path.routes[0].sourceMac;
    this.#socket = new Socket(AF_PACKET, SOCK_RAW, 0);
    try {
      if (!isIpv4) attachFilter(this.#socket, advertisementFilter());
      const ignoring = 'ignoring own packets';
      this.#socket.setOption(SOL_PACKET, PACKET_IGNORE_OUTGOING, intOption(1), ignoring);
      const protocol = isIpv4 ? EtherType.ARP : EtherType.IPV6;
      this.#socket.bind(packetAddress(protocol, path.device.index));
    } catch (fault) {
      this.#socket.close();
      throw fault;
    }
  }

  /** Asks who is due to be asked, and hears what was said; to be called once a turn. Does not block. */
  look(): void {
    const nowMs = performance.now();
    if (nowMs - this.#lookedMs < LOOK_EVERY_MS) return;
    this.#lookedMs = nowMs;
    this.#hear();
    if (nowMs - this.#askedMs < ASK_EVERY_MS) return;
    this.#askedMs = nowMs;
    for (const { question } of this.#hops.slice(0, ASKED_MAX)) {
      if (question !== null) this.#socket.trySend(question);
    }
  }

  /** Link-layer addresses of the next hops as they are now. */
  get macs(): readonly Uint8Array[] {
    return this.#hops.map(({ mac }) => mac);
  }

  close(): void {
    this.#socket.close();
  }

  #hear(): void {
    const frame = this.#frame;
    for (let taken = 0; taken < PER_LOOK; taken++) {
      const bytes = this.#socket.receive(frame);
      if (bytes < 0) return;
      const packet = frame.subarray(ETHERNET_HEADER_BYTES, bytes);
      for (const hop of this.#hops) {
        const mac = macIn(packet, hop.address);
        if (mac !== null && Buffer.compare(mac, hop.mac) !== 0) this.#move(hop, mac.slice());
      }
    }
  }

  #move(hop: WatchedHop, mac: Uint8Array): void {
    hop.mac = mac;
    const [source, etherType] = [this.#sourceMac, this.#etherType];
    this.#onMoved(hop.targets, emitEthernet({ destination: mac, source, etherType }));
  }
}

/** Whether there is a next hop whose address can change: not one whose MAC was named, nor lo's. */
export const canMove = (path: LocalPath): boolean =>
  path.device.asksNeighbours && followedHops(path).length > 0;

function followedHops({ device, routes }: LocalPath): WatchedHop[] {
  const hops: WatchedHop[] = [];
  for (const [target, { nextHop, nextHopMac, linkHeader }] of routes.entries()) {
    if (nextHop === null || linkHeader.length !== ETHERNET_HEADER_BYTES) continue;
    const known = hops.find(({ address }) => Buffer.compare(address, nextHop) === 0);
    if (known !== undefined) known.targets.push(target);
    else {
      const question = neighbourQuestion(device, nextHop);
      hops.push({ address: nextHop, question, targets: [target], mac: nextHopMac });
    }
  }
  return hops;
}

/** Neighbour advertisements, frames beginning at their link header. */
function advertisementFilter(): BpfInstruction[] {
  const filter = new BpfAssembler();
  filter.add(Bpf.LOAD_BYTE, ETHERNET_HEADER_BYTES + IPV6_NEXT_HEADER);
  filter.jump(Bpf.JUMP_EQUAL, IP_PROTOCOL_ICMPV6, null, 'drop');
  filter.add(Bpf.LOAD_BYTE, ETHERNET_HEADER_BYTES + IPV6_HEADER_BYTES);
  filter.jump(Bpf.JUMP_EQUAL, NdpType.ADVERTISEMENT, null, 'drop');
  filter.add(Bpf.RETURN, FRAME_BYTES_MAX);
  filter.label('drop');
  filter.add(Bpf.RETURN, 0);
  return filter.assemble();
}
