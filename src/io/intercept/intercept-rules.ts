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

import {
  type AddressRange,
  addressBytes,
  addressOfBytes,
  formatAddress,
} from '../../base/address.ts';
import { alsoFailed, ReplayError, undoAfter } from '../../base/errors.ts';
import type { RegisteredTarget, Registration } from '../../intercept/ports.ts';
import { ROOT_HINT } from '../sys/errno.ts';
import { coveringBlocks, formatBlock, parseBlock, rangeOfBlock } from '../way/address-blocks.ts';
import { runCommand } from '../way/commands.ts';
import { bearsDeadMark, MARK_PATTERN, ownMark } from './process-mark.ts';

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
  /** Our own and those of killed runs whose rules we take over. */
  readonly #marks = new Set([this.#mark]);
  /** Those that are there, as far as is known; a family that never had any is not asked for. */
  readonly #installed = new Map<Family, readonly Rule[]>();

  constructor(options: RuleOptions) {
    this.#options = options;
  }

  /**
   * What killed runs have left behind: how many rules, and what they withhold. The next `replace`
   * takes their place in the same transaction, and until then they keep withholding.
   * @throws ReplayError ERR_IO_NO_IPTABLES, ERR_IO_NOT_PERMITTED, ERR_IO_RULES (environment)
   */
  findLeftovers(): { readonly count: number; readonly withheld: readonly Registration[] } {
    let count = 0;
    const withheld: Registration[] = [];
    for (const family of FAMILIES) {
      const answer = runCommand(TOOLS[family], ['-w', '-S', 'OUTPUT']);
      // A machine without IPv6 has no such rules, and needs none before somebody registers for it.
      if (answer.failure !== null && family === 6) continue;
      if (answer.failure !== null) throw ruleFault(family, answer);
      const lines = answer.stdout.split('\n').filter(bearsDeadMark);
      if (lines.length === 0) continue;
      for (const line of lines) this.#marks.add(markOf(line));
      this.#installed.set(family, []);
      count += lines.length;
      withheld.push(...registrationsOfRules(family, lines));
    }
    return { count, withheld };
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
      throw undoAfter(fault, () =>
        eachOf([...this.#installed.keys()], (family) =>
          this.#replaceFamily(family, before.get(family) ?? []),
        ),
      );
    }
  }

  /**
   * Removes all rules; of each family, whatever becomes of the other.
   * @throws ReplayError ERR_IO_LEFT_BEHIND (internal), with the command that removes what is left
   */
  close(): void {
    eachOf([...this.#installed.keys()], (family) => {
      try {
        this.#replaceFamily(family, []);
      } catch (fault) {
        throw this.#leftBehind(family, fault);
      }
    });
  }

  #leftBehind(family: Family, fault: unknown): ReplayError {
    const tool = TOOLS[family];
    const why = fault instanceof Error ? fault.message : String(fault);
    return new ReplayError({
      code: 'ERR_IO_LEFT_BEHIND',
      kind: 'internal',
      message: `its ${tool} rules are left in OUTPUT: ${why}`,
      hint:
        `remove them: ${tool} -w -S OUTPUT | sed -n '/${this.#mark}/s/^-A/-D/p' | ` +
        `xargs -L 1 ${tool} -w (or start it once more: it takes them over)`,
      cause: fault,
    });
  }

  #replaceFamily(family: Family, rules: readonly Rule[]): void {
    if (rules.length === 0 && !this.#installed.has(family)) return;
    const answer = runCommand(TOOLS[family], ['-w', '-S', 'OUTPUT']);
    if (answer.failure !== null) throw ruleFault(family, answer);
    const own = answer.stdout.split('\n').filter((line) => this.#marks.has(markOf(line)));
    const insertions = rules.map(
      ({ match, action }) => `-I OUTPUT ${match} -m comment --comment ${this.#mark} ${action}`,
    );
    // A change that fails may have been made all the same: at the end we look.
    if (!this.#installed.has(family)) this.#installed.set(family, []);
    const lines = [...own.map(asDeletion), ...insertions];
    if (lines.length > 0) restore(family, lines);
    this.#installed.set(family, rules);
  }
}

/** Does it for each family, whatever becomes of the other; then throws what failed. */
function eachOf(families: readonly Family[], action: (family: Family) => void): void {
  const faults: unknown[] = [];
  for (const family of families) {
    try {
      action(family);
    } catch (fault) {
      faults.push(fault);
    }
  }
  if (faults.length > 0) throw faults.reduce(alsoFailed);
}

const markOf = (line: string): string => MARK_PATTERN.exec(line)?.[0] ?? '';

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
    const blocks = ranges.flatMap(coveringBlocks).map(formatBlock);
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

/** Rules do not tell the clients' ports: all of them. */
const ANY_PORT = { first: 1, last: 0xffff } as const;

/**
 * What rules withhold, from the lines that `iptables -S` shows of them; lines of another form say
 * nothing. Targets with the same clients make one registration.
 */
export function registrationsOfRules(family: 4 | 6, lines: readonly string[]): Registration[] {
  const byTarget = new Map<string, { target: RegisteredTarget; ranges: AddressRange[] }>();
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
  const byClients = new Map<string, Registration & { targets: RegisteredTarget[] }>();
  for (const { target, ranges } of byTarget.values()) {
    const key = JSON.stringify(
      ranges.map(({ prefix, start, count }) => [[...prefix], start, count]).sort(),
    );
    const found = byClients.get(key) ?? { id: -1, family, ranges, ports: ANY_PORT, targets: [] };
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
