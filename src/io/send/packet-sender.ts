import type { Sender } from '../../transport/ports.ts';
import type { FrameBatch } from '../../wire/frame-batch.ts';
import type { CaptureMap } from '../files/capture-map.ts';
import type { RunClock } from '../receive/run-clock.ts';
import type { KernelMemory } from '../sys/memory.ts';
import { AF_PACKET, growSendBuffer, packetAddress, SOCK_RAW, Socket } from '../sys/socket.ts';
import { BurstSender } from './burst-sender.ts';
import { FrameMessages } from './frame-messages.ts';
import { SEND_BUFFER_BYTES } from './send-buffer.ts';
import { KERNEL_SEND_CALLS } from './send-calls.ts';
import { SendFaults } from './send-faults.ts';

/**
 * What one flush hands over at most, in calls of about 50 µs (call-stamps.ts). 64 frames send 8 % fewer packets a
 * second, 1024 no more.
 */
export const BATCH_FRAMES = 256;

/** Where the packet socket's sender leaves and what it sends from. */
export interface PacketSenderOptions {
  readonly interfaceIndex: number;
  /** Must outlive the sender; its address is what extents are counted from. */
  readonly captureMap: CaptureMap;
  readonly clock: RunClock;
  readonly batchFrames?: number;
  /** Where extents from ARENA_BASE on lie; must outlive the sender. */
  readonly arena?: KernelMemory | null;
}

/**
 * Sends whole link-layer frames by an AF_PACKET socket and `sendmmsg`: payload goes from the mapped
 * capture to the kernel without a copy in between. Local netfilter and routing are not asked. Segments that
 * follow each other on one connection go as one burst, by a socket of their own.
 */
export class PacketSender implements Sender {
  readonly batch: FrameBatch;
  readonly faults = new SendFaults();
  readonly #socket: Socket;
  readonly #messages: FrameMessages;
  readonly #bursts: BurstSender;

  /** @throws ReplayError ERR_IO_NOT_PERMITTED, ERR_IO_SOCKET */
  constructor(options: PacketSenderOptions) {
    const { interfaceIndex, captureMap, clock, batchFrames = BATCH_FRAMES } = options;
    const arenaAddress = options.arena?.address ?? 0;
    const opened: Socket[] = [];
    try {
      // Segments by one, bursts by the other.
      while (opened.length < 2) opened.push(openPacketSocket(interfaceIndex));
      const [socket, ofBursts] = opened;
      const { address } = captureMap;
      this.#socket = socket;
      const calls = KERNEL_SEND_CALLS;
      this.#messages = new FrameMessages(batchFrames, address, 0, arenaAddress, calls, clock);
      this.#bursts = new BurstSender(ofBursts, batchFrames, address, arenaAddress);
    } catch (fault) {
      for (const socket of opened) socket.close();
      throw fault;
    }
    this.batch = this.#messages.batch;
  }

  flush(): void {
    const { batch } = this;
    const { fd } = this.#socket;
    if (this.#bursts.prepare(batch)) {
      this.#bursts.send(this.#messages, fd, this.faults);
    } else {
      this.#messages.prepare();
      this.#messages.sendStamped(fd, 0, batch.count, this.faults);
    }
    batch.count = 0;
  }

  close(): void {
    this.#socket.close();
    this.#messages.close();
    this.#bursts.close();
  }
}

function openPacketSocket(interfaceIndex: number): Socket {
  // Protocol 0: this socket receives nothing, so the kernel does not copy replies for it.
  const socket = new Socket(AF_PACKET, SOCK_RAW, 0);
  try {
    growSendBuffer(socket, SEND_BUFFER_BYTES);
    socket.bind(packetAddress(0, interfaceIndex));
    return socket;
  } catch (fault) {
    socket.close();
    throw fault;
  }
}
