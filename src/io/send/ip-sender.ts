import { assert } from '../../base/assert.ts';
import type { Sender } from '../../transport/ports.ts';
import { type FrameBatch, HEADER_SLOT_BYTES } from '../../wire/frame-batch.ts';
import { IPV4_DESTINATION } from '../../wire/ipv4.ts';
import { IPV6_DESTINATION } from '../../wire/ipv6.ts';
import type { CaptureMap } from '../files/capture-map.ts';
import type { RunClock } from '../receive/run-clock.ts';
import type { KernelMemory } from '../sys/memory.ts';
import {
  AF_INET,
  AF_INET6,
  growSendBuffer,
  IPPROTO_RAW,
  SO_BINDTODEVICE,
  SOCK_RAW,
  SOL_SOCKET,
  Socket,
} from '../sys/socket.ts';
import { FrameMessages, NAME_BYTES } from './frame-messages.ts';
import { BATCH_FRAMES } from './packet-sender.ts';
import { SEND_BUFFER_BYTES } from './send-buffer.ts';
import { KERNEL_SEND_CALLS } from './send-calls.ts';
import { SendFaults } from './send-faults.ts';

/** struct sockaddr_in and sockaddr_in6, in 32-bit words: where the address stands, and their size. */
const SOCKADDR_IN = { addressWord: 1, addressWords: 1, bytes: 16 } as const;
const SOCKADDR_IN6 = { addressWord: 2, addressWords: 4, bytes: 28 } as const;

const SLOT_WORDS = HEADER_SLOT_BYTES / 4;
const NAME_WORDS = NAME_BYTES / 4;

/** Where the IP layer's sender leaves and what it sends from. */
export interface IpSenderOptions {
  /** Every packet of the batch is of this version. */
  readonly family: 4 | 6;
  /** Packets leave by this interface only; null: as the routing table says. */
  readonly interfaceName: string | null;
  /** Must outlive the sender. */
  readonly captureMap: CaptureMap;
  readonly clock: RunClock;
  readonly batchFrames?: number;
  /** Where extents from ARENA_BASE on lie; must outlive the sender. */
  readonly arena?: KernelMemory | null;
}

/**
 * Sends IP packets by a raw socket (`IPPROTO_RAW`: the header is ours) and `sendmmsg`. Slots begin
 * at the IP header. The kernel routes each packet and its netfilter sees it; that costs about
 * twice an AF_PACKET frame.
 */
export class IpSender implements Sender {
  readonly batch: FrameBatch;
  readonly faults = new SendFaults();
  readonly #socket: Socket;
  readonly #messages: FrameMessages;
  readonly #name: typeof SOCKADDR_IN | typeof SOCKADDR_IN6;
  readonly #destinationWord: number;
  readonly #headerWords: Uint32Array;
  readonly #nameWords: Uint32Array;

  /** @throws ReplayError ERR_IO_NOT_PERMITTED, ERR_IO_SOCKET */
  constructor(options: IpSenderOptions) {
    const { family, interfaceName, captureMap, clock, batchFrames = BATCH_FRAMES } = options;
    const arenaAddress = options.arena?.address ?? 0;
    const isIpv4 = family === 4;
    this.#name = isIpv4 ? SOCKADDR_IN : SOCKADDR_IN6;
    this.#destinationWord = (isIpv4 ? IPV4_DESTINATION : IPV6_DESTINATION) / 4;
    this.#socket = new Socket(isIpv4 ? AF_INET : AF_INET6, SOCK_RAW, IPPROTO_RAW);
    try {
      growSendBuffer(this.#socket, SEND_BUFFER_BYTES);
      if (interfaceName !== null) bindToDevice(this.#socket, interfaceName);
      this.#messages = new FrameMessages(
        batchFrames,
        captureMap.address,
        this.#name.bytes,
        arenaAddress,
        KERNEL_SEND_CALLS,
        clock,
      );
    } catch (fault) {
      this.#socket.close();
      throw fault;
    }
    const { batch, names } = this.#messages;
    this.batch = batch;
    this.#headerWords = new Uint32Array(batch.headers.buffer, 0, batchFrames * SLOT_WORDS);
    this.#nameWords = new Uint32Array(names.buffer, names.byteOffset, batchFrames * NAME_WORDS);
    for (let frame = 0; frame < batchFrames; frame++) {
      this.#nameWords[frame * NAME_WORDS] = isIpv4 ? AF_INET : AF_INET6;
    }
  }

  flush(): void {
    const { batch } = this;
    this.#nameDestinations(batch.count);
    this.#messages.prepare();
    this.#messages.sendStamped(this.#socket.fd, 0, batch.count, this.faults);
    batch.count = 0;
  }

  close(): void {
    this.#socket.close();
    this.#messages.close();
  }

  /** The socket's names are in network order, as the headers are: words are copied as they stand. */
  #nameDestinations(count: number): void {
    const { addressWord, addressWords } = this.#name;
    const headers = this.#headerWords;
    const names = this.#nameWords;
    for (let frame = 0; frame < count; frame++) {
      const from = frame * SLOT_WORDS + this.#destinationWord;
      const to = frame * NAME_WORDS + addressWord;
      for (let i = 0; i < addressWords; i++) names[to + i] = headers[from + i];
    }
  }
}

function bindToDevice(socket: Socket, name: string): void {
  assert(name.length < 16, 'a device name has at most 15 octets');
  const octets = new TextEncoder().encode(`${name}\0`);
  socket.setOption(SOL_SOCKET, SO_BINDTODEVICE, octets, `binding a raw socket to ${name}`);
}
