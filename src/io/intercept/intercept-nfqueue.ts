/**
 * `--mode nfqueue`: replies picked up on the target itself, out of netfilter's queues. Rules bring
 * the packets for registered clients there, where each waits for a verdict: DROP for what somebody
 * has registered for (so it never leaves the target, though its TCP thinks it has), ACCEPT for all
 * else, whatever it looks like.
 *
 * A batch of packets is answered with one verdict for each run of equal ones, which the kernel
 * applies to all that wait up to an id: usually one message for a whole batch.
 */

import { formatBlock } from '../../base/address-block.ts';
import { undoAfter } from '../../base/errors.ts';
import { snapBytesFor } from '../../base/prefix-bytes.ts';
import type {
  InterceptedSink,
  PacketEnds,
  PacketSource,
  Registration,
} from '../../intercept/ports.ts';
import { IpView } from '../../wire/ip-view.ts';
import { PacketTooBigView } from '../../wire/packet-too-big.ts';
import { TCP_HEADER_BYTES_MIN } from '../../wire/tcp.ts';
import { WireFault } from '../../wire/wire-fault.ts';
import { readInterfaces } from '../way/interfaces.ts';
import { returnPathWarnings } from './intercept-checks.ts';
import {
  describeRegistration,
  type PassedClients,
  RegistrationMatcher,
  snapBytesOf,
  withoutPassed,
} from './intercept-registrations.ts';
import { InterceptRules, ruleLines } from './intercept-rules.ts';
import { WithheldRegistrations } from './intercept-withheld.ts';
import { type QueuedPacket, QueueVerdict } from './nfqueue-messages.ts';
import { NfqueueSocket, type QueueSink } from './nfqueue-socket.ts';

const NO_LEFTOVERS = { count: 0, withheld: [] } as const;
const NO_SINK: InterceptedSink = { onPacket: () => undefined };

/** More than a queue holds: with rules of the operator's own it is never empty for long. */
const DRAIN_PACKETS = 1_024;
const DRAIN_BATCHES_MAX = 64;

/** What the intercept by netfilter queues is told. */
export interface NfqueueOptions {
  /** Both ends included. */
  readonly queues: { readonly first: number; readonly last: number };
  readonly failOpen: boolean;
  /** Rules are somebody else's business. */
  readonly noRules: boolean;
  readonly passed: readonly PassedClients[];
  /** Octets of payload handed over with the headers: at first, and the most ever registered. */
  readonly prefixBytes: number;
  readonly prefixBytesMax: number;
}

/** Answers every queued packet, and hands over those that somebody has registered for. */
export class NfqueueSource implements PacketSource, QueueSink {
  readonly data: DataView;
  readonly fds: readonly number[];
  readonly #options: NfqueueOptions;
  readonly #socket: NfqueueSocket;
  readonly #rules: InterceptRules | null;
  readonly #ip = new IpView();
  readonly #message = new PacketTooBigView();
  /** Rules of a killed intercept, whose place ours have taken. */
  readonly #takenOver: number;
  #registrations: WithheldRegistrations;
  #wanted = new RegistrationMatcher([]);
  #withheld: RegistrationMatcher;
  #warnings: readonly string[] = [];
  #sink: InterceptedSink = NO_SINK;
  #handedOver = 0;
  /** Octets of a packet that the kernel hands over. */
  #snapBytes: number;
  #isOpen = true;

