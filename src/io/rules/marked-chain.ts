/**
 * The rules of one process in a chain of iptables, and what killed ones have left there: each rule
 * bears the mark of its process (`-m comment --comment gryphon:PID:START`). A change replaces all
 * rules of the process in one transaction (iptables-restore), so there is no moment without rules,
 * and rules that somebody has removed come back.
 */
import { alsoFailed, ReplayError, undoAfter } from '../../base/errors.ts';
import { ROOT_HINT } from '../sys/errno.ts';
import { runCommand } from '../way/commands.ts';
import { bearsDeadMark, MARK_PATTERN, ownMark } from './process-mark.ts';

/** The tool that holds the rules of an IP version. */
export const IPTABLES = { 4: 'iptables', 6: 'ip6tables' } as const;

/** An IP version: each has rules of its own. */
export type Family = keyof typeof IPTABLES;

const FAMILIES: readonly Family[] = [4, 6];

/** A rule without its mark: `-p tcp -s 10.0.0.1 …`, `-j DROP`. */
export interface ChainRule {
  readonly family: Family;
  readonly match: string;
  readonly action: string;
}

/** Which chain, and what to say where it cannot be had. */
export interface ChainOptions {
  readonly table: 'filter' | 'raw';
  readonly chain: 'INPUT' | 'OUTPUT' | 'PREROUTING';
  /** What to do where the tool is not installed. */
  readonly hintMissing: string;
  /** What to do where the kernel or the tool refuses the rules. */
  readonly hintRefused: string;
}

/** Rules that killed processes have left, as `iptables -S` shows them. */
export interface LeftRules {
  readonly family: Family;
  readonly lines: readonly string[];
}

/** A rule as a line to type; at the head of its chain, before whatever lets packets through. */
export const chainLine = (
  { table, chain }: Pick<ChainOptions, 'table' | 'chain'>,
  { family, match, action }: ChainRule,
): string => `${IPTABLES[family]} -w${tableOption(table)} -I ${chain} ${match} ${action}`;

/** The rules of this process in one chain. */
export class MarkedChain {
  readonly #options: ChainOptions;
  readonly #mark = ownMark();
  /** Our own and those of killed runs whose rules we take over. */
  readonly #marks = new Set([this.#mark]);
  /** Those that are there, as far as is known; a family that never had any is not asked for. */
  readonly #installed = new Map<Family, readonly ChainRule[]>();

  constructor(options: ChainOptions) {
    this.#options = options;
  }

  /**
   * What killed runs have left behind. The next `replace` takes its place in the same transaction,
   * and until then it stays.
   * @param needed families whose tool has to be there; the others are left out where it is not
   * @throws ReplayError ERR_IO_NO_IPTABLES, ERR_IO_NOT_PERMITTED, ERR_IO_RULES (environment)
   */
  findLeftovers(needed: readonly Family[]): readonly LeftRules[] {
    return FAMILIES.flatMap((family) => {
      const answer = this.#list(family);
      if (answer.failure !== null && !needed.includes(family)) return [];
      if (answer.failure !== null) throw this.#fault(family, answer);
      const lines = answer.stdout.split('\n').filter(bearsDeadMark);
      if (lines.length === 0) return [];
      for (const line of lines) this.#marks.add(markOf(line));
      this.#installed.set(family, []);
      return [{ family, lines }];
    });
  }

  /**
   * Has these rules, and no others. On a fault the former ones stay.
   * @throws ReplayError ERR_IO_NO_IPTABLES, ERR_IO_NOT_PERMITTED, ERR_IO_RULES (environment)
   */
  replace(rules: readonly ChainRule[]): void {
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
        // A change that fails may have been made all the same.
        if (this.#isGone(family)) return;
        throw this.#leftBehind(family, fault);
      }
    });
  }

  #isGone(family: Family): boolean {
    const { failure, stdout } = { stdout: '', ...this.#list(family) };
    return failure === null && !stdout.split('\n').some((line) => this.#marks.has(markOf(line)));
  }

  #leftBehind(family: Family, fault: unknown): ReplayError {
    const { table, chain } = this.#options;
    const tool = `${IPTABLES[family]} -w${tableOption(table)}`;
    const why = fault instanceof Error ? fault.message : String(fault);
    return new ReplayError({
      code: 'ERR_IO_LEFT_BEHIND',
      kind: 'internal',
      message: `its ${IPTABLES[family]} rules are left in ${chain}: ${why}`,
      hint:
        `remove them: ${tool} -S ${chain} | sed -n '/${this.#mark}/s/^-A/-D/p' | ` +
        `xargs -L 1 ${tool} (or start it once more: it takes them over)`,
      cause: fault,
    });
  }

  #replaceFamily(family: Family, rules: readonly ChainRule[]): void {
    if (rules.length === 0 && !this.#installed.has(family)) return;
    const answer = this.#list(family);
    if (answer.failure !== null) throw this.#fault(family, answer);
    const own = answer.stdout.split('\n').filter((line) => this.#marks.has(markOf(line)));
    const { chain } = this.#options;
    const insertions = rules.map(
      ({ match, action }) => `-I ${chain} ${match} -m comment --comment ${this.#mark} ${action}`,
    );
    // A change that fails may have been made all the same: at the end we look.
    if (!this.#installed.has(family)) this.#installed.set(family, []);
    const lines = [...own.map(asDeletion), ...insertions];
    if (lines.length > 0) this.#restore(family, lines);
    this.#installed.set(family, rules);
  }

  #list(family: Family) {
    const { table, chain } = this.#options;
    return runCommand(IPTABLES[family], ['-w', '-t', table, '-S', chain]);
  }

  #restore(family: Family, lines: readonly string[]): void {
    const input = [`*${this.#options.table}`, ...lines, 'COMMIT', ''].join('\n');
    const answer = runCommand(`${IPTABLES[family]}-restore`, ['-w', '--noflush'], input);
    if (answer.failure !== null) throw this.#fault(family, answer);
  }

  #fault(
    family: Family,
    { failure, isMissing }: { readonly failure: string; readonly isMissing: boolean },
  ): ReplayError {
    const tool = IPTABLES[family];
    const { hintMissing, hintRefused } = this.#options;
    if (isMissing) {
      return new ReplayError({
        code: 'ERR_IO_NO_IPTABLES',
        kind: 'environment',
        message: `${tool} is not installed`,
        hint: hintMissing,
      });
    }
    const isDenied = /permission denied|must be root/i.test(failure);
    return new ReplayError({
      code: isDenied ? 'ERR_IO_NOT_PERMITTED' : 'ERR_IO_RULES',
      kind: 'environment',
      message: `${tool} refuses the rules: ${failure}`,
      hint: isDenied ? ROOT_HINT : hintRefused,
    });
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

/** The table `filter` is meant where none is named. */
const tableOption = (table: ChainOptions['table']): string =>
  table === 'filter' ? '' : ` -t ${table}`;

const markOf = (line: string): string => MARK_PATTERN.exec(line)?.[0] ?? '';

/** A line of `iptables -S` that takes the rule away again. */
const asDeletion = (line: string): string => line.replace(/^-A /, '-D ');
