/** A machine's facts, gathered for a question. */
import { parseAddress } from '../../base/address.ts';
import { iptablesRules, nftRules } from '../../doctor/firewall-rules.ts';
import type { Heard, MachineFacts, Place, Question } from '../../doctor/observations.ts';
import {
  conntrack,
  firewallText,
  isForwarding,
  neighbours,
  offloads,
  ownAddresses,
  strictInterfaces,
  wayTo,
} from '../../io/doctor/machine.ts';
import { readKernelClock } from '../../io/sys/kernel-clock.ts';
import { listeningHere } from '../../io/way/listening.ts';

/** @throws ReplayError ERR_IO_NO_IP_COMMAND (environment) */
export function gatherFacts(
  place: Place,
  question: Question,
  heard: readonly Heard[] | null,
): MachineFacts {
  const client = parseAddress(question.client);
  const family = client?.family ?? 4;
  return {
    place,
    addresses: ownAddresses(family),
    wayBack: client === null || place === 'load' ? null : wayTo(client),
    listening: place === 'target' ? listeningHere(question.port) : null,
    strictInterfaces: family === 4 ? strictInterfaces() : [],
    forwards: isForwarding(family),
    conntrack: conntrack(),
    neighbours: neighbours(family),
    offloads: offloads(),
    clock: readKernelClock(),
    firewall: firewallRules(place, question, family),
    heard,
  };
}

/** Rules that meet what comes from the other end and what goes there, of both ways once. */
function firewallRules(
  place: Place,
  { client, target, port }: Question,
  family: 4 | 6,
): readonly string[] | null {
  const text = firewallText(family);
  if (text === null) return null;
  const own = ownAddresses(family);
  // The load machine sends and hears as its clients and as itself.
  const clients = place === 'load' ? [client, ...own] : [client];
  const targets = place === 'target' ? [target, ...own] : [target];
  const toTarget = {
    way: place === 'target' ? 'in' : 'out',
    ...{ sources: clients, sourcePort: null, destinations: targets, destinationPort: port },
  } as const;
  const toClient = {
    way: place === 'target' ? 'out' : 'in',
    ...{ sources: targets, sourcePort: port, destinations: clients, destinationPort: null },
  } as const;
  // What an intercept sends to the target are no segments of the clients.
  const passing = place === 'intercept' ? [toClient] : [toTarget, toClient];
  const found = passing.flatMap((each) => [
    ...nftRules(text.nft, each),
    ...iptablesRules(text.iptables, each),
  ]);
  return [...new Set(found)];
}
