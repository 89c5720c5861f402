/**
 * Writes the headers of the embedded target's replies.
 *
 * The IPv4 header checksum is right. The TCP checksum holds the pseudo-header's sum alone, which is
 * what a capture shows of packets whose checksum the sending machine leaves to its network card:
 * the payload of a reply is never read as a whole.
 */
import { foldChecksum, foldSum, sumOctets } from '../wire/checksum.ts';
import {
  IP_PROTOCOL_TCP,
  IPV4_ADDRESS_BYTES,
  IPV4_DONT_FRAGMENT,
  IPV4_HEADER_BYTES_MIN,
  TTL_DEFAULT,
} from '../wire/ipv4.ts';
import { IPV6_ADDRESS_BYTES, IPV6_HEADER_BYTES } from '../wire/ipv6.ts';
import { ACK, SYN, TCP_HEADER_BYTES_MIN } from '../wire/tcp.ts';
import {
  MSS_OPTION_BYTES,
  NOP_NOP_SACK,
  NOP_NOP_TIMESTAMPS,
  PADDED_TIMESTAMPS_BYTES,
  SACK_BLOCK_BYTES,
  SACK_PERMITTED_OPTION_BYTES,
  SackBlocks,
  TcpOption,
  WINDOW_SCALE_OPTION_BYTES,
} from '../wire/tcp-options.ts';

/** A server's address and port, and what its clients' addresses begin with. */
interface Path {
  /** 4 or 16 octets. */
  readonly server: Uint8Array;
  readonly serverPort: number;
  /** As long as `server`; the last four octets do not count. */
  readonly client: Uint8Array;
  /** The pseudo-header's sum without the client's last 32 bits and the length. */
  readonly sum: number;
}

/** More pairs of server and client network than a capture has; `path` is 16 bits wide. */
const PATHS_MAX = 0xffff;

/** The fields of a reply: one object, filled again for each. */
export class Reply {
  path = 0;
  clientLow32 = 0;
  clientPort = 0;
  seq = 0;
  ack = 0;
  flags = 0;
  window = 0;
  hasTimestamps = false;
  tsVal = 0;
  tsEcr = 0;
  /** Options of a SYN-ACK: our MSS and window scale (-1: none). */
  mss = 0;
  windowScale = -1;
  sackPermitted = false;
  /** Blocks of a bare acknowledgement, at most 3. */
  readonly sack = new SackBlocks();
  payloadBytes = 0;
}

/** Writes replies' headers, from the addresses that frames were sent to. */
export class ReplyWriter {
  readonly #data: DataView;
  readonly #paths: Path[] = [];

  /** @param data replies are written at its start */
  constructor(data: DataView) {
    this.#data = data;
  }

  /**
   * The row of the path that a client's packet takes back; -1 when there are more than 65,535.
   * @param at where the client's IP header begins in `octets`
   */
  pathOf(octets: Uint8Array, at: number, version: number, serverPort: number): number {
    const bytes = version === 4 ? IPV4_ADDRESS_BYTES : IPV6_ADDRESS_BYTES;
    const clientAt = at + (version === 4 ? 12 : 8);
    const serverAt = clientAt + bytes;
    for (let i = 0; i < this.#paths.length; i++) {
      const path = this.#paths[i];
      if (
        path.serverPort === serverPort &&
        path.server.length === bytes &&
        isEqual(path.server, octets, serverAt, bytes) &&
        isEqual(path.client, octets, clientAt, bytes - 4)
      ) {
        return i;
      }
    }
    if (this.#paths.length === PATHS_MAX) return -1;
    const server = octets.slice(serverAt, serverAt + bytes);
    const client = octets.slice(clientAt, clientAt + bytes);
    const sum = sumOctets(server, 0, bytes) + sumOctets(client, 0, bytes - 4) + IP_PROTOCOL_TCP;
    return this.#paths.push({ server, serverPort, client, sum }) - 1;
  }

  /** The server's port of a path; of none -1. */
  serverPortOf(path: number): number {
    return this.#paths[path]?.serverPort ?? -1;
  }

  /** @returns octets of IP and TCP header written */
  write(reply: Reply): number {
    const path = this.#paths[reply.path];
    const tcpBytes = TCP_HEADER_BYTES_MIN + optionsBytes(reply);
    const segmentBytes = tcpBytes + reply.payloadBytes;
    const ipBytes =
      path.server.length === IPV4_ADDRESS_BYTES
        ? this.#writeIpv4(path, reply.clientLow32, segmentBytes)
        : this.#writeIpv6(path, reply.clientLow32, segmentBytes);
    this.#writeTcp(path, reply, ipBytes, tcpBytes, segmentBytes);
    return ipBytes + tcpBytes;
  }

  #writeIpv4(path: Path, clientLow32: number, segmentBytes: number): number {
    const data = this.#data;
    data.setUint32(0, 0x4500_0000 + IPV4_HEADER_BYTES_MIN + segmentBytes);
    data.setUint32(4, IPV4_DONT_FRAGMENT);
    const ttlAndProtocol = (TTL_DEFAULT << 8) | IP_PROTOCOL_TCP;
    writeOctets(data, 12, path.server, IPV4_ADDRESS_BYTES);
    data.setUint32(16, clientLow32);
    const sum =
      0x4500 +
      IPV4_HEADER_BYTES_MIN +
      segmentBytes +
      IPV4_DONT_FRAGMENT +
      ttlAndProtocol +
      data.getUint16(12) +
      data.getUint16(14) +
      (clientLow32 >>> 16) +
      (clientLow32 & 0xffff);
    data.setUint32(8, ((ttlAndProtocol << 16) | foldChecksum(sum)) >>> 0);
    return IPV4_HEADER_BYTES_MIN;
  }

