/**
 * Completion of command lines: a script for the shell, which asks this program what may come next.
 *
 * The answer's first line is `:words` (the lines below it are all there is) or `:files` (the shell
 * completes names of files as ever). It is never an error: whatever a program says while somebody
 * types ends up in their prompt.
 */
import type { Command } from './command-line.ts';
import { fallbackOf, type Option, type OptionTable } from './options/option.ts';
import { UsageError } from './usage-error.ts';

/** What the scripts call the program with; then the words so far, the last one the unfinished one. */
export const COMPLETE = '--get-completions';

const SHELLS = ['bash', 'zsh'] as const;
type Shell = (typeof SHELLS)[number];

/**
 * The script for a shell.
 * @param name the shell, or `undefined`: the user's own (`$SHELL`), else bash
 * @throws UsageError for a shell that there is no script for
 */
export function completionScript(
  name: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): string {
  if (name === undefined) return SCRIPTS[env.SHELL?.endsWith('zsh') === true ? 'zsh' : 'bash'];
  const shell = SHELLS.find((each) => each === name);
  if (shell !== undefined) return SCRIPTS[shell];
  const hint = 'gryphon completion bash, or zsh';
  throw new UsageError([{ what: `there is no completion for '${name}'`, hint }]);
}

const BASH = `# gryphon completion for bash. Try it: source <(gryphon completion bash)
# To keep it: gryphon completion bash >> ~/.bashrc
_gryphon_completion() {
  local line kind=''
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ -z $kind ]]; then kind=$line; else COMPREPLY+=("$line"); fi
  done < <(gryphon ${COMPLETE} "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  # What is not words is completed as names of files: -o bashdefault -o default.
  if [[ $kind == :words ]]; then compopt +o bashdefault +o default 2>/dev/null; fi
  return 0
}
complete -o bashdefault -o default -F _gryphon_completion gryphon
`;

const ZSH = `#compdef gryphon
# gryphon completion for zsh. Try it: source <(gryphon completion zsh)
# To keep it: gryphon completion zsh >> ~/.zshrc (below compinit)
_gryphon_completion() {
  local -a answer
  answer=("\${(@f)$(gryphon ${COMPLETE} "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ $answer[1] == :words ]]; then compadd -Q -- "\${(@)answer[2,-1]}"; else _files; fi
}
compdef _gryphon_completion gryphon
`;

const SCRIPTS: Readonly<Record<Shell, string>> = { bash: BASH, zsh: ZSH };

/** What may stand in place of the last of these words, as the scripts read it. */
export function completions(commands: readonly Command[], words: readonly string[]): string {
  const found = candidates(commands, words);
  return found === 'files' ? ':files\n' : [':words', ...found].map((line) => `${line}\n`).join('');
}

type Candidates = readonly string[] | 'files';

function candidates(commands: readonly Command[], words: readonly string[]): Candidates {
  const [name = '', ...rest] = words;
  if (rest.length === 0) {
    const names = commands.map((command) => command.name);
    return beginningWith(name, [...names, 'completion', 'help', '--help', '--version']);
  }
  const typed = rest.at(-1) ?? '';
  if (name === 'completion') return beginningWith(typed, SHELLS);
  if (name === 'help')
    return beginningWith(
      typed,
      commands.map((command) => command.name),
    );
  const command = commands.find((each) => each.name === name);
  if (command === undefined) return [];
  const before = rest.slice(0, -1);
  if (before.includes('--')) return 'files';
  return valuesAfter(command, before, typed) ?? argumentsOf(command, typed);
}

/** What an option before the unfinished word, or within it, may be given; null: there is none. */
function valuesAfter(
  { table }: Command,
  before: readonly string[],
  typed: string,
): Candidates | null {
  const [, inOne, value = ''] = /^(--[^=]+)=(.*)$/.exec(typed) ?? [];
  if (inOne !== undefined) {
    const found = valuesOf(optionWanting(table, inOne), value);
    return found === 'files' || found === null ? found : found.map((each) => `${inOne}=${each}`);
  }
  // bash takes a line apart at '=', too.
  const words = typed === '=' ? [...before, '='] : before;
  const isAssigned = words.at(-1) === '=';
  const option = optionWanting(table, words.at(isAssigned ? -2 : -1) ?? '');
  return valuesOf(option, typed === '=' ? '' : typed);
}

/** The option of that name or letter, where it takes a value. */
const optionWanting = (table: OptionTable, typed: string): Option | undefined =>
  Object.values(table).find(
    ({ name, letter, takes }) =>
      takes !== 'switch' && (typed === `--${name}` || typed === `-${letter}`),
  );

function valuesOf(option: Option | undefined, typed: string): Candidates | null {
  if (option === undefined) return null;
  if (option.kind?.isPath === true) return 'files';
  const done = option.takes === 'list' ? typed.slice(0, typed.lastIndexOf(',') + 1) : '';
  return beginningWith(typed, option.kind?.choices?.map((choice) => done + choice) ?? []);
}

function argumentsOf({ table, positional }: Command, typed: string): Candidates {
  if (!typed.startsWith('-') && positional !== null) return 'files';
  const options = Object.values(table).flatMap((option) => {
    // What is on by itself is for being turned off.
    const isOff = option.takes === 'switch' && fallbackOf(option) !== '';
    return isOff ? [`--${option.name}`, `--no-${option.name}`] : [`--${option.name}`];
  });
  return beginningWith(typed, [...options, '--help']);
}

const beginningWith = (typed: string, words: readonly string[]): readonly string[] =>
  words.filter((word) => word.startsWith(typed));
