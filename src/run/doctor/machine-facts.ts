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
    firewall: firewallRules(place, question, family),
    heard,
  };
}

function firewallRules(
  place: Place,
  { client, target, port }: Question,
  family: 4 | 6,
): readonly string[] | null {
  const text = firewallText(family);
  if (text === null) return null;
  const incoming =
    place === 'target'
      ? { source: client, sourcePort: null, destinationPort: port }
      : { source: target, sourcePort: port, destinationPort: null };
  return [...nftRules(text.nft, incoming), ...iptablesRules(text.iptables, incoming)];
}
