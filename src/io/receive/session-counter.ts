/** Counts sessions that begin, in the kernel and without a copy: a packet socket that nobody reads. */
import type { BpfInstruction } from '../../base/bpf-instruction.ts';
import { attachFilter } from '../filter/socket-filter.ts';
import {
  AF_PACKET,
  ETH_P_ALL,
  intOption,
  PACKET_IGNORE_OUTGOING,
  PACKET_STATISTICS,
  packetAddress,
  SO_RCVBUF,
  SOCK_DGRAM,
  SOL_PACKET,
  SOL_SOCKET,
  Socket,
} from '../sys/socket.ts';

/**
 * Packets that pass a filter, counted. Its statistics count those without room as well
 * (packet_getsockopt in net/packet/af_packet.c adds them), and there is next to no room.
 */
export class SessionCounter {
  readonly #socket: Socket;
  #passed = 0;

  /** @throws ReplayError ERR_IO_NOT_PERMITTED, ERR_IO_SOCKET, ERR_IO_FILTER */
  constructor(options: {
    readonly interfaceIndex: number;
    readonly filter: readonly BpfInstruction[];
    readonly isIncomingOnly: boolean;
  }) {
    this.#socket = new Socket(AF_PACKET, SOCK_DGRAM, 0);
    try {
      attachFilter(this.#socket, options.filter);
      this.#socket.setOption(SOL_SOCKET, SO_RCVBUF, intOption(0), 'asking for no buffer');
      if (options.isIncomingOnly) {
        const doing = 'ignoring own packets';
        this.#socket.setOption(SOL_PACKET, PACKET_IGNORE_OUTGOING, intOption(1), doing);
      }
      this.#socket.bind(packetAddress(ETH_P_ALL, options.interfaceIndex));
    } catch (fault) {
      this.#socket.close();
      throw fault;
    }
  }

  /** How many have passed since it was opened. */
  readPassed(): number {
    // struct tpacket_stats: packets, drops; reading sets both to 0.
    const stats = new Uint8Array(8);
    this.#socket.readOption(SOL_PACKET, PACKET_STATISTICS, stats);
    this.#passed += new DataView(stats.buffer).getUint32(0, true);
    return this.#passed;
  }

  close(): void {
    this.#socket.close();
  }
}
