/**
 * Completion of command lines: a script for the shell, which asks this program what may come next.
 *
 * The answer's first line is `:words` (the lines below it are all there is) or `:files` (the shell
 * completes names of files as ever). It is never an error: whatever a program says while somebody
 * types ends up in their prompt.
 */
import type { Command } from './command-line.ts';
import type { OptionSpec } from './given-options.ts';
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
  { specs }: Command,
  before: readonly string[],
  typed: string,
): Candidates | null {
  const [, inOne, value = ''] = /^(--[^=]+)=(.*)$/.exec(typed) ?? [];
  if (inOne !== undefined) {
    const found = valuesOf(specWanting(specs, inOne), value);
    return found === 'files' || found === null ? found : found.map((each) => `${inOne}=${each}`);
  }
  // bash takes a line apart at '=', too.
  const words = typed === '=' ? [...before, '='] : before;
  const isAssigned = words.at(-1) === '=';
  const spec = specWanting(specs, words.at(isAssigned ? -2 : -1) ?? '');
  return valuesOf(spec, typed === '=' ? '' : typed);
}

/** The option of that name or letter, where it takes a value. */
const specWanting = (specs: readonly OptionSpec[], option: string): OptionSpec | undefined =>
  specs.find(
    ({ name, letter, takes }) =>
      takes !== 'switch' && (option === `--${name}` || option === `-${letter}`),
  );

function valuesOf(spec: OptionSpec | undefined, typed: string): Candidates | null {
  if (spec === undefined) return null;
  // By custom the description begins with the form of the value.
  if (/^(?:FILE|DIR)\b/.test(spec.describe)) return 'files';
  const done = spec.takes === 'list' ? typed.slice(0, typed.lastIndexOf(',') + 1) : '';
  return beginningWith(typed, spec.choices?.map((choice) => done + choice) ?? []);
}

function argumentsOf({ specs, positional }: Command, typed: string): Candidates {
  if (!typed.startsWith('-') && positional !== null) return 'files';
  const options = specs.flatMap(({ name, takes, fallback }) => {
    // What is on by itself is for being turned off.
    const isOff = takes === 'switch' && fallback !== undefined;
    return isOff ? [`--${name}`, `--no-${name}`] : [`--${name}`];
  });
  return beginningWith(typed, [...options, '--help']);
}

const beginningWith = (typed: string, words: readonly string[]): readonly string[] =>
  words.filter((word) => word.startsWith(typed));
