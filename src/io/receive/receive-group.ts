/**
 * The packet sockets of a run's threads as one listener of the interface (PACKET_FANOUT, packet(7)). Each packet that
 * comes in passes every listener there is: threads that listen by themselves pay for each other's replies, a filter a
 * packet and thread. A group is passed once, and its program says whose the packet is.
 *
 * The program returns the socket's place in the group. The kernel numbers places in the order of joining; in that of
 * opening when the interface comes up again; and anew whenever a socket leaves. So whoever holds the group opens all
 * sockets and closes them together, and threads only use them. Each keeps its own filter: what were led to the
 * wrong one is not taken for its own.
 */
import type { BpfInstruction } from '../../base/bpf-instruction.ts';
import { giveProgram } from '../filter/socket-filter.ts';
import {
  intOption,
  PACKET_FANOUT,
  PACKET_FANOUT_CBPF,
  PACKET_FANOUT_DATA,
  PACKET_FANOUT_FLAG_IGNORE_OUTGOING,
  PACKET_FANOUT_FLAG_UNIQUEID,
  SOL_PACKET,
  type Socket,
} from '../sys/socket.ts';
import { openPacketSocket } from './packet-ring.ts';

/** A socket a thread, until `close`. */
export class ReceiveGroup {
  readonly #sockets: readonly Socket[];

  /** @throws ReplayError ERR_IO_NOT_PERMITTED, ERR_IO_SOCKET */
  constructor(size: number) {
    const sockets: Socket[] = [];
    this.#sockets = sockets;
    try {
      while (sockets.length < size) sockets.push(openPacketSocket());
    } catch (fault) {
      this.close();
      throw fault;
    }
  }

  /** Descriptors, in the order of the group. */
  get fds(): readonly number[] {
    return this.#sockets.map(({ fd }) => fd);
  }

  /**
   * Once all are bound, each with its own filter. Nothing is lost meanwhile: whoever has not joined listens by itself.
   * @param program returns a packet's place
   * @throws ReplayError ERR_IO_SOCKET, ERR_IO_FILTER
   */
  join(program: readonly BpfInstruction[]): void {
    const how = PACKET_FANOUT_CBPF | PACKET_FANOUT_FLAG_IGNORE_OUTGOING;
    const [first, ...others] = this.#sockets;
    joinGroup(first, 0, how | PACKET_FANOUT_FLAG_UNIQUEID);
    giveProgram(first, SOL_PACKET, PACKET_FANOUT_DATA, program);
    const told = new Uint8Array(4);
    first.readOption(SOL_PACKET, PACKET_FANOUT, told);
    const group = new DataView(told.buffer).getUint16(0, true);
    for (const socket of others) joinGroup(socket, group, how);
  }

  /** Harmless when called twice. */
  close(): void {
    for (const socket of this.#sockets) socket.close();
  }
}

function joinGroup(socket: Socket, group: number, how: number): void {
  const value = intOption(group | (how << 16));
  socket.setOption(SOL_PACKET, PACKET_FANOUT, value, 'joining a group of listeners');
}

/**
 * Whether the kernel has groups that do not hear what goes out: since Linux 6.2; before, it takes the flag and does
 * not know it.
 * @param release as `uname -r` says it
 */
export function hasReceiveGroups(release: string): boolean {
  const [major, minor] = release.split('.').map((part) => Number.parseInt(part, 10));
  return major > 6 || (major === 6 && minor >= 2);
}
