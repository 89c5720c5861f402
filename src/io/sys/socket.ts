/** Sockets: constants of linux/socket.h, if_packet.h, if_ether.h, and the calls on them. */
import type { ReplayError } from '../../base/errors.ts';
import { Errno, lastErrno, systemError } from './errno.ts';
import { ADDRESS, libcFunction, OCTETS } from './libc.ts';

/** Address families (linux/socket.h). */
export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_PACKET = 17;

/** Socket types and their flags (linux/net.h). */
export const SOCK_DGRAM = 2;
/** Socket types and their flags (linux/net.h). */
export const SOCK_RAW = 3;
export const SOCK_NONBLOCK = 0o4000;
export const SOCK_CLOEXEC = 0o2000000;

/** Raw sockets that are given whole IP headers (linux/in.h). */
export const IPPROTO_RAW = 255;

/** Level and options of any socket (asm-generic/socket.h). */
export const SOL_SOCKET = 1;
const SO_ERROR = 4;
/** Options of any socket (asm-generic/socket.h). */
export const SO_SNDBUF = 7;
/** Options of any socket (asm-generic/socket.h). */
export const SO_RCVBUF = 8;
export const SO_BINDTODEVICE = 25;
export const SO_ATTACH_FILTER = 26;
export const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;

/** Level and options of packet sockets (linux/if_packet.h). */
export const SOL_PACKET = 263;
export const PACKET_ADD_MEMBERSHIP = 1;
export const PACKET_RX_RING = 5;
export const PACKET_STATISTICS = 6;
export const PACKET_VERSION = 10;
export const PACKET_VNET_HDR = 15;
export const PACKET_FANOUT = 18;
export const PACKET_FANOUT_DATA = 22;
export const PACKET_IGNORE_OUTGOING = 23;
/** How a group's packets are shared out: by a classic BPF program (linux/if_packet.h). */
export const PACKET_FANOUT_CBPF = 6;
/** Flags of groups: the kernel chooses the number; outgoing packets are not seen. */
export const PACKET_FANOUT_FLAG_UNIQUEID = 0x2000;
export const PACKET_FANOUT_FLAG_IGNORE_OUTGOING = 0x4000;
export const PACKET_MR_PROMISC = 1;
export const PACKET_MR_ALLMULTI = 2;
export const TPACKET_V2 = 1;
/** Versions of packet rings (linux/if_packet.h). */
export const TPACKET_V3 = 2;

/** Frames of every EtherType (linux/if_ether.h). */
export const ETH_P_ALL = 0x0003;

/** Of send(2) and recv(2): fail with EAGAIN instead of waiting. */
export const MSG_DONTWAIT = 0x40;

type SocketOption = (
  fd: number,
  level: number,
  option: number,
  value: Uint8Array,
  bytes: number,
) => number;
type GetSocketOption = (
  fd: number,
  level: number,
  option: number,
  value: Uint8Array,
  bytes: Uint32Array,
) => number;
type Transfer = (fd: number, octets: Uint8Array, bytes: number, flags: number) => number;

const socket = libcFunction<(domain: number, type: number, protocol: number) => number>(
  'socket',
  'int',
  ['int', 'int', 'int'],
);
const bind = libcFunction<(fd: number, name: Uint8Array, bytes: number) => number>('bind', 'int', [
  'int',
  OCTETS,
  'uint32_t',
]);
const close = libcFunction<(fd: number) => number>('close', 'int', ['int']);
const setsockopt = libcFunction<SocketOption>('setsockopt', 'int', [
  'int',
  'int',
  'int',
  OCTETS,
  'uint32_t',
]);
const getsockopt = libcFunction<GetSocketOption>('getsockopt', 'int', [
  'int',
  'int',
  'int',
  OCTETS,
  OCTETS,
]);
const recv = libcFunction<Transfer>('recv', 'intptr_t', ['int', OCTETS, 'size_t', 'int']);
const send = libcFunction<Transfer>('send', 'intptr_t', ['int', OCTETS, 'size_t', 'int']);

/** `sendmmsg(2)`: how many of the `count` messages at `messages` were taken, or -1 and errno. */
export const sendmmsg = libcFunction<
  (fd: number, messages: number, count: number, flags: number) => number
>('sendmmsg', 'int', ['int', ADDRESS, 'uint32_t', 'int']);

/** `recvmmsg(2)`: how many messages came into `messages`, or -1 and errno. */
export const recvmmsg = libcFunction<
  (fd: number, messages: number, count: number, flags: number, timeout: number) => number
>('recvmmsg', 'int', ['int', ADDRESS, 'uint32_t', 'int', ADDRESS]);

/** `send(2)` of octets at an address: how many were taken, or -1 and errno. */
export const sendAt = libcFunction<
  (fd: number, octets: number, bytes: number, flags: number) => number
>('send', 'intptr_t', ['int', ADDRESS, 'size_t', 'int']);

/** What is done with a socket that somebody has opened, and closes. */
export class SocketHandle {
  readonly fd: number;

