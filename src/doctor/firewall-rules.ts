/** Which rules of a firewall may meet the segments between clients and target, from what its tool prints. */
import { addressBytes, parseAddress } from '../base/address.ts';

/** Ends of segments that come in or go out; no addresses, and null for a port: any. */
export interface Passing {
  readonly way: 'in' | 'out';
  readonly sources: readonly string[];
  readonly sourcePort: number | null;
  readonly destinations: readonly string[];
  readonly destinationPort: number | null;
}

const DROPS = /\b(?:drop|reject)\b/i;
/** Rules that only some packets of a connection meet, which are not its first ones. */
const LATER = /\bct state (?:\{ )?(?:invalid|untracked)|--ctstate INVALID|--state INVALID/;
const HOOK = /hook (\w+)/;
const HOOKS_MET = {
  in: ['input', 'prerouting', 'ingress', 'forward'],
  out: ['output', 'postrouting', 'egress'],
};
const CHAINS_NOT_MET = {
  in: /^-[AP] (?:OUTPUT|POSTROUTING)\b/,
  out: /^-[AP] (?:INPUT|PREROUTING|FORWARD)\b/,
};

/**
 * Rules of `nft list ruleset`, each with its table and chain, that drop or reject what passes so.
 * Chains that hang on no hook are taken for ones that are jumped to.
 */
export function nftRules(text: string, passing: Passing): string[] {
  const found: string[] = [];
  let table = '';
  let chain = '';
  let isMet = true;
  for (const raw of text.split('\n')) {
    const line = raw.trim();
    const [, tableName] = /^table (\S+ \S+) \{/.exec(line) ?? [];
    const [, chainName] = /^chain (\S+) \{/.exec(line) ?? [];
    if (tableName !== undefined) table = tableName;
    if (chainName !== undefined) {
      chain = chainName;
      isMet = true;
    }
    const [, hook] = HOOK.exec(line) ?? [];
    if (hook !== undefined) isMet = HOOKS_MET[passing.way].includes(hook);
    if (!isMet || !DROPS.test(line) || LATER.test(line)) continue;
    if (meets(line, passing)) found.push(`${table} ${chain}: ${line}`);
  }
  return found;
}

/** Rules of `iptables -S` that drop or reject what passes so. */
export const iptablesRules = (text: string, passing: Passing): string[] =>
  text
    .split('\n')
    .filter((line) => !CHAINS_NOT_MET[passing.way].test(line))
    .filter((line) => DROPS.test(line) && !LATER.test(line) && meets(line, passing));

function meets(
  line: string,
  { sources, sourcePort, destinations, destinationPort }: Passing,
): boolean {
  return (
    addressMeets(/(?:saddr|-s) (!= )?([\da-f.:]+(?:\/\d+)?)(?:\s|$)/i.exec(line), sources) &&
    addressMeets(/(?:daddr|-d) (!= )?([\da-f.:]+(?:\/\d+)?)(?:\s|$)/i.exec(line), destinations) &&
    portMeets(/(?:tcp dport|--dport) ([\d:-]+)(?:\s|$)/.exec(line), destinationPort) &&
    portMeets(/(?:tcp sport|--sport) ([\d:-]+)(?:\s|$)/.exec(line), sourcePort) &&
    !/(?:-p|ip protocol|l4proto) (?:udp|icmp)/.test(line) &&
    !/\budp (?:dport|sport)\b|\bicmpv?6? type\b/.test(line)
  );
}

/** Whether the rule means one of these addresses. */
function addressMeets(match: RegExpExecArray | null, addresses: readonly string[]): boolean {
  if (match === null || addresses.length === 0) return true;
  const [, not, text = ''] = match;
  return addresses.some((address) => isWithin(address, text) === (not === undefined));
}

function isWithin(text: string, prefix: string): boolean {
  const [network = '', length] = prefix.split('/');
  const [address, start] = [parseAddress(text), parseAddress(network)];
  if (address === null || start === null || address.family !== start.family) return false;
  const octets = addressBytes(address);
  return samePrefix(octets, addressBytes(start), Number(length ?? octets.length * 8));
}

function samePrefix(one: Uint8Array, other: Uint8Array, bits: number): boolean {
  return one.every((octet, i) => {
    const left = Math.min(8, Math.max(0, bits - 8 * i));
    return ((octet ^ other[i]) & (0xff00 >>> left) & 0xff) === 0;
  });
}

function portMeets(match: RegExpExecArray | null, port: number | null): boolean {
  if (match === null || port === null) return true;
  const [first, last = first] = match[1].split(/[:-]/).map(Number);
  return port >= first && port <= last;
}
