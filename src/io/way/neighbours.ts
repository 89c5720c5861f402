/** Asking a link who has an address: ARP (RFC 826) and neighbour discovery (RFC 4861). */
import { NS_PER_MS } from '../../base/time.ts';
import { ArpOperation, emitArp, parseArp } from '../../wire/arp.ts';
import { ETHERNET_HEADER_BYTES, EtherType, emitEthernet, MAC_BYTES } from '../../wire/ethernet.ts';
import { IPV4_ADDRESS_BYTES } from '../../wire/ipv4.ts';
import { emitNdp, multicastMac, NdpType, parseNdp, solicitedNode } from '../../wire/ndp.ts';
import { Waiter } from '../receive/wait.ts';
import { AF_PACKET, packetAddress, SOCK_RAW, Socket } from '../sys/socket.ts';
import { type NetworkInterface, sharePrefix } from './interfaces.ts';

/** As the kernel asks (mcast_solicit): three times, a second apart. */
const TRIES = 3;
const ANSWER_MS_MAX = 1_000;
const FRAME_BYTES_MAX = 256;

const BROADCAST = new Uint8Array(MAC_BYTES).fill(0xff);
const UNSPECIFIED_IPV4 = new Uint8Array(IPV4_ADDRESS_BYTES);

/**
 * The MAC of an address on an interface's link, or null when nobody answers in three seconds, or
 * when the interface has no address to ask from (IPv6). Blocks.
 * @throws ReplayError ERR_IO_NOT_PERMITTED, ERR_IO_SOCKET
 */
export function askNeighbour(device: NetworkInterface, address: Uint8Array): Uint8Array | null {
  const isIpv4 = address.length === IPV4_ADDRESS_BYTES;
  const question = neighbourQuestion(device, address);
  if (question === null) return null;
  const socket = new Socket(AF_PACKET, SOCK_RAW, 0);
  try {
    const etherType = isIpv4 ? EtherType.ARP : EtherType.IPV6;
    socket.bind(packetAddress(etherType, device.index));
    for (let tries = 0; tries < TRIES; tries++) {
      socket.trySend(question);
      const mac = awaitAnswer(socket, (packet) => macIn(packet, address));
      if (mac !== null) return mac;
    }
    return null;
  } finally {
    socket.close();
  }
}

/**
 * A frame that asks an interface's link for an address: an ARP request or a neighbour solicitation;
 * null when the interface has no address to ask from (IPv6).
 */
export const neighbourQuestion = (
  device: NetworkInterface,
  address: Uint8Array,
): Uint8Array | null =>
  address.length === IPV4_ADDRESS_BYTES
    ? arpQuestion(device, address)
    : ndpQuestion(device, address);

/**
 * The MAC that a message tells for an address, or null: an ARP message that it has sent, whether asked
 * or not, or an advertisement of it.
 * @param packet from behind the link header on
 */
export const macIn = (packet: Uint8Array, address: Uint8Array): Uint8Array | null =>
  address.length === IPV4_ADDRESS_BYTES ? macInArp(packet, address) : macInNdp(packet, address);

function arpQuestion(device: NetworkInterface, target: Uint8Array): Uint8Array {
  const source = device.mac ?? new Uint8Array(MAC_BYTES);
  const header = emitEthernet({ destination: BROADCAST, source, etherType: EtherType.ARP });
  const message = emitArp({
    operation: ArpOperation.REQUEST,
    senderMac: source,
    senderAddress: ownAddressFor(device, target) ?? UNSPECIFIED_IPV4,
    targetMac: new Uint8Array(MAC_BYTES),
    targetAddress: target,
  });
  return join(header, message);
}

function ndpQuestion(device: NetworkInterface, target: Uint8Array): Uint8Array | null {
  const own = ownAddressFor(device, target);
  if (own === null) return null;
  const mac = device.mac ?? new Uint8Array(MAC_BYTES);
  const group = solicitedNode(target);
  const header = emitEthernet({
    destination: multicastMac(group),
    source: mac,
    etherType: EtherType.IPV6,
  });
  const message = emitNdp({
    type: NdpType.SOLICITATION,
    source: own,
    destination: group,
    target,
    mac,
    isSolicited: false,
  });
  return join(header, message);
}

/** The interface's address on the target's link, else any of that version. */
function ownAddressFor(device: NetworkInterface, target: Uint8Array): Uint8Array | null {
  const same = device.addresses.filter(({ address }) => address.length === target.length);
  const near = same.find(({ address, prefixBits }) => sharePrefix(address, target, prefixBits));
  return (near ?? same.at(0))?.address ?? null;
}

function awaitAnswer(
  socket: Socket,
  macIn: (packet: Uint8Array) => Uint8Array | null,
): Uint8Array | null {
  const waiter = new Waiter([socket.fd]);
  const frame = new Uint8Array(FRAME_BYTES_MAX);
  const until = performance.now() + ANSWER_MS_MAX;
  try {
    for (let left = ANSWER_MS_MAX; left > 0; left = until - performance.now()) {
      const bytes = socket.receive(frame);
      if (bytes < 0) {
        waiter.wait(left * NS_PER_MS);
        continue;
      }
      const mac = macIn(frame.subarray(ETHERNET_HEADER_BYTES, bytes));
      if (mac !== null) return mac;
    }
    return null;
  } finally {
    waiter.close();
  }
}

function macInArp(packet: Uint8Array, address: Uint8Array): Uint8Array | null {
  const arp = parseArp(packet);
  if (arp === null) return null;
  return Buffer.compare(arp.senderAddress, address) === 0 ? arp.senderMac : null;
}

function macInNdp(packet: Uint8Array, address: Uint8Array): Uint8Array | null {
  const message = parseNdp(packet);
  if (message?.type !== NdpType.ADVERTISEMENT) return null;
  return Buffer.compare(message.target, address) === 0 ? message.mac : null;
}

/** One array of two. */
export function join(head: Uint8Array, tail: Uint8Array): Uint8Array {
  const joined = new Uint8Array(head.length + tail.length);
  joined.set(head);
  joined.set(tail, head.length);
  return joined;
}
