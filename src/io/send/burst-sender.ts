/**
 * Sends a batch's bursts (wire/segment-burst.ts) by a packet socket of their own, whose frames begin with struct
 * virtio_net_hdr, and what lies between them as single frames.
 */
import type { FrameBatch } from '../../wire/frame-batch.ts';
import { Errno } from '../sys/errno.ts';
import { intOption, PACKET_VNET_HDR, SOL_PACKET, type Socket } from '../sys/socket.ts';
import { BurstMessages } from './burst-messages.ts';
import type { FrameMessages } from './frame-messages.ts';
import { KERNEL_SEND_CALLS, type SendCalls } from './send-calls.ts';
import type { SendFaults } from './send-faults.ts';

/** What it needs of a packet socket. */
export type BurstSocket = Pick<Socket, 'fd' | 'trySetOption' | 'close'>;

/** A batch that has bursts is sent by it. */
export class BurstSender {
  readonly #socket: BurstSocket;
  readonly #bursts: BurstMessages;
  readonly #calls: SendCalls;
  #isAble: boolean;

  /**
   * @param socket a packet socket that is bound to the interface; this one closes it
   * @param batchFrames frames of a batch at most
   * @param mapAddress, @param arenaAddress where extents lie, as of FrameMessages
   */
  constructor(
    socket: BurstSocket,
    batchFrames: number,
    mapAddress: number,
    arenaAddress: number,
    calls: SendCalls = KERNEL_SEND_CALLS,
  ) {
    this.#socket = socket;
    this.#calls = calls;
    this.#bursts = new BurstMessages(batchFrames, mapAddress, arenaAddress, calls);
    // Kernels without it send each segment by itself.
    this.#isAble = socket.trySetOption(SOL_PACKET, PACKET_VNET_HDR, intOption(1));
  }

  /** Whether the batch has bursts; then `send` is to send it. */
  prepare(batch: FrameBatch): boolean {
    if (!this.#isAble) return false;
    this.#bursts.prepare(batch);
    return this.#bursts.count > 0;
  }

  /**
   * Sends the batch, in its order.
   * @param messages its frames, @param fd the socket that takes them
   */
  send(messages: FrameMessages, fd: number, faults: SendFaults): void {
    const { stamps } = messages;
    const { from, to, count } = this.#bursts;
    const sendSingly = (first: number, end: number): void => {
      messages.fill(first, end);
      messages.sendStamped(fd, first, end, faults);
    };
    let sent = 0;
    messages.begin();
    for (let burst = 0; burst < count; ) {
      if (from[burst] > sent) sendSingly(sent, from[burst]);
      let end = burst + 1;
      while (end < count && from[end] === to[end - 1] && to[end] - from[burst] <= stamps.frames) {
        end++;
      }
      stamps.onCall(from[burst], to[end - 1]);
      const taken = this.#bursts.send(this.#socket.fd, burst, end);
      // What is refused as a burst is waited for, or charged, frame by frame.
      if (taken === 0) {
        this.#onRefused();
        sendSingly(from[burst], to[burst]);
      } else stamps.onReturn(to[burst + taken - 1] - from[burst]);
      burst += Math.max(1, taken);
      sent = to[burst - 1];
    }
    sendSingly(sent, messages.batch.count);
  }

  #onRefused(): void {
    // The interface does not know of segments.
    if (this.#calls.lastErrno() === Errno.EINVAL) this.#isAble = false;
  }

  close(): void {
    this.#socket.close();
    this.#bursts.close();
  }
}
