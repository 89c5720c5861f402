/** Which rules of a firewall may meet the clients' segments, from what its tool prints. */
import { addressBytes, parseAddress } from '../base/address.ts';

/** Ends of the segments that come in; null: any. */
export interface Incoming {
  readonly source: string;
  readonly sourcePort: number | null;
  readonly destinationPort: number | null;
}

const DROPS = /\b(?:drop|reject)\b/i;
/** Rules that only some packets of a connection meet, which are not its first ones. */
const LATER = /\bct state (?:\{ )?(?:invalid|untracked)|--ctstate INVALID|--state INVALID/;
const HOOK = /hook (\w+)/;
const HOOKS_MET = ['input', 'prerouting', 'ingress', 'forward'];

/**
 * Rules of `nft list ruleset`, each with its table and chain, that drop or reject what comes in so.
 * Chains that hang on no hook are taken for ones that are jumped to.
 */
export function nftRules(text: string, incoming: Incoming): string[] {
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
    if (hook !== undefined) isMet = HOOKS_MET.includes(hook);
    if (!isMet || !DROPS.test(line) || LATER.test(line)) continue;
    if (meets(line, incoming)) found.push(`${table} ${chain}: ${line}`);
  }
  return found;
}

/** Rules of `iptables -S` that drop or reject what comes in so. */
export const iptablesRules = (text: string, incoming: Incoming): string[] =>
  text
    .split('\n')
    .filter((line) => !/^-[AP] (?:OUTPUT|POSTROUTING)\b/.test(line))
    .filter((line) => DROPS.test(line) && !LATER.test(line) && meets(line, incoming));

function meets(line: string, { source, sourcePort, destinationPort }: Incoming): boolean {
  return (
    addressMeets(/(?:saddr|-s) (!= )?([\da-f.:]+(?:\/\d+)?)(?:\s|$)/i.exec(line), source) &&
    portMeets(/(?:tcp dport|--dport) ([\d:-]+)(?:\s|$)/.exec(line), destinationPort) &&
    portMeets(/(?:tcp sport|--sport) ([\d:-]+)(?:\s|$)/.exec(line), sourcePort) &&
    !/(?:-p|ip protocol|l4proto) (?:udp|icmp)/.test(line) &&
    !/\budp (?:dport|sport)\b|\bicmpv?6? type\b/.test(line)
  );
}

function addressMeets(match: RegExpExecArray | null, address: string): boolean {
  if (match === null) return true;
  const [, not, text = ''] = match;
  return isWithin(address, text) === (not === undefined);
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
