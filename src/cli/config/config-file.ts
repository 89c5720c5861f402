/**
 * Config files: YAML with the options of a command by their names, and `captures`.
 *
 *     captures: [app.pcap]
 *     users: 1000
 *     threshold:
 *       - response:p(99)<20ms
 *
 * Only one level is looked at: values, and lists of values. So aliases cannot grow into more than
 * they are in the file, and every fault has its line and column.
 */
import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import { ReplayError } from '../../base/errors.ts';
import { nearest } from '../../base/nearest.ts';
import type { Command } from '../command-line.ts';
import type { FiledOptions, GivenText } from '../given-options.ts';
import type { Option } from '../options/option.ts';
import type { FaultList } from '../usage-error.ts';
import { partsOfList } from '../values/words.ts';

/** Far more than all options with long lists of captures and mappings: what is larger is no config. */
export const CONFIG_BYTES_MAX = 2 ** 20;

/** Levels that nobody writes by hand; a config has two. */
const LEVELS_MAX = 50;
/** A line that begins that far in, or with that many lists in lists. */
const DEEP_LINE = new RegExp(`^(?: {${4 * LEVELS_MAX}}|(?: *[-?] ){${LEVELS_MAX}})`, 'm');

/** More faults than this tell nothing that these do not. */
const FAULTS_MAX = 10;

/** The key of a command's arguments that are not options: `captures` for `capture`. */
export const positionalKey = (positional: string): string => `${positional}s`;

/**
 * Reads the text of a config file.
 * @param path as it was given; what is relative in the file is relative to its folder
 * @param faults gets what is wrong with keys and the form of values; the values themselves are
 *   parsed where they are read
 * @throws ReplayError ERR_CLI_CONFIG (usage) for what is no mapping of options at all
 */
export function parseConfig(
  text: string,
  path: string,
  command: Pick<Command, 'table' | 'positional' | 'elsewhere'>,
  faults: FaultList,
): FiledOptions {
  return new ConfigReader(text, path, command, faults).read();
}

class ConfigReader {
  readonly #source: string;
  readonly #path: string;
  readonly #command: Pick<Command, 'table' | 'positional' | 'elsewhere'>;
  readonly #faults: FaultList;
  readonly #lines = new LineCounter();
  readonly #options: ReadonlyMap<string, Option>;
  /** Faults told so far; the items of a list may have the same one. */
  readonly #told = new Set<string>();

  constructor(
    text: string,
    path: string,
    command: Pick<Command, 'table' | 'positional' | 'elsewhere'>,
    faults: FaultList,
  ) {
    this.#source = text;
    this.#path = path;
    this.#command = command;
    this.#faults = faults;
    const options = Object.values(command.table);
    this.#options = new Map(options.map((option) => [option.name, option]));
  }

  read(): FiledOptions {
    const document = this.#parse();
    const [fault] = [...document.errors, ...document.warnings];
    if (fault !== undefined) {
      throw this.#broken(fault.pos[0], wordsOf(fault.code, fault.message));
    }
    const { contents } = document;
    if (contents === null || (isScalar(contents) && contents.value === null)) {
      throw configError(`${this.#path} has no options`, 'write for instance users: 100');
    }
    if (!isMap<Node, Node | null>(contents)) {
      throw this.#broken(contents.range?.[0] ?? 0, 'not a mapping of options');
    }
    const filed = new Map<string, readonly GivenText[]>();
    for (const { key, value } of contents.items) {
      const name = isScalar(key) ? String(key.value) : '';
      const at = this.#place(key);
      const resolve = (each: Node): Node | undefined =>
        isAlias(each) ? each.resolve(document) : each;
      const resolved = value === null ? null : (resolve(value) ?? null);
      const pair = this.#readPair(name, at, resolved, resolve);
      for (const [option, texts] of pair) filed.set(option, texts);
    }
    return filed;
  }

