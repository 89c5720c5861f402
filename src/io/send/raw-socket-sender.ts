/**
 * Sending through the npm package raw-socket, one call a packet: slower than the others by far
 * (bench/io/senders), kept as a second opinion that shares no code with them.
 *
 * The package is optional, since it is compiled at install. It can be loaded by one thread of a
 * process only. Its `send` queues and waits for the event loop, which a worker that blocks never
 * enters; `onSendReady`, which the loop would call, sends the queue's first packet at once.
 */
import { createRequire } from 'node:module';
import { addressOfBytes, formatAddress } from '../../base/address.ts';
import { ReplayError } from '../../base/errors.ts';
import type { CaptureBytes, Sender } from '../../transport/ports.ts';
import { EXTENTS_PER_FRAME, FrameBatch, HEADER_SLOT_BYTES } from '../../wire/frame-batch.ts';
import { IPV4_ADDRESS_BYTES, IPV4_DESTINATION } from '../../wire/ipv4.ts';
import { IPV6_ADDRESS_BYTES, IPV6_DESTINATION } from '../../wire/ipv6.ts';
import type { RunClock } from '../receive/run-clock.ts';
import { Waiter } from '../receive/wait.ts';
import { Errno, PRIVILEGE_HINT } from '../sys/errno.ts';
import { IPPROTO_RAW, SO_BINDTODEVICE, SOL_SOCKET } from '../sys/socket.ts';
import { BATCH_FRAMES } from './packet-sender.ts';
import { SendFaults } from './send-faults.ts';

/** The longest IP packet. */
const PACKET_BYTES_MAX = 65_535;
/** As the other senders: a flush waits for room this often before it counts what is left. */
const WAITS_PER_FLUSH = 50;
const WAIT_NS = 200_000;

/** What the package throws is strerror's text. */
const ERRNO_OF_TEXT: ReadonlyMap<string, number> = new Map([
  ['Operation not permitted', Errno.EPERM],
  ['Permission denied', Errno.EACCES],
  ['Message too long', Errno.EMSGSIZE],
  ['Resource temporarily unavailable', Errno.EAGAIN],
  ['No buffer space available', Errno.ENOBUFS],
  ['Cannot allocate memory', Errno.ENOMEM],
  ['Network is down', Errno.ENETDOWN],
  ['Network is unreachable', Errno.ENETUNREACH],
  ['No route to host', Errno.EHOSTUNREACH],
  ['No such device or address', Errno.ENXIO],
  ['No such device', Errno.ENODEV],
]);

interface RawSocket {
  send(
    octets: Buffer,
    offset: number,
    bytes: number,
    address: string,
    after: (fault: Error | null) => void,
  ): void;
  /** Sends the queue's first packet and calls its `after`. */
  onSendReady(): void;
  setOption(level: number, option: number, value: Buffer, bytes: number): void;
  on(event: 'error', listener: (fault: Error) => void): void;
  close(): void;
}

interface RawSocketModule {
  createSocket(options: { protocol: number; addressFamily: number }): RawSocket;
  readonly AddressFamily: { readonly IPv4: number; readonly IPv6: number };
}

/** Where the raw-socket package's sender leaves and what it sends from. */
export interface RawSocketSenderOptions {
  /** Every packet of the batch is of this version. */
  readonly family: 4 | 6;
  /** Packets leave by this interface only; null: as the routing table says. */
  readonly interfaceName: string | null;
  /** Where payload is copied from: the package takes one buffer a packet. */
  readonly captureBytes: CaptureBytes;
  readonly clock: RunClock;
  readonly batchFrames?: number;
}

/** As IpSender: slots begin at the IP header. */
export class RawSocketSender implements Sender {
  readonly batch: FrameBatch;
  readonly faults = new SendFaults();
  readonly #socket: RawSocket;
  readonly #captureBytes: CaptureBytes;
  readonly #clock: RunClock;
  readonly #packet = Buffer.alloc(PACKET_BYTES_MAX);
  readonly #destinationAt: number;
  readonly #destinationBytes: number;
  /** Text forms of the destinations: the package takes no other, and they are few. */
  readonly #texts = new Map<string, string>();
  readonly #waiter = new Waiter([]);
  #errno = 0;
  #waitsLeft = 0;

  /** @throws ReplayError ERR_IO_NO_RAW_SOCKET, ERR_IO_NOT_PERMITTED, ERR_IO_SOCKET */
  constructor(options: RawSocketSenderOptions) {
    const isIpv4 = options.family === 4;
    this.#captureBytes = options.captureBytes;
    this.#clock = options.clock;
    this.#destinationAt = isIpv4 ? IPV4_DESTINATION : IPV6_DESTINATION;
    this.#destinationBytes = isIpv4 ? IPV4_ADDRESS_BYTES : IPV6_ADDRESS_BYTES;
    this.batch = new FrameBatch(options.batchFrames ?? BATCH_FRAMES);
    this.#socket = open(loadPackage(), isIpv4, options.interfaceName);
    // A fault of the receiving half, which a socket of IPPROTO_RAW has no use for.
    this.#socket.on('error', (fault) => this.faults.countOther(fault.message));
  }