  #writeIpv6(path: Path, clientLow32: number, segmentBytes: number): number {
    const data = this.#data;
    data.setUint32(0, 0x6000_0000);
    data.setUint32(4, ((segmentBytes << 16) | (IP_PROTOCOL_TCP << 8) | TTL_DEFAULT) >>> 0);
    writeOctets(data, 8, path.server, IPV6_ADDRESS_BYTES);
    writeOctets(data, 24, path.client, IPV6_ADDRESS_BYTES - 4);
    data.setUint32(36, clientLow32);
    return IPV6_HEADER_BYTES;
  }

  #writeTcp(path: Path, reply: Reply, at: number, tcpBytes: number, segmentBytes: number): void {
    const data = this.#data;
    const { clientLow32 } = reply;
    data.setUint16(at, path.serverPort);
    data.setUint16(at + 2, reply.clientPort);
    data.setUint32(at + 4, reply.seq);
    data.setUint32(at + 8, reply.ack);
    data.setUint32(at + 12, ((tcpBytes << 26) | (reply.flags << 16) | reply.window) >>> 0);
    const sum = path.sum + (clientLow32 >>> 16) + (clientLow32 & 0xffff) + segmentBytes;
    data.setUint32(at + 16, (foldSum(sum) << 16) >>> 0);
    let optionAt = at + TCP_HEADER_BYTES_MIN;
    if ((reply.flags & (SYN | ACK)) === (SYN | ACK)) {
      data.setUint32(optionAt, (TcpOption.MSS << 24) | (MSS_OPTION_BYTES << 16) | reply.mss);
      optionAt += MSS_OPTION_BYTES;
      if (reply.windowScale >= 0) {
        const scale = (TcpOption.WINDOW_SCALE << 16) | (WINDOW_SCALE_OPTION_BYTES << 8);
        data.setUint32(optionAt, (TcpOption.NOP << 24) | scale | reply.windowScale);
        optionAt += 4;
      }
      if (reply.sackPermitted) {
        const sack = (TcpOption.SACK_PERMITTED << 8) | SACK_PERMITTED_OPTION_BYTES;
        data.setUint32(optionAt, (TcpOption.NOP << 24) | (TcpOption.NOP << 16) | sack);
        optionAt += 4;
      }
    }
    this.#writeSack(reply, optionAt + (reply.hasTimestamps ? PADDED_TIMESTAMPS_BYTES : 0));
    if (reply.hasTimestamps) {
      data.setUint32(optionAt, NOP_NOP_TIMESTAMPS);
      data.setUint32(optionAt + 4, reply.tsVal);
      data.setUint32(optionAt + 8, reply.tsEcr);
    }
  }

  #writeSack({ sack }: Reply, at: number): void {
    const { count, edges } = sack;
    if (count === 0) return;
    this.#data.setUint32(at, NOP_NOP_SACK + count * SACK_BLOCK_BYTES);
    for (let i = 0; i < 2 * count; i++) this.#data.setUint32(at + 4 + 4 * i, edges[i]);
  }
}

function optionsBytes(reply: Reply): number {
  const timestamps = reply.hasTimestamps ? PADDED_TIMESTAMPS_BYTES : 0;
  const blocks = reply.sack.count;
  if (blocks > 0) return timestamps + 4 + blocks * SACK_BLOCK_BYTES;
  if ((reply.flags & SYN) === 0) return timestamps;
  const scale = reply.windowScale >= 0 ? 4 : 0;
  return timestamps + MSS_OPTION_BYTES + scale + (reply.sackPermitted ? 4 : 0);
}

function isEqual(octets: Uint8Array, other: Uint8Array, otherAt: number, bytes: number): boolean {
  for (let i = 0; i < bytes; i++) if (octets[i] !== other[otherAt + i]) return false;
  return true;
}

function writeOctets(data: DataView, at: number, octets: Uint8Array, bytes: number): void {
  for (let i = 0; i < bytes; i++) data.setUint8(at + i, octets[i]);
}