  /**
   * @throws ReplayError ERR_IO_NOT_PERMITTED, ERR_IO_NO_IPTABLES, ERR_IO_QUEUE_TAKEN, ERR_IO_QUEUE,
   * ERR_IO_RULES, ERR_IO_SOCKET (environment)
   */
  constructor(options: NfqueueOptions) {
    this.#options = options;
    const { queues, failOpen, noRules, prefixBytes, prefixBytesMax } = options;
    this.#rules = noRules ? null : new InterceptRules(options);
    const { count, withheld } = this.#rules?.findLeftovers() ?? NO_LEFTOVERS;
    this.#takenOver = count;
    const early = count > 0 ? QueueVerdict.DROP : QueueVerdict.ACCEPT;
    const snapBytes = snapBytesFor(prefixBytes);
    const snapBytesMax = snapBytesFor(Math.max(prefixBytes, prefixBytesMax));
    this.#socket = new NfqueueSocket({ queues, failOpen, snapBytes, snapBytesMax, early });
    this.#snapBytes = snapBytes;
    this.data = this.#socket.data;
    this.fds = [this.#socket.fd];
    this.#registrations = new WithheldRegistrations([], withheld);
    this.#withheld = new RegistrationMatcher(withoutPassed(withheld, options.passed));
    try {
      if (count > 0) this.#rules?.replace(withoutPassed(withheld, options.passed));
    } catch (fault) {
      throw undoAfter(fault, () => this.close());
    }
  }

  /**
   * On a fault the former registrations stay in force.
   * @throws ReplayError ERR_IO_TOO_MANY_RULES, ERR_IO_WITHHELD_FULL (usage); ERR_IO_RULES, ERR_IO_NO_IPTABLES (environment)
   */
  setRegistrations(registrations: readonly Registration[]): void {
    const next = this.#registrations.after(registrations);
    const { passed } = this.#options;
    this.#setSnapBytes(snapBytesOf(registrations));
    this.#rules?.replace(withoutPassed(next.all, passed));
    this.#registrations = next;
    this.#wanted = new RegistrationMatcher(withoutPassed(next.current, passed));
    this.#withheld = new RegistrationMatcher(withoutPassed(next.former, passed));
    this.#warnings = returnPathWarnings(registrations, readInterfaces());
  }

  receive(limit: number, sink: InterceptedSink): number {
    this.#sink = sink;
    this.#handedOver = 0;
    this.#socket.receive(limit, this);
    return this.#handedOver;
  }

  #setSnapBytes(snapBytes: number): void {
    if (snapBytes === this.#snapBytes) return;
    this.#socket.setSnapBytes(snapBytes, this);
    this.#snapBytes = snapBytes;
  }

  onQueued(packet: QueuedPacket): QueueVerdict {
    const ip = this.#ip;
    const { start, bytes } = packet;
    ip.wrap(this.data, start, bytes);
    const fault = bytes === 0 ? WireFault.TRUNCATED : ip.check();
    if (fault === WireFault.NOT_TCP) return this.#onNotTcp(packet);
    if (fault !== WireFault.OK) return QueueVerdict.ACCEPT;
    const ports = start + ip.headerBytes;
    if (Math.min(bytes, ip.totalBytes) < ip.headerBytes + TCP_HEADER_BYTES_MIN) {
      return QueueVerdict.ACCEPT;
    }
    return this.#judge(packet, ip, this.data.getUint16(ports), this.data.getUint16(ports + 2));
  }

  /** What this machine, or a router by an operator's rule, says of a packet that was too big. */
  #onNotTcp(packet: QueuedPacket): QueueVerdict {
    const message = this.#message;
    message.wrap(this.data, packet.start, packet.bytes, this.#ip);
    if (message.check() !== WireFault.OK) return QueueVerdict.ACCEPT;
    return this.#judge(packet, message, message.srcPort, message.dstPort);
  }

  #judge(packet: QueuedPacket, ends: PacketEnds, srcPort: number, dstPort: number): QueueVerdict {
    if (this.#wanted.matches(ends, srcPort, dstPort)) {
      this.#handedOver++;
      this.#sink.onPacket(packet.start, packet.bytes, packet.seconds, packet.nanoseconds);
      return QueueVerdict.DROP;
    }
    if (this.#withheld.matches(ends, srcPort, dstPort)) return QueueVerdict.DROP;
    return QueueVerdict.ACCEPT;
  }

  readDropped(): number {
    return this.#socket.readDropped();
  }

  describe(): readonly string[] {
    const { queues, failOpen, passed } = this.#options;
    const { first, last } = queues;
    const where = first === last ? `queue ${first}` : `queues ${first}-${last}`;
    const { current } = this.#registrations;
    const rules = ruleLines(withoutPassed(this.#registrations.all, passed), this.#options);
    const verb = this.#rules === null ? 'needs' : 'has installed';
    return [
      ...(this.#takenOver > 0
        ? [`took over ${this.#takenOver} rules that a killed intercept had left behind`]
        : []),
      ...(current.length === 0
        ? [`takes nothing from ${where} yet: no replay has registered`]
        : []),
      ...current.map((one) => `takes from ${where}: ${describeRegistration(one)}`),
      ...(failOpen ? ['fails open: packets leave when the intercept cannot take them'] : []),
      ...passed.map(
        ({ block, port }) =>
          `lets through: ${formatBlock(block)}${port === null ? '' : `, port ${port}`}`,
      ),
      ...rules.map((line) => `${verb}: ${line}`),
      ...this.#registrations.describe(),
      ...this.#warnings,
    ];
  }

  /** Rules go first, so that what still waits gets its verdict and nothing comes after it. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#sink = NO_SINK;
    try {
      this.#rules?.close();
      for (let batches = 0; batches < DRAIN_BATCHES_MAX; batches++) {
        if (this.#socket.receive(DRAIN_PACKETS, this) < DRAIN_PACKETS) break;
      }
    } finally {
      this.#socket.close();
    }
  }
}
