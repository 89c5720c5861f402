/**
 * The netfilter rules that bring replies to the queues:
 *
 *     iptables -I OUTPUT -p tcp -s TARGET --sport PORT -d CLIENTS
 *       -m comment --comment gryphon:PID:START -j NFQUEUE --queue-num N | --queue-balance A:B
 *     iptables -I OUTPUT -p icmp --icmp-type 3/4 -d CLIENTS … (ip6tables: -p ipv6-icmp --icmpv6-type 2)
 *     iptables -t raw -I PREROUTING -p icmp --icmp-type 3/4 -d CLIENTS …
 *
 * One for each target and block of client addresses, so that whoever else uses the port is not
 * touched; and one a block for what this machine says of clients' packets that do not fit their next
 * link (a container's, a tunnel's), which is queued whatever it quotes, and judged by that; and one a block
 * for what routers say of them, where the network leads it here, before the machine looks where to send it.
 */

import {
  type AddressRange,
  addressBytes,
  addressOfBytes,
  formatAddress,
} from '../../base/address.ts';
import { formatBlock } from '../../base/address-block.ts';
import { ReplayError, undoAfter } from '../../base/errors.ts';
import type { EndpointOctets, Registration } from '../../intercept/ports.ts';
import { type ChainRule, chainLine, MarkedChain } from '../rules/marked-chain.ts';
import { coveringBlocks, parseBlock, rangeOfBlock } from '../way/address-blocks.ts';

/** Every packet that leaves the machine is compared with them, one after the other. */
const RULES_MAX = 1_024;

const CHAIN = {
  table: 'filter',
  chain: 'OUTPUT',
  hintMissing: 'install iptables, or put the rules in yourself (--no-rules), or use --mode sink',
  hintRefused: 'the kernel needs the xtables targets NFQUEUE and comment; --mode sink does without',
} as const;

/** What comes in for clients: nothing but routers' messages. */
const ARRIVING = {
  ...CHAIN,
  table: 'raw',
  chain: 'PREROUTING',
  hintRefused: 'the kernel needs the table raw and the target NFQUEUE; --mode sink does without',
} as const;

/** ICMP "fragmentation needed", ICMPv6 "packet too big". */
const TOO_BIG = {
  4: '-p icmp --icmp-type 3/4',
  6: '-p ipv6-icmp --icmpv6-type 2',
} as const;

/** Queues, both ends included, that the rules lead to. */
export interface RuleOptions {
  readonly queues: { readonly first: number; readonly last: number };
  /** Packets go on their way when no process listens at the queue. */
  readonly failOpen: boolean;
}

/** The rules that registrations ask for, as lines to type. */
export const ruleLines = (
  registrations: readonly Registration[],
  options: RuleOptions,
): string[] => [
  ...rulesFor(registrations, options).map((rule) => chainLine(CHAIN, rule)),
  ...tooBigRules(registrations, options).map((rule) => chainLine(ARRIVING, rule)),
];

/** The rules of this process in the chains OUTPUT and PREROUTING. */
export class InterceptRules {
  readonly #options: RuleOptions;
  readonly #chain = new MarkedChain(CHAIN);
  readonly #arriving = new MarkedChain(ARRIVING);
  #rules: readonly ChainRule[] = [];

  constructor(options: RuleOptions) {
    this.#options = options;
  }

  /**
   * What killed runs have left behind: how many rules, and what they withhold. The next `replace`
   * takes their place in the same transaction, and until then they keep withholding.
   * @throws ReplayError ERR_IO_NO_IPTABLES, ERR_IO_NOT_PERMITTED, ERR_IO_RULES (environment)
   */
  findLeftovers(): { readonly count: number; readonly withheld: readonly Registration[] } {
    // A machine without IPv6 has no such rules, and needs none before somebody registers for it.
    const left = this.#chain.findLeftovers([4]);
    const arriving = this.#arriving.findLeftovers([]);
    return {
      count: [...left, ...arriving].reduce((count, { lines }) => count + lines.length, 0),
      withheld: left.flatMap(({ family, lines }) => registrationsOfRules(family, lines)),
    };
  }

