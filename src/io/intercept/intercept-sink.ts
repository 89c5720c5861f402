/**
 * `--mode sink`: replies picked up on the target itself, without netfilter. The registered client
 * ranges are routed to a pair of virtual interfaces that leads nowhere (`SinkLink`), and a ring at
 * its other end takes what comes. The target's own routes are not changed: the sink's are more
 * specific than those, or registering is refused.
 */

import { type AddressBlock, formatBlock } from '../../base/address-block.ts';
import { undoAfter } from '../../base/errors.ts';
import { snapBytesFor } from '../../base/prefix-bytes.ts';
import type { InterceptedSink, PacketSource, Registration } from '../../intercept/ports.ts';
import { OperatorFilter } from '../filter/operator-filter.ts';
import { NOTHING_FILTER, registrationFilter } from '../filter/registration-filter.ts';
import { coveringBlocks } from '../way/address-blocks.ts';
import { findInterface, readInterfaces } from '../way/interfaces.ts';
import { GrowingRing } from './growing-ring.ts';
import { refuseOwnAddresses, returnPathWarnings } from './intercept-checks.ts';
import { describeRegistration, receiveFrom, snapBytesOf } from './intercept-registrations.ts';
import { WithheldRegistrations } from './intercept-withheld.ts';
import { CAPTURE_DEVICE, routeLine, SINK_DEVICE, SinkLink } from './sink-link.ts';

const FAMILIES = [4, 6] as const;

/** What the intercept on the target's own machine is told. */
export interface SinkOptions {
  /** Octets of payload handed over with the headers. */
  readonly prefixBytes: number;
  readonly ringFrames?: number;
  /** Captures only what this accepts as well, in pcap's language; null: everything. */
  readonly filter: string | null;
}

/** Captures what is routed to the clients. */
export class SinkSource implements PacketSource {
  readonly #link: SinkLink;
  readonly #ring: GrowingRing;
  readonly #operatorFilter: OperatorFilter;
  #registrations = new WithheldRegistrations();
  #filter = NOTHING_FILTER;
  #warnings: readonly string[] = [];

  /**
   * @throws ReplayError ERR_IO_SINK_TAKEN, ERR_IO_NOT_PERMITTED, ERR_IO_SINK, ERR_IO_SOCKET,
   * ERR_IO_MMAP, ERR_IO_NO_IP_COMMAND, ERR_IO_LIBPCAP (environment); ERR_CAPTURE_FILTER (usage)
   */
  constructor({ prefixBytes, ringFrames, filter }: SinkOptions) {
    this.#operatorFilter = new OperatorFilter(filter);
    this.#link = new SinkLink();
    try {
      this.#ring = new GrowingRing({
        interfaceIndex: findInterface(CAPTURE_DEVICE).index,
        filter: NOTHING_FILTER,
        snapBytes: snapBytesFor(prefixBytes),
        ...(ringFrames === undefined ? {} : { ringFrames }),
      });
    } catch (fault) {
      throw undoAfter(fault, () => this.#link.close());
    }
  }

  get data(): DataView {
    return this.#ring.ring.data;
  }

  get fds(): readonly number[] {
    return this.#ring.fds;
  }

  /**
   * On a fault the former registrations stay in force.
   * @throws ReplayError ERR_IO_CLIENT_IN_USE, ERR_IO_SINK_CONFLICT, ERR_IO_FILTER_TOO_LONG,
   * ERR_IO_WITHHELD_FULL (usage);
   * ERR_IO_SINK, ERR_IO_FILTER (environment)
   */
  setRegistrations(registrations: readonly Registration[]): void {
    const devices = readInterfaces();
    refuseOwnAddresses(
      registrations.flatMap(({ ranges }) => ranges),
      devices,
    );
    const next = this.#registrations.after(registrations);
    const snapBytes = snapBytesOf(registrations);
    const first = this.#operatorFilter.program;
    const filter = registrationFilter({ registrations, interfaces: null, snapBytes, first });
    this.#ring.setFilter(filter, snapBytes);
    try {
      this.#changeRoutes(next.all);
    } catch (fault) {
      this.#ring.setFilter(this.#filter, 0);
      throw fault;
    }
    this.#filter = filter;
    this.#registrations = next;
    const others = devices.filter(({ name }) => name !== SINK_DEVICE && name !== CAPTURE_DEVICE);
    this.#warnings = returnPathWarnings(registrations, others);
  }

  receive(limit: number, sink: InterceptedSink): number {
    return receiveFrom(this.#ring.ring, limit, sink);
  }

  readDropped(): number {
    return this.#ring.readDropped();
  }

  describe(): readonly string[] {
    const { current } = this.#registrations;
    const routes = FAMILIES.flatMap((family) =>
      this.#blocksFor(this.#registrations.all, family).map((block) => routeLine(family, block)),
    );
    const { hadLeftover, takenOver } = this.#link;
    return [
      ...(hadLeftover
        ? [`took over a killed intercept's sink with ${takenOver.length} routes`]
        : []),
      `has made the interfaces ${SINK_DEVICE} and ${CAPTURE_DEVICE}`,
      ...(current.length === 0 ? ['captures nothing yet: no replay has registered'] : []),
      ...current.map((one) => `captures: ${describeRegistration(one)}`),
      ...this.#operatorFilter.describe(),
      ...routes.map((line) => `has installed: ${line}`),
      ...this.#registrations.describe(),
      ...this.#warnings,
    ];
  }

  close(): void {
    try {
      this.#link.close();
    } finally {
      this.#ring.close();
    }
  }

  /** New routes first: they can be refused. */
  #changeRoutes(wanted: readonly Registration[]): void {
    const added: { readonly family: 4 | 6; readonly blocks: AddressBlock[] }[] = [];
    const present = this.#registrations.all;
    try {
      for (const family of FAMILIES) {
        const blocks = difference(
          this.#blocksFor(wanted, family),
          this.#blocksFor(present, family),
        );
        if (blocks.length === 0) continue;
        this.#link.addRoutes(family, blocks);
        added.push({ family, blocks });
      }
    } catch (fault) {
      for (const { family, blocks } of added) this.#link.removeRoutes(family, blocks);
      throw fault;
    }
    for (const family of FAMILIES) {
      const blocks = difference(this.#blocksFor(present, family), this.#blocksFor(wanted, family));
      if (blocks.length > 0) this.#link.removeRoutes(family, blocks);
    }
  }

  /** What is routed for these, each block once: always with what was taken over. */
  #blocksFor(registrations: readonly Registration[], family: 4 | 6): AddressBlock[] {
    const own = registrations.filter((registration) => registration.family === family);
    const blocks = [
      ...this.#link.takenOver.filter(({ address }) => address.family === family),
      ...own.flatMap(({ ranges }) => ranges).flatMap(coveringBlocks),
    ];
    return [...new Map(blocks.map((block) => [formatBlock(block), block])).values()];
  }
}

function difference(
  blocks: readonly AddressBlock[],
  without: readonly AddressBlock[],
): AddressBlock[] {
  const texts = new Set(without.map(formatBlock));
  return blocks.filter((block) => !texts.has(formatBlock(block)));
}
