/** Ways to a real target, made by hand. */

import { addressBytes, parseAddress } from '../../src/base/address.ts';
import { parseClients } from '../../src/cli/values/clients.ts';
import type { NetworkWay } from '../../src/run/plan/network-way.ts';
import type { ReplayOptions } from '../../src/run/plan/options.ts';
import type { RunPlan } from '../../src/run/plan/run-plan.ts';
import { planOf } from '../helpers/plan.ts';
import { handMade } from '../helpers/scripts.ts';
import { OPTIONS } from '../replay/play.ts';

export type WayChanges = Partial<NetworkWay> & { readonly isLocal?: boolean };

/** One session to port 80 of the target. */
export function planFor(
  target: string,
  clients: string,
  more: Partial<ReplayOptions> = {},
): RunPlan {
  const { scripts } = handMade([{ said: [{ from: 'client', text: 5 }] }]);
  const route = {
    recordedAddress: null,
    recordedPort: null,
    label: 't',
    address: target,
    port: 80,
  };
  const options = { ...OPTIONS, clients: parseClients(clients) };
  const replayed = { kind: 'network', routes: [route] } as const;
  return planOf(scripts, { ...options, target: replayed, ...more });
}

/** A way by eth1, whose own addresses are 10.20.0.2 and fd77::2. */
export function wayTo(target: string, changes: WayChanges = {}): NetworkWay {
  const { isLocal = false, ...more } = changes;
  const device = {
    name: 'eth1',
    index: 2,
    mtu: 1500,
    linkType: 'ether',
    mac: new Uint8Array(6).fill(2),
    isUp: true,
    asksNeighbours: true,
    addresses: [
      { address: octetsOf('10.20.0.2'), prefixBits: 24 },
      { address: octetsOf('fd77::2'), prefixBits: 64 },
    ],
  };
  const route = {
    device,
    linkHeader: new Uint8Array(14),
    sourceMac: device.mac,
    nextHopMac: new Uint8Array(6).fill(4),
    mtu: 1500,
    isLocal,
    nextHop: octetsOf(target),
    source: octetsOf(target.includes(':') ? 'fd77::2' : '10.20.0.2'),
  };
  return {
    path: { device, routes: [route], mtu: 1500, inUse: [], forwards: false },
    sender: 'packet',
    wakeupNs: 0,
    answersNeighbours: 'next-hops',
    own: null,
    intercepts: [],
    channel: null,
    ...more,
  };
}

function octetsOf(text: string): Uint8Array {
  const address = parseAddress(text);
  if (address === null) throw new Error(`${text} is no address`);
  return addressBytes(address);
}
