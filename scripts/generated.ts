/**
 * What is made from the tables of options (src/cli/options): the tables of docs/options.md and the types
 * of the library's options; and the JSON Schemas of results (src/report/result-schema.ts) and of rules
 * for HTTP (src/rewrite/http/rules.ts).
 * `npm run options` writes them, test/generated.test.ts compares them.
 */
import type { Command } from '../src/cli/command-line.ts';
import { loadCommands } from '../src/cli/commands.ts';
import { positionalKey } from '../src/cli/config/config-file.ts';
import { CAPTURE_ROWS } from '../src/cli/options/capture-table.ts';
import { INSPECT_TABLE } from '../src/cli/options/inspect-table.ts';
import {
  explanationOf,
  fallbackOf,
  formOf,
  type Option,
  type OptionTable,
} from '../src/cli/options/option.ts';
import { REPLAY_TABLE } from '../src/cli/options/replay-table.ts';
import { resultJsonSchema } from '../src/report/result-schema.ts';
import { rulesJsonSchema } from '../src/rewrite/http/rules.ts';

const COMMANDS = await loadCommands();

/** Columns of generated TypeScript and of its comments. */
const WIDTH = 100;

/**
 * The files with what is generated in them brought up to date, by path from the project's root.
 * @param read gives the text of a file that is there, for what stands around the generated parts
 */
export function generatedFiles(read: (path: string) => string): ReadonlyMap<string, string> {
  return new Map([
    ['docs/options.md', withTables(read('docs/options.md'))],
    ['src/api/options.ts', libraryTypes()],
    ['schema/result.json', `${JSON.stringify(resultJsonSchema(), null, 1)}\n`],
    ['schema/rules.json', `${JSON.stringify(rulesJsonSchema(), null, 1)}\n`],
    ...COMMANDS.filter(({ table }) => table.config !== undefined).map(
      (command) => [`schema/${command.name}.config.json`, configSchema(command)] as const,
    ),
  ]);
}

/** `<!-- options: replay, When -->`, and the table below it up to the next empty line. */
const MARKED_TABLE = /^(<!-- options: (\w+)(?:, ([^>]*?))? -->\n)(?:\|.*\n)*/gm;

/** A document with its marked tables made anew; without a group a table has all of a command's. */
export const withTables = (document: string): string =>
  document.replace(MARKED_TABLE, (_, marker: string, command: string, group?: string) => {
    const table = COMMANDS.find(({ name }) => name === command)?.table ?? {};
    const options = Object.values(table).filter(
      (option) => group === undefined || option.group === group,
    );
    if (options.length === 0) throw new Error(`${marker.trim()} names no options`);
    return `${marker}| option | meaning | default |\n|---|---|---|\n${options.map(rowOf).join('')}`;
  });

function rowOf(option: Option): string {
  const form = formOf(option);
  const letter = option.letter === undefined ? '' : `-${option.letter}, `;
  const flag = `\`${letter}--${option.name}${form === null ? '' : ` ${form}`}\``;
  const cells = [flag, explanationOf(option), fallbackOf(option)];
  return `${['', ...cells.map((cell) => ` ${cell.replaceAll('|', '\\|')} `), ''].join('|')}\n`.replaceAll(
    '|  |',
    '| |',
  );
}

