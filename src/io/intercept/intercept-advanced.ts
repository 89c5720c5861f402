/**
 * `--mode advanced`: replies picked up on an auxiliary machine to which the target routes the client
 * range. The machine only looks: whatever is captured ends here, because forwarding is off.
 *
 * One ring serves any number of interfaces: with one that is named the socket is bound to it, else
 * to all of them, and the filter compares where a packet came in. So the memory that packets are
 * handed over in stays the same when registrations come and go, and packets stay in order.
 */

import { addressOfBytes, formatAddress } from '../../base/address.ts';
import { ReplayError } from '../../base/errors.ts';
import { snapBytesFor } from '../../base/prefix-bytes.ts';
import type { InterceptedSink, PacketSource, Registration } from '../../intercept/ports.ts';
import { OperatorFilter } from '../filter/operator-filter.ts';
import { NOTHING_FILTER, registrationFilter } from '../filter/registration-filter.ts';
import { ALL_INTERFACES } from '../receive/packet-ring.ts';
import { findInterface, type NetworkInterface, readInterfaces } from '../way/interfaces.ts';
import { routeOf } from '../way/routes.ts';
import { GrowingRing } from './growing-ring.ts';
import { forwardingLines, refuseForwarding } from './intercept-checks.ts';
import {
  describeRegistration,
  familiesOf,
  receiveFrom,
  snapBytesOf,
} from './intercept-registrations.ts';

/** What the intercept on an auxiliary machine is told. */
export interface AdvancedOptions {
  /** Where replies come in; empty: by the interfaces that the routes to the targets name. */
  readonly interfaces: readonly string[];
  /** Capture although the machine forwards. */
  readonly force: boolean;
  /** Octets of payload handed over with the headers. */
  readonly prefixBytes: number;
  readonly ringFrames?: number;
  /** Captures only what this accepts as well, in pcap's language; null: everything. */
  readonly filter: string | null;
}

/** Captures what comes in for the registered ranges, with the kernel's timestamps. */
export class AdvancedSource implements PacketSource {
  readonly #ring: GrowingRing;
  readonly #operatorFilter: OperatorFilter;
  readonly #force: boolean;
  /** Those named by the operator. */
  readonly #named: readonly NetworkInterface[];
  /** Those in use. */
  #devices: readonly NetworkInterface[];
  #registrations: readonly Registration[] = [];

  /**
   * @throws ReplayError ERR_IO_NOT_PERMITTED, ERR_IO_NO_INTERFACE, ERR_IO_INTERFACE_DOWN,
   * ERR_IO_FORWARDING, ERR_IO_LIBPCAP, ERR_IO_SOCKET, ERR_IO_MMAP (environment);
   * ERR_CAPTURE_FILTER (usage)
   */
  constructor(options: AdvancedOptions) {
    const { interfaces, force, prefixBytes, ringFrames, filter } = options;
    this.#operatorFilter = new OperatorFilter(filter);
    this.#named = interfaces.map((name) => findInterface(name));
    this.#devices = this.#named;
    this.#force = force;
    if (!force) refuseForwardingMachine(this.#named);
    this.#ring = new GrowingRing({
      interfaceIndex: this.#isBound ? this.#named[0].index : ALL_INTERFACES,
      filter: NOTHING_FILTER,
      snapBytes: snapBytesFor(prefixBytes),
      ...(ringFrames === undefined ? {} : { ringFrames }),
    });
  }

  get data(): DataView {
    return this.#ring.ring.data;
  }

  get fds(): readonly number[] {
    return this.#ring.fds;
  }

  /**
   * On a fault the former registrations stay in force.
   * @throws ReplayError ERR_IO_FILTER_TOO_LONG, ERR_IO_TARGET_HERE (usage), ERR_IO_NO_ROUTE
   * (unreachable), ERR_IO_FORWARDING, ERR_IO_FILTER (environment)
   */
  setRegistrations(registrations: readonly Registration[]): void {
    const devices = this.#named.length > 0 ? this.#named : devicesTowards(registrations);
    if (!this.#force && registrations.length > 0) {
      refuseForwarding(
        devices.map(({ name }) => name),
        familiesOf(registrations),
      );
    }
    const interfaces = this.#isBound ? null : devices.map(({ index }) => index);
    const snapBytes = snapBytesOf(registrations);
    const first = this.#operatorFilter.program;
    const filter = registrationFilter({ registrations, interfaces, snapBytes, first });
    this.#ring.setFilter(filter, snapBytes);
    this.#devices = devices;
    this.#registrations = registrations;
  }

  receive(limit: number, sink: InterceptedSink): number {
    return receiveFrom(this.#ring.ring, limit, sink);
  }

  readDropped(): number {
    return this.#ring.readDropped();
  }

  describe(): readonly string[] {
    const names = this.#devices.map(({ name }) => name);
    const where = names.length > 0 ? names.join(', ') : 'the interfaces that lead to the targets';
    const lines = this.#registrations.flatMap(describeRegistration);
    const capturing = lines.length > 0 ? lines : [`nothing yet: no replay has registered`];
    const forwarding = names
      .filter((name) => forwardingLines(name, familiesOf(this.#registrations)).length > 0)
      .map((name) => `warning: ${name} forwards: what is captured also leaves this machine`);
    return [
      ...capturing.map((line) => `captures on ${where}: ${line}`),
      ...this.#operatorFilter.describe(),
      ...forwarding,
    ];
  }

  close(): void {
    this.#ring.close();
  }

  /** Whether the socket itself sees one interface alone. */
  get #isBound(): boolean {
    return this.#named.length === 1;
  }
}

/** Before anybody has registered: what would be refused whatever is registered. */
function refuseForwardingMachine(named: readonly NetworkInterface[]): void {
  if (named.length > 0) {
    refuseForwarding(
      named.map(({ name }) => name),
      [4, 6],
    );
    return;
  }
  const names = readInterfaces()
    .filter(({ isUp, linkType }) => isUp && linkType !== 'loopback')
    .map(({ name }) => name);
  if (names.every((name) => forwardingLines(name, [4]).length > 0)) refuseForwarding(names, [4]);
}

/** The interfaces by which this machine would answer the targets. */
function devicesTowards(registrations: readonly Registration[]): NetworkInterface[] {
  const targets = registrations.flatMap((registration) => registration.targets);
  const byText = new Map(targets.map(({ address }) => [textOf(address), address]));
  const names = new Set([...byText.values()].map(interfaceTowards));
  return [...names].map((name) => findInterface(name));
}

function interfaceTowards(target: Uint8Array): string {
  const { interfaceName, isLocal } = routeOf(target, null);
  if (!isLocal) return interfaceName;
  throw new ReplayError({
    code: 'ERR_IO_TARGET_HERE',
    kind: 'usage',
    message: `target ${textOf(target)} is an address of the machine that this intercept runs on`,
    hint: 'run it on the target with --mode nfqueue or --mode sink, or name --interface',
  });
}

const textOf = (octets: Uint8Array): string => formatAddress(addressOfBytes(octets));