  flush(): void {
    const { batch } = this;
    this.#waitsLeft = WAITS_PER_FLUSH;
    const firstNs = this.#clock.nowNs();
    batch.firstNs = firstNs;
    for (let frame = 0; frame < batch.count; frame++) {
      batch.laterNs[frame] = frame === 0 ? 0 : this.#clock.nowNs() - firstNs;
      this.#sendFrame(frame);
    }
    batch.count = 0;
  }

  close(): void {
    this.#socket.close();
    this.#waiter.close();
  }

  #sendFrame(frame: number): void {
    const bytes = this.#compose(frame);
    const destination = this.#destinationOf(frame);
    for (;;) {
      this.#errno = 0;
      this.#socket.send(this.#packet, 0, bytes, destination, this.#onSent);
      this.#socket.onSendReady();
      const isFull = this.#errno === Errno.EAGAIN || this.#errno === Errno.ENOBUFS;
      if (!isFull || this.#waitsLeft === 0) break;
      this.#waitsLeft--;
      this.#waiter.wait(WAIT_NS);
    }
    if (this.#errno > 0) this.faults.count(this.#errno);
  }

  readonly #onSent = (fault: Error | null): void => {
    if (fault === null) return;
    this.#errno = ERRNO_OF_TEXT.get(fault.message) ?? -1;
    if (this.#errno < 0) this.faults.countOther(`raw-socket: ${fault.message}`);
  };

  /** @returns the packet's octets */
  #compose(frame: number): number {
    const { headers, headerBytes, extentCount, extentOffset, extentBytes } = this.batch;
    const slot = frame * HEADER_SLOT_BYTES;
    this.#packet.set(headers.subarray(slot, slot + headerBytes[frame]));
    let at = headerBytes[frame];
    const first = frame * EXTENTS_PER_FRAME;
    for (let extent = first; extent < first + extentCount[frame]; extent++) {
      const end = at + extentBytes[extent];
      this.#captureBytes.read(extentOffset[extent], this.#packet.subarray(at, end));
      at = end;
    }
    return at;
  }

  #destinationOf(frame: number): string {
    const at = frame * HEADER_SLOT_BYTES + this.#destinationAt;
    const octets = this.batch.headers.subarray(at, at + this.#destinationBytes);
    const key = octets.join();
    const known = this.#texts.get(key);
    if (known !== undefined) return known;
    const text = formatAddress(addressOfBytes(octets));
    this.#texts.set(key, text);
    return text;
  }
}

function loadPackage(): RawSocketModule {
  try {
    return createRequire(import.meta.url)('raw-socket') as RawSocketModule;
  } catch (cause) {
    throw rawSocketFault(cause, process.version);
  }
}

/**
 * Why the package cannot be loaded, and what mends that: ERR_IO_NO_RAW_SOCKET (environment).
 * @param nodeVersion what this process runs on, `v20.19.0`
 */
export function rawSocketFault(cause: unknown, nodeVersion: string): ReplayError {
  const { code = '', message } = cause as { code?: string; message: string };
  // Its JavaScript is there, what is compiled of it is not.
  const isUncompiled = code === 'MODULE_NOT_FOUND' && message.includes('raw.node');
  const isOfOtherNode = message.includes('NODE_MODULE_VERSION');
  const fault = (what: string, hint: string): ReplayError =>
    new ReplayError({
      code: 'ERR_IO_NO_RAW_SOCKET',
      kind: 'environment',
      message: what,
      hint: `${hint}, or use --sender packet`,
      cause,
    });
  if (isOfOtherNode) {
    const what = `the package raw-socket was compiled for another Node than ${nodeVersion}`;
    return fault(what, 'npm rebuild raw-socket (it needs a compiler)');
  }
  if (isUncompiled) {
    const what = 'the optional package raw-socket was installed without being compiled';
    return fault(what, 'npm rebuild raw-socket (it needs a compiler)');
  }
  if (code === 'MODULE_NOT_FOUND') {
    const hint = 'npm install raw-socket (it needs a compiler)';
    return fault('the optional package raw-socket is not installed', hint);
  }
  const what = `the package raw-socket cannot be loaded: ${message}`;
  return fault(what, 'one thread of a process can load it: use --threads 1');
}

function open(raw: RawSocketModule, isIpv4: boolean, interfaceName: string | null): RawSocket {
  const { IPv4, IPv6 } = raw.AddressFamily;
  try {
    const addressFamily = isIpv4 ? IPv4 : IPv6;
    const socket = raw.createSocket({ protocol: IPPROTO_RAW, addressFamily });
    if (interfaceName !== null) {
      const name = Buffer.from(`${interfaceName}\0`);
      socket.setOption(SOL_SOCKET, SO_BINDTODEVICE, name, name.length);
    }
    return socket;
  } catch (cause) {
    const { message } = cause as Error;
    const isDenied = ERRNO_OF_TEXT.get(message) === Errno.EPERM;
    throw new ReplayError({
      code: isDenied ? 'ERR_IO_NOT_PERMITTED' : 'ERR_IO_SOCKET',
      kind: 'environment',
      message: `opening a raw socket failed: ${message}`,
      ...(isDenied ? { hint: PRIVILEGE_HINT } : {}),
      cause,
    });
  }
}
