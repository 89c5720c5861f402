/**
 * Hears what routers and firewalls say of packets that they do not pass on: ICMP "destination
 * unreachable" (type 3; RFC 792, RFC 1812, section 5.2.7.1) and ICMPv6 "destination unreachable"
 * (type 1; RFC 4443, section 3.1). For the probe before a run; a run does not need it.
 */
import { addressBytes, addressOfBytes, formatAddress, type IpAddress } from '../../base/address.ts';
import { EtherType } from '../../wire/ethernet.ts';
import {
  IPV4_DESTINATION,
  IPV4_HEADER_BYTES_MIN,
  IPV4_PROTOCOL,
  IPV4_SOURCE,
} from '../../wire/ipv4.ts';
import {
  IPV6_DESTINATION,
  IPV6_HEADER_BYTES,
  IPV6_NEXT_HEADER,
  IPV6_SOURCE,
} from '../../wire/ipv6.ts';
import { IP_PROTOCOL_ICMPV6 } from '../../wire/ndp.ts';
import {
  ICMP_FRAGMENTATION_NEEDED,
  ICMP_QUOTED,
  IP_PROTOCOL_ICMP,
} from '../../wire/packet-too-big.ts';
import { Bpf, BpfAssembler } from '../filter/bpf.ts';
import { attachFilter } from '../filter/socket-filter.ts';
import {
  AF_PACKET,
  intOption,
  PACKET_IGNORE_OUTGOING,
  packetAddress,
  SOCK_DGRAM,
  SOL_PACKET,
  Socket,
} from '../sys/socket.ts';

const ICMP_UNREACHABLE = 3;
const ICMPV6_UNREACHABLE = 1;
/** IP, ICMP, and as much of the quoted packet as is looked at. */
const PACKET_BYTES_MAX = 256;

/** Codes that tell of a firewall: 9, 10 and 13 (RFC 1812), 3 where a REJECT rule says no more. */
const MEANING: Readonly<Record<4 | 6, Readonly<Record<number, string>>>> = {
  4: {
    0: 'no route to its network',
    1: 'the host does not answer there',
    2: 'protocol unreachable',
    3: 'port unreachable, as firewalls reject',
    9: 'prohibited by a firewall',
    10: 'prohibited by a firewall',
    13: 'prohibited by a firewall',
  },
  6: {
    0: 'no route',
    1: 'prohibited by a firewall',
    3: 'the host does not answer there',
    4: 'port unreachable, as firewalls reject',
    5: 'source address refused by a policy',
    6: 'no route that is allowed',
  },
};

/** Where things stand in a message about a packet of that version, from the outer IP header on. */
const LAYOUT = {
  4: {
    protocolAt: IPV4_PROTOCOL,
    protocol: IP_PROTOCOL_ICMP,
    type: ICMP_UNREACHABLE,
    headerBytes: (packet: Uint8Array) => (packet[0] & 0x0f) * 4,
    minBytes: IPV4_HEADER_BYTES_MIN,
    source: IPV4_SOURCE,
    destination: IPV4_DESTINATION,
    etherType: EtherType.IPV4,
  },
  6: {
    protocolAt: IPV6_NEXT_HEADER,
    protocol: IP_PROTOCOL_ICMPV6,
    type: ICMPV6_UNREACHABLE,
    headerBytes: () => IPV6_HEADER_BYTES,
    minBytes: IPV6_HEADER_BYTES,
    source: IPV6_SOURCE,
    destination: IPV6_DESTINATION,
    etherType: EtherType.IPV6,
  },
} as const;

/** Whose unreachability is listened for. */
export interface UnreachableQuestion {
  readonly interfaceIndex: number;
  /** Both of one family: the ends of the packets that are listened for. */
  readonly client: IpAddress;
  readonly target: IpAddress;
}

/** Hears ICMP messages that say that one connection's packets do not arrive. */
export class UnreachableListener {
  readonly #question: UnreachableQuestion;
  readonly #socket: Socket;
  readonly #packet = new Uint8Array(PACKET_BYTES_MAX);

  /** @throws ReplayError ERR_IO_NOT_PERMITTED, ERR_IO_SOCKET */
  constructor(question: UnreachableQuestion) {
    this.#question = question;
    const { interfaceIndex, target } = question;
    const { protocolAt, protocol, etherType } = LAYOUT[target.family];
    // Packets begin at their IP header, whatever the link.
    this.#socket = new Socket(AF_PACKET, SOCK_DGRAM, 0);
    try {
      const filter = new BpfAssembler();
      filter.add(Bpf.LOAD_BYTE, protocolAt);
      filter.jump(Bpf.JUMP_EQUAL, protocol, 'icmp', null);
      filter.add(Bpf.RETURN, 0);
      filter.label('icmp');
      filter.add(Bpf.RETURN, PACKET_BYTES_MAX);
      attachFilter(this.#socket, filter.assemble());
      const ignoring = 'ignoring own packets';
      this.#socket.setOption(SOL_PACKET, PACKET_IGNORE_OUTGOING, intOption(1), ignoring);
      this.#socket.bind(packetAddress(etherType, interfaceIndex));
    } catch (fault) {
      this.#socket.close();
      throw fault;
    }
  }

  /** `10.0.0.1 says: prohibited by a firewall (ICMP 3/13)`; null where nobody has said anything. */
  hear(): string | null {
    for (;;) {
      const bytes = this.#socket.receive(this.#packet);
      if (bytes < 0) return null;
      const { client, target } = this.#question;
      const said = readUnreachable(this.#packet.subarray(0, bytes), client, target);
      if (said !== null) return said;
    }
  }

  close(): void {
    this.#socket.close();
  }
}

/** What a packet says of the way from `client` to `target`; null for every other packet. */
export function readUnreachable(
  packet: Uint8Array,
  client: IpAddress,
  target: IpAddress,
): string | null {
  const { family } = target;
  const layout = LAYOUT[family];
  if (packet.length < layout.minBytes || packet[0] >>> 4 !== family) return null;
  const messageAt = layout.headerBytes(packet);
  const quotedAt = messageAt + ICMP_QUOTED;
  if (packet.length < quotedAt + layout.minBytes) return null;
  if (packet[layout.protocolAt] !== layout.protocol || packet[messageAt] !== layout.type)
    return null;
  const code = packet[messageAt + 1];
  // That a packet was too big says that the way is open.
  if (family === 4 && code === (ICMP_FRAGMENTATION_NEEDED & 0xff)) return null;
  const quoted = packet.subarray(quotedAt);
  const isOurs = holds(quoted, layout.source, client) && holds(quoted, layout.destination, target);
  if (!isOurs) return null;
  const who = packet.subarray(layout.source, layout.source + addressBytes(target).length);
  const meaning = MEANING[family][code] ?? 'unreachable';
  const name = family === 4 ? 'ICMP' : 'ICMPv6';
  return `${formatAddress(addressOfBytes(who))} says: ${meaning} (${name} ${layout.type}/${code})`;
}

const holds = (packet: Uint8Array, at: number, address: IpAddress): boolean => {
  const octets = addressBytes(address);
  return octets.every((octet, i) => packet[at + i] === octet);
};
