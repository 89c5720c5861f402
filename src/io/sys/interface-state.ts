/** What the kernel says of a network interface: if_indextoname(3), and SIOCGIFFLAGS of netdevice(7). */
import { libcFunction, OCTETS } from './libc.ts';
import { AF_INET, SOCK_DGRAM, Socket } from './socket.ts';

/** `gone`: no interface has this index any more, not even one of the same name. */
export type InterfaceState = 'up' | 'down' | 'gone';

/** struct ifreq: a name of 16 octets, and a union of 24. */
const IFREQ_BYTES = 40;
const IFREQ_FLAGS = 16;
const SIOCGIFFLAGS = 0x8913;
const IFF_UP = 0x1;

const indexToName = libcFunction<(index: number, name: Uint8Array) => number>(
  'if_indextoname',
  'intptr_t',
  ['uint32_t', OCTETS],
);
const ioctl = libcFunction<(fd: number, request: number, value: Uint8Array) => number>(
  'ioctl',
  'int',
  ['int', 'unsigned long', OCTETS],
);

/**
 * The state of an interface of this thread's network namespace: a few system calls.
 * @throws ReplayError ERR_IO_SOCKET
 */
export function interfaceState(index: number): InterfaceState {
  const request = new Uint8Array(IFREQ_BYTES);
  if (indexToName(index, request) === 0) return 'gone';
  const socket = new Socket(AF_INET, SOCK_DGRAM, 0);
  try {
    if (ioctl(socket.fd, SIOCGIFFLAGS, request) < 0) return 'gone';
    const flags = new DataView(request.buffer).getUint16(IFREQ_FLAGS, true);
    return (flags & IFF_UP) === 0 ? 'down' : 'up';
  } finally {
    socket.close();
  }
}