  /** What the pair gives; nothing when it is wrong. */
  #readPair(
    name: string,
    at: string,
    value: Node | null,
    resolve: (node: Node) => Node | undefined,
  ): ReadonlyMap<string, readonly GivenText[]> {
    const { positional } = this.#command;
    if (positional !== null && name === positionalKey(positional)) {
      const texts = this.#texts(name, at, value, { isMany: true, resolve });
      return new Map([[positional, texts.map((each) => this.#fromHere(each))]]);
    }
    const option = this.#options.get(name);
    if (option === undefined || option.isFlagOnly === true) {
      const [what, hint] = this.#unknown(name, option);
      this.#add(`${at}: ${what}`, hint);
      return new Map();
    }
    const isMany = option.takes === 'list' || option.kind?.isJoined === true;
    const texts = this.#texts(name, at, value, { isMany, resolve });
    if (texts.length === 0) return new Map();
    if (option.kind?.isJoined === true) {
      const [{ label }] = texts;
      return new Map([[name, [{ label, text: texts.map(({ text }) => text).join(',') }]]]);
    }
    const apart =
      option.takes === 'list' && option.kind?.hasCommas !== true
        ? texts.flatMap(({ label, text }) =>
            partsOfList(text).map((part) => ({ label, text: part })),
          )
        : texts;
    const isPath = option.kind?.isPath === true;
    return new Map([[name, isPath ? apart.map((each) => this.#fromHere(each)) : apart]]);
  }

  /** The values of a key as texts, each with its place. */
  #texts(
    name: string,
    at: string,
    value: Node | null,
    { isMany, resolve }: { isMany: boolean; resolve: (node: Node) => Node | undefined },
  ): readonly GivenText[] {
    if (isSeq<Node | null>(value)) {
      if (!isMany) {
        this.#add(`${at}: ${name} takes one value and no list`);
        return [];
      }
      return value.items.flatMap((item) => this.#text(name, at, item && (resolve(item) ?? null)));
    }
    return this.#text(name, at, value);
  }

  #text(name: string, at: string, node: Node | null): readonly GivenText[] {
    if (isScalar(node) && node.value !== null) {
      // A number is taken as it is written: 1e6, 0.10.
      const text = typeof node.value === 'string' ? node.value : (node.source ?? `${node.value}`);
      return [{ label: `${this.#place(node)}: ${name}`, text }];
    }
    const what = isMap(node) ? 'a mapping' : isSeq(node) ? 'a list in a list' : 'nothing';
    this.#add(`${at}: ${name} takes a value and not ${what}`);
    return [];
  }

  /** What is wrong with a key that stands for no option of a config file, and how to mend it. */
  #unknown(name: string, option: Option | undefined): readonly [string, string | null] {
    if (option !== undefined) return [`${name} can be given as a flag only`, null];
    if (/^(?:token|secret|password)$/i.test(name)) {
      return [
        'a secret does not stand in the file itself',
        'write token-file: FILE, or set GRYPHON_TOKEN',
      ];
    }
    const elsewhere = this.#command.elsewhere.get(name);
    if (elsewhere !== undefined) return [`${name} ${elsewhere}`, null];
    const { positional } = this.#command;
    const names = [...this.#options.values()].flatMap((each) =>
      each.isFlagOnly === true ? [] : each.name,
    );
    const known = positional === null ? names : [...names, positionalKey(positional)];
    const guess = nearest(name, known);
    const hint = guess === null ? 'keys are the names of options' : `did you mean ${guess}?`;
    return [`unknown key '${name}'`, hint];
  }

  #parse() {
    if (isTooDeep(this.#source)) throw configError(`${this.#path} is nested too deeply`);
    const options = { lineCounter: this.#lines, prettyErrors: false, stringKeys: true };
    return parseDocument(this.#source, options);
  }

  /** A path in the file is relative to the file's folder. */
  #fromHere({ label, text }: GivenText): GivenText {
    const folder = this.#path.slice(0, this.#path.lastIndexOf('/') + 1);
    return { label, text: /^(?:\/|-?$)/.test(text) ? text : folder + text };
  }

  /** `run.yaml:3:8`. */
  #place(node: Node | null): string {
    const { line, col } = this.#lines.linePos(node?.range?.[0] ?? 0);
    return `${this.#path}:${line}:${col}`;
  }

  #add(what: string, hint: string | null = null): void {
    this.#told.add(what);
    if (this.#told.size <= FAULTS_MAX) this.#faults.add(what, hint);
    else this.#faults.add(`${this.#path} has more faults than these`);
  }

  #broken(offset: number, what: string): ReplayError {
    const { line, col } = this.#lines.linePos(offset);
    const hint = 'write one option a line: users: 100';
    return configError(`${this.#path}:${line}:${col}: ${what}`, hint);
  }
}

/**
 * Whether the text is nested far deeper than any config, told without parsing: the parser goes down a
 * few calls for each level, and at the end of the stack it may take the whole process with it.
 */
export function isTooDeep(text: string): boolean {
  let depth = 0;
  for (const [bracket] of text.matchAll(/[[\]{}]/g)) {
    depth += bracket === '[' || bracket === '{' ? 1 : -1;
    if (depth > LEVELS_MAX) return true;
  }
  return DEEP_LINE.test(text);
}

/** What a parser's fault is called. */
export const wordsOf = (code: string, message: string): string => {
  if (code === 'DUPLICATE_KEY') return 'this key stands there twice';
  if (code === 'MULTIPLE_DOCS') return 'a second document begins here, and one is read';
  return `not YAML: ${message.replace(/\s*\n[\s\S]*$/, '')}`;
};

const configError = (message: string, hint?: string): ReplayError =>
  new ReplayError({
    code: 'ERR_CLI_CONFIG',
    kind: 'usage',
    message,
    ...(hint === undefined ? {} : { hint }),
  });
