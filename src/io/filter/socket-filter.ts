/** Kernel filters of sockets: SO_ATTACH_FILTER (Documentation/networking/filter.rst). */

import type { BpfInstruction } from '../../base/bpf-instruction.ts';
import { lastErrno, systemError } from '../sys/errno.ts';
import { KernelMemory } from '../sys/memory.ts';
import { SO_ATTACH_FILTER, SOL_SOCKET, type SocketHandle } from '../sys/socket.ts';
import { emitBpf } from './bpf.ts';

/**
 * Gives a socket its filter, before it is bound, or another one in place of the one it has.
 * @throws ReplayError ERR_IO_FILTER
 */
export function attachFilter(socket: SocketHandle, filter: readonly BpfInstruction[]): void {
  giveProgram(socket, SOL_SOCKET, SO_ATTACH_FILTER, filter);
}

/**
 * Sets an option whose value is a program (struct sock_fprog).
 * @throws ReplayError ERR_IO_FILTER
 */
export function giveProgram(
  socket: SocketHandle,
  level: number,
  option: number,
  program: readonly BpfInstruction[],
): void {
  const octets = emitBpf(program);
  const memory = new KernelMemory(octets.length);
  new Uint8Array(memory.buffer).set(octets);
  // struct sock_fprog: instruction count, then the program's address at octet 8.
  const value = new Uint8Array(16);
  const data = new DataView(value.buffer);
  data.setUint16(0, program.length, true);
  data.setBigUint64(8, BigInt(memory.address), true);
  try {
    if (socket.trySetOption(level, option, value)) return;
    throw systemError({
      code: 'ERR_IO_FILTER',
      doing: `attaching a packet filter of ${program.length} instructions`,
      errno: lastErrno(),
      // The kernel's limit of 20 KB before 6.7 is less than many client ranges ask for.
      hint: 'sysctl -w net.core.optmem_max=131072, or give the client pool as fewer ranges',
    });
  } finally {
    memory.close();
  }
}