  constructor(fd: number) {
    this.fd = fd;
  }

  /** Whether the name was free; errno says what else was wrong. */
  tryBind(name: Uint8Array): boolean {
    return bind(this.fd, name, name.length) === 0;
  }

  /** @throws ReplayError ERR_IO_SOCKET */
  bind(name: Uint8Array): void {
    if (bind(this.fd, name, name.length) < 0) throw failed('binding a raw socket');
  }

  /** Whether the kernel took it; errno says why not. */
  trySetOption(level: number, option: number, value: Uint8Array): boolean {
    return setsockopt(this.fd, level, option, value, value.length) === 0;
  }

  /** @throws ReplayError ERR_IO_NOT_PERMITTED, ERR_IO_SOCKET: `<doing> failed: …` */
  setOption(level: number, option: number, value: Uint8Array, doing: string): void {
    if (!this.trySetOption(level, option, value)) throw failed(doing);
  }

  /**
   * Fills `value` with an option.
   * @throws ReplayError ERR_IO_SOCKET
   */
  readOption(level: number, option: number, value: Uint8Array): void {
    const bytes = Uint32Array.of(value.length);
    if (getsockopt(this.fd, level, option, value, bytes) < 0) throw failed('asking a socket');
  }

  /**
   * One packet into `into`, if there is one; what does not fit is cut off.
   * @returns its octets in `into`, or -1 when there is none now
   * @throws ReplayError ERR_IO_SOCKET
   */
  receive(into: Uint8Array): number {
    const bytes = recv(this.fd, into, into.length, MSG_DONTWAIT);
    if (bytes >= 0) return bytes;
    const errno = lastErrno();
    // ENETDOWN is told once when the interface goes down; it may come up again.
    if (errno === Errno.EAGAIN || errno === Errno.EINTR || errno === Errno.ENETDOWN) return -1;
    throw failed('receiving from a raw socket');
  }

  /** Whether the kernel took the packet; errno says why not. */
  trySend(octets: Uint8Array): boolean {
    return send(this.fd, octets, octets.length, MSG_DONTWAIT) >= 0;
  }
}

/** A socket of the kernel's, closed once however often `close` is called. */
export class Socket extends SocketHandle {
  #isOpen = true;

  /**
   * Opens one that does not block.
   * @param protocol in the order of octets that the family asks for
   * @throws ReplayError ERR_IO_NOT_PERMITTED, ERR_IO_SOCKET
   */
  constructor(domain: number, type: number, protocol: number) {
    super(socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol));
    if (this.fd < 0) throw failed('opening a raw socket');
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    close(this.fd);
  }
}

/** Takes the error that waits at a socket, whatever it is. */
export function clearSocketError(fd: number): void {
  getsockopt(fd, SOL_SOCKET, SO_ERROR, new Uint8Array(4), Uint32Array.of(4));
}

/** A C `int` as the octets of a socket option. */
export const intOption = (value: number): Uint8Array => new Uint8Array(Int32Array.of(value).buffer);

/** struct sockaddr_un of an abstract name (unix(7)), at most 107 octets. */
export function unixAddress(name: string): Uint8Array {
  const octets = new TextEncoder().encode(`\0\0\0${name}`);
  new DataView(octets.buffer).setUint16(0, AF_UNIX, true);
  return octets;
}

/** struct sockaddr_ll without a link-layer address: 20 octets. */
export function packetAddress(protocol: number, interfaceIndex: number): Uint8Array {
  const name = new Uint8Array(20);
  const data = new DataView(name.buffer);
  data.setUint16(0, AF_PACKET, true);
  data.setUint16(2, protocol);
  data.setInt32(4, interfaceIndex, true);
  return name;
}

/** struct packet_mreq: what a packet socket also wants to see. */
export function packetMembership(interfaceIndex: number, type: number): Uint8Array {
  const request = new Uint8Array(16);
  const data = new DataView(request.buffer);
  data.setInt32(0, interfaceIndex, true);
  data.setUint16(4, type, true);
  return request;
}

/** Buffers as large as asked where privilege allows, else as large as the machine's limit. */
export function growSendBuffer(socketOf: Socket, bytes: number): void {
  if (!socketOf.trySetOption(SOL_SOCKET, SO_SNDBUFFORCE, intOption(bytes))) {
    socketOf.trySetOption(SOL_SOCKET, SO_SNDBUF, intOption(bytes));
  }
}

/** As `growSendBuffer`, for what waits to be received. */
export function growReceiveBuffer(socketOf: Socket, bytes: number): void {
  if (!socketOf.trySetOption(SOL_SOCKET, SO_RCVBUFFORCE, intOption(bytes))) {
    socketOf.trySetOption(SOL_SOCKET, SO_RCVBUF, intOption(bytes));
  }
}

const failed = (doing: string): ReplayError =>
  systemError({ code: 'ERR_IO_SOCKET', doing, errno: lastErrno() });