  /**
   * Has the rules for these registrations, and no others. On a fault the former ones stay.
   * @throws ReplayError ERR_IO_TOO_MANY_RULES (usage); ERR_IO_NO_IPTABLES, ERR_IO_NOT_PERMITTED,
   * ERR_IO_RULES (environment)
   */
  replace(registrations: readonly Registration[]): void {
    const rules = rulesFor(registrations, this.#options);
    const arriving = tooBigRules(registrations, this.#options);
    if (rules.length > RULES_MAX) throw tooMany(rules.length);
    this.#chain.replace(rules);
    try {
      this.#arriving.replace(arriving);
    } catch (fault) {
      throw undoAfter(fault, () => this.#chain.replace(this.#rules));
    }
    this.#rules = rules;
  }

  /**
   * Removes all rules; of each family and chain, whatever becomes of the others.
   * @throws ReplayError ERR_IO_LEFT_BEHIND (internal), with the command that removes what is left
   */
  close(): void {
    try {
      this.#chain.close();
    } catch (fault) {
      throw undoAfter(fault, () => this.#arriving.close());
    }
    this.#arriving.close();
  }
}

const actionOf = ({ queues: { first, last }, failOpen }: RuleOptions): string => {
  const queue = first === last ? `--queue-num ${first}` : `--queue-balance ${first}:${last}`;
  return `-j NFQUEUE ${queue}${failOpen ? ' --queue-bypass' : ''}`;
};

/** One a block of clients, for what is said of packets that were too big. */
function tooBigRules(registrations: readonly Registration[], options: RuleOptions): ChainRule[] {
  const action = actionOf(options);
  const rules = new Map<string, ChainRule>();
  for (const { family, ranges } of registrations) {
    for (const block of ranges.flatMap(coveringBlocks).map(formatBlock)) {
      const match = `${TOO_BIG[family]} -d ${block}`;
      rules.set(match, { family, match, action });
    }
  }
  return [...rules.values()];
}

function rulesFor(registrations: readonly Registration[], options: RuleOptions): ChainRule[] {
  const action = actionOf(options);
  const rules = new Map<string, ChainRule>();
  for (const { family, targets, ranges } of registrations) {
    const blocks = ranges.flatMap(coveringBlocks).map(formatBlock);
    for (const { address, port } of targets) {
      const source = formatAddress(addressOfBytes(address));
      for (const block of blocks) {
        const match = `-p tcp -s ${source} --sport ${port} -d ${block}`;
        rules.set(match, { family, match, action });
      }
    }
  }
  return [...rules.values(), ...tooBigRules(registrations, options)];
}

/** Rules do not tell the clients' ports: all of them. */
const ANY_PORT = { first: 1, last: 0xffff } as const;

/**
 * What rules withhold, from the lines that `iptables -S` shows of them; lines of another form say
 * nothing. Targets with the same clients make one registration.
 */
export function registrationsOfRules(family: 4 | 6, lines: readonly string[]): Registration[] {
  const byTarget = new Map<string, { target: EndpointOctets; ranges: AddressRange[] }>();
  for (const line of lines) {
    const [, source = '', clients = ''] = / -s (\S+) -d (\S+) /.exec(line) ?? [];
    const address = parseBlock(source)?.address;
    const block = parseBlock(clients);
    const range = block === null ? null : rangeOfBlock(block);
    const port = Number(/ --sport (\d+) /.exec(line)?.[1]);
    if (address?.family !== family || range === null || !(port > 0)) continue;
    const key = `${source} ${port}`;
    const found = byTarget.get(key) ?? {
      target: { address: addressBytes(address), port },
      ranges: [],
    };
    found.ranges.push(range);
    byTarget.set(key, found);
  }
  const byClients = new Map<string, Registration & { targets: EndpointOctets[] }>();
  for (const { target, ranges } of byTarget.values()) {
    const key = JSON.stringify(
      ranges.map(({ prefix, start, count }) => [[...prefix], start, count]).sort(),
    );
    const found = byClients.get(key) ?? {
      id: -1,
      family,
      ranges,
      ports: ANY_PORT,
      targets: [],
      prefixBytes: 0,
    };
    found.targets.push(target);
    byClients.set(key, found);
  }
  return [...byClients.values()];
}

const tooMany = (count: number): ReplayError =>
  new ReplayError({
    code: 'ERR_IO_TOO_MANY_RULES',
    kind: 'usage',
    message: `the registered ranges and targets make ${count} rules; at most ${RULES_MAX} are installed`,
    hint: 'give the client pool as few CIDR blocks (198.18.0.0/15), or use --mode sink',
  });