function libraryTypes(): string {
  const own = (table: OptionTable): OptionTable =>
    Object.fromEntries(
      Object.entries(table).filter(([key, row]) => !(key in CAPTURE_ROWS) && !row.isCommandOnly),
    );
  const capture = Object.fromEntries(
    Object.entries(REPLAY_TABLE).filter(([key]) => key in CAPTURE_ROWS),
  );
  const captures = `  /** Paths, at least one, here or in \`config\`. */
  readonly captures?: string | readonly string[];
`;
  return `/**
 * What the library is asked to do: the options of the commands under the same names, in camel case.
 * A value is written as on the command line (\`'30s'\`, \`'500/s'\`, \`'10MB'\`), or is a number where a bare
 * number is allowed there; a list may be an array.
 *
 * Made by \`npm run options\` from src/cli/options: to be changed there.
 */

/** A value that may be a number. */
export type OptionValue = string | number;
/** One value, or several. */
export type OneOrMore<T> = T | readonly T[];

/** Which packets and sessions of the captures are wanted. */
export interface CaptureOptions {
${members(capture)}}

/** The options of \`inspect\`. */
export interface InspectOptions extends CaptureOptions {
${captures}${members(own(INSPECT_TABLE))}  /** Something that the user should know: one line. */
  readonly onWarning?: (text: string) => void;
}

/** The options of \`replay\`. Nothing but \`captures\` has to be given. */
export interface ReplayOptions extends CaptureOptions {
${captures}${members(own(REPLAY_TABLE))}  /** Aborting it is the first Ctrl-C: nothing more starts, what is open is closed, there is a result. */
  readonly signal?: AbortSignal;
}
`;
}

const members = (table: OptionTable): string =>
  Object.entries(table)
    .map(([key, option]) => `${docstring(option)}  readonly ${key}?: ${typeOf(option)};\n`)
    .join('');

function docstring(option: Option): string {
  const fallback = fallbackOf(option);
  const sentence = `${docTextOf(option)}${fallback === '' ? '' : ` Default: ${fallback}.`}`;
  const short = `  /** ${sentence} */\n`;
  if (short.length <= WIDTH) return short;
  return `  /**\n${wrapped(sentence, WIDTH - 5)
    .map((line) => `   * ${line}\n`)
    .join('')}   */\n`;
}

/** The explanation as a sentence behind the form of the value. */
function docTextOf(option: Option): string {
  const form = formOf(option);
  const text = explanationOf(option).replace(/\[([^\]]*)\]\([^)]*\)/g, '$1');
  if (form !== null) return `\`${form}\`: ${text}.`;
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

function wrapped(text: string, width: number): string[] {
  const lines: string[] = [''];
  for (const word of text.split(' ')) {
    const line = lines.at(-1) ?? '';
    if (line !== '' && line.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  return lines;
}

function typeOf({ takes, kind }: Option): string {
  if (kind === null) return 'boolean';
  const { choices, isOpen, isNumber, isJoined } = kind;
  const words = choices?.map((choice) => `'${choice}'`).join(' | ');
  const one = words !== undefined && !isOpen ? words : isNumber ? 'OptionValue' : 'string';
  return takes === 'list' || isJoined ? `OneOrMore<${one}>` : one;
}

/** The JSON Schema of a command's config file, as text. */
function configSchema({ name, table, positional }: Command): string {
  const options = Object.values(table).filter(({ isFlagOnly }) => isFlagOnly !== true);
  const properties = {
    ...(positional === null
      ? {}
      : {
          [positionalKey(positional)]: {
            description: 'Paths, relative to this file.',
            anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }],
          },
        }),
    ...Object.fromEntries(options.map((option) => [option.name, valueSchema(option)])),
  };
  const schema = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: `Options of gryphon ${name} (--config)`,
    type: 'object',
    additionalProperties: false,
    properties,
  };
  return `${JSON.stringify(schema, null, 2)}\n`;
}

function valueSchema(option: Option): object {
  const { kind, takes } = option;
  const fallback = fallbackOf(option);
  const description = `${docTextOf(option)}${fallback === '' ? '' : ` Default: ${fallback}.`}`;
  if (kind === null) return { description, type: 'boolean' };
  const { choices, isOpen, isNumber, isJoined, example } = kind;
  const isList = takes === 'list' || isJoined === true;
  // Of a list of words a text may name several, with commas between.
  const isClosed = choices !== undefined && !isOpen;
  const one = isClosed ? { enum: choices } : { type: isNumber ? ['string', 'number'] : 'string' };
  const alone = isClosed && isList ? { type: 'string' } : one;
  const examples = isClosed ? {} : { examples: [example] };
  if (!isList) return { description, ...one, ...examples };
  return { description, anyOf: [alone, { type: 'array', items: one }], ...examples };
}
