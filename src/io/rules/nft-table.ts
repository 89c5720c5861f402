/** The same rule as in reply-drop.ts, made by nft: one table, which bears its process's mark as name. */

import { formatAddress } from '../../base/address.ts';
import { formatBlock } from '../../base/address-block.ts';
import { ReplayError, undoAfter } from '../../base/errors.ts';
import { portSpans } from '../../base/port-range.ts';
import { ROOT_HINT } from '../sys/errno.ts';
import { coveringBlocks } from '../way/address-blocks.ts';
import { runCommand } from '../way/commands.ts';
import type { ReplyDropSpec } from './drop-spec.ts';
import { bearsDeadMark, ownMark } from './process-mark.ts';

/** Names of tables have no colons: `gryphon-PID-START`. */
const TABLE_PATTERN = /^table inet (gryphon-(\d+)-(\d+))$/;

/** The table as a line to type. */
export const dropTableLine = (spec: ReplyDropSpec, name: string): string =>
  `nft '${tableText(spec, name)}'`;

/** A table of nft with nothing but the rule. */
export class DropTable {
  readonly #name = ownMark().replaceAll(':', '-');

  /** @throws ReplayError ERR_IO_NO_NFT, ERR_IO_NOT_PERMITTED, ERR_IO_RULES (environment) */
  constructor(spec: ReplyDropSpec) {
    // Added first, so that there is one to delete: nothing of an earlier attempt stays.
    const start = `table inet ${this.#name}\ndelete table inet ${this.#name}\n`;
    try {
      nft(['-f', '-'], `${start}${tableText(spec, this.#name)}\n`);
    } catch (fault) {
      // A change that fails may have been made all the same.
      throw undoAfter(fault, () => {
        if (isThere(this.#name) === true) this.close();
      });
    }
  }

  /**
   * Removes the tables of killed processes, where nft is installed.
   * @throws ReplayError ERR_IO_LEFT_BEHIND (environment), with the command that removes one
   */
  static removeLeftovers(): void {
    const answer = runCommand('nft', ['list', 'tables', 'inet']);
    if (answer.failure !== null) return;
    for (const line of answer.stdout.split('\n')) {
      const [, name, pid, start] = TABLE_PATTERN.exec(line.trim()) ?? [];
      if (name === undefined || !bearsDeadMark(`gryphon:${pid}:${start}`)) continue;
      removeTable(name, 'environment', 'the nft table of a killed run cannot be removed');
    }
  }

  /** @throws ReplayError ERR_IO_LEFT_BEHIND (internal), with the command that removes it */
  close(): void {
    removeTable(this.#name, 'internal', 'its nft table is left');
  }
}

/** Undefined where nft does not say. */
function isThere(name: string): boolean | undefined {
  const tables = runCommand('nft', ['list', 'tables', 'inet']);
  return tables.failure === null ? tables.stdout.includes(name) : undefined;
}

function removeTable(name: string, kind: 'environment' | 'internal', what: string): void {
  const answer = runCommand('nft', ['delete', 'table', 'inet', name]);
  // A change that fails may have been made all the same, or somebody has emptied the whole rule set.
  if (answer.failure === null || isThere(name) === false) return;
  throw new ReplayError({
    code: 'ERR_IO_LEFT_BEHIND',
    kind,
    message: `${what}: ${answer.failure}`,
    hint: `remove it: nft delete table inet ${name}`,
  });
}

function tableText(
  { device, isBridge, targets, ranges, ports }: ReplyDropSpec,
  name: string,
): string {
  const blocks = ranges.flatMap(coveringBlocks).map(formatBlock).join(', ');
  const spans = portSpans(ports)
    .map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`))
    .join(', ');
  const rules = targets.map(({ address, port }) => {
    const ip = address.family === 4 ? 'ip' : 'ip6';
    return (
      `iifname "${device}" ${ip} saddr ${formatAddress(address)} ${ip} daddr { ${blocks} } ` +
      `tcp sport ${port} tcp dport { ${spans} } drop;`
    );
  });
  // -300 is what newer versions call `raw`: before connection tracking.
  const hook = `type filter hook ${isBridge ? 'input' : 'prerouting'} priority -300;`;
  return `table inet ${name} { chain replies { ${hook} ${rules.join(' ')} }; }`;
}

function nft(argv: readonly string[], input = ''): void {
  const answer = runCommand('nft', argv, input);
  if (answer.failure === null) return;
  if (answer.isMissing) {
    throw new ReplayError({
      code: 'ERR_IO_NO_NFT',
      kind: 'environment',
      message: 'nft is not installed',
      hint: 'install nftables',
    });
  }
  const isDenied = /not permitted|must be root/i.test(answer.failure);
  throw new ReplayError({
    code: isDenied ? 'ERR_IO_NOT_PERMITTED' : 'ERR_IO_RULES',
    kind: 'environment',
    message: `nft refuses the rule: ${answer.failure}`,
    hint: isDenied ? ROOT_HINT : 'the kernel needs nf_tables with inet tables, or install iptables',
  });
}
