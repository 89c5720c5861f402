/**
 * The rule that keeps replies to this machine's own addresses from its kernel, which knows nothing of
 * their connections and would reset each of them:
 *
 *     iptables -t raw -I PREROUTING -i DEVICE -p tcp -s TARGET --sport PORT -d OWN --dport A:B -j DROP
 *
 * One for each target, block of client addresses and span of ports, so that nothing else of the
 * machine is touched. Packet sockets see a packet before any rule does; and `raw` stands before
 * connection tracking, which so does not fill up. Where there is no iptables, nft has the same in a
 * table of this process.
 *
 * Not so on a bridge: with br_netfilter (bridge-nf-call-iptables, as Docker and Kubernetes have it) its packets meet
 * PREROUTING in its port, before a packet socket of the bridge sees them. There the rule is in INPUT.
 */

import { readFileSync } from 'node:fs';
import { formatAddress } from '../../base/address.ts';
import { formatBlock } from '../../base/address-block.ts';
import { alsoFailed, ReplayError } from '../../base/errors.ts';
import { portSpans } from '../../base/port-range.ts';
import { coveringBlocks } from '../way/address-blocks.ts';
import type { ReplyDropSpec } from './drop-spec.ts';
import { type ChainRule, chainLine, type Family, IPTABLES, MarkedChain } from './marked-chain.ts';
import { DropTable, dropTableLine } from './nft-table.ts';

/** Each packet that comes in is compared with them, one after the other. */
const RULES_MAX = 1_024;

const hintMissing =
  'install iptables or nftables, or put the rule in yourself (--no-firewall-rules prints it)';
const PREROUTING = {
  table: 'raw',
  chain: 'PREROUTING',
  hintMissing,
  hintRefused: 'the kernel needs its table raw (iptable_raw, or nf_tables), or install nftables',
} as const;
const INPUT = {
  table: 'filter',
  chain: 'INPUT',
  hintMissing,
  hintRefused: 'the kernel needs its table filter (iptable_filter, or nf_tables)',
} as const;

const chainOf = ({ isBridge }: ReplyDropSpec) => (isBridge ? INPUT : PREROUTING);

/** A rule that is in force until it is closed. */
export interface ReplyDrop {
  readonly tool: 'iptables' | 'ip6tables' | 'nft';
  /**
   * Takes it away; harmless when called again.
   * @throws ReplayError ERR_IO_LEFT_BEHIND (internal), with the command that removes it
   */
  close(): void;
}

/** The rule as lines to type: of iptables, or instead of them the one of nft. */
export const replyDropLines = (
  spec: ReplyDropSpec,
): { readonly iptables: readonly string[]; readonly nft: string } => ({
  iptables: dropRules(spec).map((rule) => chainLine(chainOf(spec), rule)),
  nft: dropTableLine(spec, 'gryphon'),
});

/**
 * Makes the rule, in place of what killed runs have left; it is removed when it is closed, or when the
 * process ends in any way in which it can still do something.
 * @throws ReplayError ERR_IO_NOT_PERMITTED, ERR_IO_NO_FIREWALL, ERR_IO_RULES (environment);
 * ERR_IO_TOO_MANY_RULES (usage)
 */
export function openReplyDrop(spec: ReplyDropSpec): ReplyDrop {
  const rules = dropRules(spec);
  if (rules.length > RULES_MAX) throw tooMany(rules.length);
  requireNetAdmin(spec);
  DropTable.removeLeftovers();
  const [{ family }] = rules;
  const chain = new MarkedChain(chainOf(spec));
  const other = new MarkedChain(spec.isBridge ? PREROUTING : INPUT);
  try {
    chain.findLeftovers([family]);
    if (other.findLeftovers([]).length > 0) other.replace([]);
    chain.replace(rules);
    return closedAtExit(IPTABLES[family], () => chain.close());
  } catch (fault) {
    return openTable(spec, family, fault);
  }
}

