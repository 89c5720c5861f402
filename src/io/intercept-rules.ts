/**
 * The netfilter rules that bring replies to the queues:
 *
 *     iptables -I OUTPUT -p tcp -s TARGET --sport PORT -d CLIENTS
 *       -m comment --comment gryphon:PID:START -j NFQUEUE --queue-num N | --queue-balance A:B
 *
 * One for each target and block of client addresses, so that whoever else uses the port is not
 * touched. A change replaces all rules of this process in one transaction (iptables-restore), so
 * there is no moment without rules, and rules that somebody has removed come back.
 */

import { addressOfBytes, formatAddress } from '../base/address.ts';
import { ReplayError } from '../base/errors.ts';
import type { Registration } from '../intercept/ports.ts';
import { blocksOf, formatBlock } from './address-blocks.ts';
import { runCommand } from './commands.ts';
import { bearsDeadMark, ownMark } from './process-mark.ts';
import { ROOT_HINT } from './sys/errno.ts';

/** Every packet that leaves the machine is compared with them, one after the other. */
const RULES_MAX = 1_024;

const TOOLS = { 4: 'iptables', 6: 'ip6tables' } as const;
type Family = keyof typeof TOOLS;
const FAMILIES: readonly Family[] = [4, 6];

export interface RuleOptions {
  readonly queues: { readonly first: number; readonly last: number };
  /** Packets go on their way when no process listens at the queue. */
  readonly failOpen: boolean;
}

interface Rule {
  readonly family: Family;
  readonly match: string;
  readonly action: string;
}

/** The rules that registrations ask for, as lines to type. */
export const ruleLines = (registrations: readonly Registration[], options: RuleOptions): string[] =>
  rulesFor(registrations, options).map(
    ({ family, match, action }) => `${TOOLS[family]} -w -I OUTPUT ${match} ${action}`,
  );

/** The rules of this process in the OUTPUT chains. */
export class InterceptRules {
  readonly #options: RuleOptions;
  readonly #mark = ownMark();
  /** Those that are there; a family that never had any is not asked for. */
  readonly #installed = new Map<Family, readonly Rule[]>();

  constructor(options: RuleOptions) {
    this.#options = options;
  }

  /**
   * Removes what killed runs have left behind, and returns how many rules that were.
   * @throws ReplayError ERR_IO_NO_IPTABLES, ERR_IO_NOT_PERMITTED, ERR_IO_RULES (environment)
   */
  removeLeftovers(): number {
    let removed = 0;
    for (const family of FAMILIES) {
      const answer = runCommand(TOOLS[family], ['-w', '-S', 'OUTPUT']);
      // A machine without IPv6 has no such rules, and needs none before somebody registers for it.
      if (answer.failure !== null && family === 6) continue;
      if (answer.failure !== null) throw ruleFault(family, answer);
      const lines = answer.stdout.split('\n').filter(bearsDeadMark);
      if (lines.length > 0) restore(family, lines.map(asDeletion));
      removed += lines.length;
    }
    return removed;
  }

  /**
   * Has the rules for these registrations, and no others. On a fault the former ones stay.
   * @throws ReplayError ERR_IO_TOO_MANY_RULES (usage); ERR_IO_NO_IPTABLES, ERR_IO_NOT_PERMITTED,
   * ERR_IO_RULES (environment)
   */
  replace(registrations: readonly Registration[]): void {
    const rules = rulesFor(registrations, this.#options);
    if (rules.length > RULES_MAX) throw tooMany(rules.length);
    const before = new Map(this.#installed);
    try {
      for (const family of FAMILIES) {
        this.#replaceFamily(
          family,
          rules.filter((rule) => rule.family === family),
        );
      }
    } catch (fault) {
      for (const [family, former] of before) this.#replaceFamily(family, former);
      throw fault;
    }
  }

  #replaceFamily(family: Family, rules: readonly Rule[]): void {
    if (rules.length === 0 && !this.#installed.has(family)) return;
    const answer = runCommand(TOOLS[family], ['-w', '-S', 'OUTPUT']);
    if (answer.failure !== null) throw ruleFault(family, answer);
    const own = answer.stdout.split('\n').filter((line) => line.includes(this.#mark));
    const insertions = rules.map(
      ({ match, action }) => `-I OUTPUT ${match} -m comment --comment ${this.#mark} ${action}`,
    );
    restore(family, [...own.map(asDeletion), ...insertions]);
    this.#installed.set(family, rules);
  }
}

/** A line of `iptables -S` that takes the rule away again. */
const asDeletion = (line: string): string => line.replace(/^-A /, '-D ');

function restore(family: Family, lines: readonly string[]): void {
  const input = ['*filter', ...lines, 'COMMIT', ''].join('\n');
  const answer = runCommand(`${TOOLS[family]}-restore`, ['-w', '--noflush'], input);
  if (answer.failure !== null) throw ruleFault(family, answer);
}

function rulesFor(registrations: readonly Registration[], options: RuleOptions): Rule[] {
  const { first, last } = options.queues;
  const queue = first === last ? `--queue-num ${first}` : `--queue-balance ${first}:${last}`;
  const action = `-j NFQUEUE ${queue}${options.failOpen ? ' --queue-bypass' : ''}`;
  const rules = new Map<string, Rule>();
  for (const { family, targets, ranges } of registrations) {
    const blocks = ranges.flatMap(blocksOf).map(formatBlock);
    for (const { address, port } of targets) {
      const source = formatAddress(addressOfBytes(address));
      for (const block of blocks) {
        const match = `-p tcp -s ${source} --sport ${port} -d ${block}`;
        rules.set(match, { family, match, action });
      }
    }
  }
  return [...rules.values()];
}

const tooMany = (count: number): ReplayError =>
  new ReplayError({
    code: 'ERR_IO_TOO_MANY_RULES',
    kind: 'usage',
    message: `the registered ranges and targets make ${count} rules; at most ${RULES_MAX} are installed`,
    hint: 'give the client pool as few CIDR blocks (198.18.0.0/15), or use --mode sink',
  });

function ruleFault(
  family: Family,
  { failure, isMissing }: { readonly failure: string; readonly isMissing: boolean },
): ReplayError {
  const tool = TOOLS[family];
  if (isMissing) {
    return new ReplayError({
      code: 'ERR_IO_NO_IPTABLES',
      kind: 'environment',
      message: `${tool} is not installed`,
      hint: 'install iptables, or put the rules in yourself (--no-rules), or use --mode sink',
    });
  }
  const isDenied = /permission denied|must be root/i.test(failure);
  return new ReplayError({
    code: isDenied ? 'ERR_IO_NOT_PERMITTED' : 'ERR_IO_RULES',
    kind: 'environment',
    message: `${tool} refuses the rules: ${failure}`,
    hint: isDenied
      ? ROOT_HINT
      : 'the kernel needs the xtables targets NFQUEUE and comment; --mode sink does without',
  });
}
