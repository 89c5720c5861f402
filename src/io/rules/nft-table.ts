/** The same rule as in reply-drop.ts, made by nft: one table, which bears its process's mark as name. */

import { formatAddress } from '../../base/address.ts';
import { formatBlock } from '../../base/address-block.ts';
import { ReplayError } from '../../base/errors.ts';
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
    nft(['-f', '-'], `${start}${tableText(spec, this.#name)}\n`);
  }

  /**
   * Removes the tables of killed processes, where nft is installed.
   * @throws ReplayError ERR_IO_NOT_PERMITTED, ERR_IO_RULES (environment)
   */
  static removeLeftovers(): void {
    const answer = runCommand('nft', ['list', 'tables', 'inet']);
    if (answer.failure !== null) return;
    for (const line of answer.stdout.split('\n')) {
      const [, name, pid, start] = TABLE_PATTERN.exec(line.trim()) ?? [];
      if (name === undefined || !bearsDeadMark(`gryphon:${pid}:${start}`)) continue;
      nft(['delete', 'table', 'inet', name]);
    }
  }

  /** @throws ReplayError ERR_IO_LEFT_BEHIND (internal), with the command that removes it */
  close(): void {
    const answer = runCommand('nft', ['delete', 'table', 'inet', this.#name]);
    if (answer.failure === null) return;
    const tables = runCommand('nft', ['list', 'tables', 'inet']);
    // Somebody has emptied the whole rule set: what we wanted gone is gone.
    if (tables.failure === null && !tables.stdout.includes(this.#name)) return;
    throw new ReplayError({
      code: 'ERR_IO_LEFT_BEHIND',
      kind: 'internal',
      message: `its nft table is left: ${answer.failure}`,
      hint: `remove it: nft delete table inet ${this.#name}`,
    });
  }
}

function tableText({ device, targets, ranges, ports }: ReplyDropSpec, name: string): string {
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
  const hook = 'type filter hook prerouting priority -300;';
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