/** Where iptables did not do: the table of nft, or what both have said. */
function openTable(spec: ReplyDropSpec, family: Family, chainFault: unknown): ReplyDrop {
  const isMissing = chainFault instanceof ReplayError && chainFault.code === 'ERR_IO_NO_IPTABLES';
  try {
    const table = new DropTable(spec);
    return closedAtExit('nft', () => table.close());
  } catch (fault) {
    const isTableMissing = fault instanceof ReplayError && fault.code === 'ERR_IO_NO_NFT';
    if (isTableMissing && isMissing) throw noFirewall(spec, family);
    if (isTableMissing) throw withLine(spec, chainFault);
    throw withLine(spec, isMissing ? fault : alsoFailed(chainFault, fault));
  }
}

function dropRules({ device, targets, ranges, ports }: ReplyDropSpec): ChainRule[] {
  const blocks = ranges.flatMap(coveringBlocks).map(formatBlock);
  return targets.flatMap(({ address, port }) =>
    blocks.flatMap((block) =>
      portSpans(ports).map(({ first, last }) => {
        const span = first === last ? `${first}` : `${first}:${last}`;
        const source = formatAddress(address);
        const match = `-i ${device} -p tcp -s ${source} --sport ${port} -d ${block} --dport ${span}`;
        return { family: address.family, match, action: '-j DROP' };
      }),
    ),
  );
}

function closedAtExit(tool: ReplyDrop['tool'], remove: () => void): ReplyDrop {
  let isOpen = true;
  const close = (): void => {
    if (!isOpen) return;
    isOpen = false;
    process.off('exit', atExit);
    remove();
  };
  const atExit = (): void => {
    try {
      close();
    } catch (fault) {
      process.exitCode = 1;
      const hint = fault instanceof ReplayError ? `; ${fault.hint}` : '';
      process.stderr.write(`gryphon: ${fault instanceof Error ? fault.message : ''}${hint}\n`);
    }
  };
  process.once('exit', atExit);
  return { tool, close };
}

/** CAP_NET_ADMIN (capabilities(7)), bit of the masks in /proc/self/status. */
const CAP_NET_ADMIN = 12n;

/** Says what is missing before a tool says it in words of its own. */
function requireNetAdmin(spec: ReplyDropSpec): void {
  const status = readFileSync('/proc/self/status', 'utf8');
  const mask = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1];
  if (mask === undefined || ((BigInt(`0x${mask}`) >> CAP_NET_ADMIN) & 1n) === 1n) return;
  const isRoot = process.geteuid?.() === 0;
  throw new ReplayError({
    code: 'ERR_IO_NOT_PERMITTED',
    kind: 'environment',
    message: `a rule for replies to own addresses takes CAP_NET_ADMIN, which this process has not`,
    hint: `${isRoot ? 'in a container: --cap-add NET_ADMIN' : 'run it as root (sudo)'}; ${yourself(spec)}`,
  });
}

/** Lines that an error has room for. */
const LINES_TOLD = 2;

const yourself = (spec: ReplyDropSpec): string => {
  const { iptables } = replyDropLines(spec);
  const more = iptables.length > LINES_TOLD ? '; … (--dry-run has all)' : '';
  return `or let somebody else put it in, and add --no-firewall-rules: ${iptables.slice(0, LINES_TOLD).join('; ')}${more}`;
};

function withLine(spec: ReplyDropSpec, fault: unknown): unknown {
  if (!(fault instanceof ReplayError) || fault.kind !== 'environment') return fault;
  const { code, kind, message, hint, cause } = fault;
  const both = [hint, yourself(spec)].filter((text) => text !== null).join('; ');
  return new ReplayError({ code, kind, message, hint: both, cause });
}

const noFirewall = (spec: ReplyDropSpec, family: Family): ReplayError =>
  new ReplayError({
    code: 'ERR_IO_NO_FIREWALL',
    kind: 'environment',
    message: `neither ${IPTABLES[family]} nor nft is installed, and one of them has to make a rule for replies to own addresses`,
    hint: `install the package iptables, or nftables; ${yourself(spec)}`,
  });

const tooMany = (count: number): ReplayError =>
  new ReplayError({
    code: 'ERR_IO_TOO_MANY_RULES',
    kind: 'usage',
    message: `the own addresses, targets and ports make ${count} rules; at most ${RULES_MAX} are made`,
    hint: 'give --ports a span without ports that this machine uses, or addresses that make a CIDR block',
  });
