/** Rules files: YAML, whose faults have a line and a column. */
import {
  type Document,
  isMap,
  isNode,
  isPair,
  isScalar,
  LineCounter,
  parseDocument,
  type Scalar,
  visit,
} from 'yaml';
import { ReplayError } from '../../base/errors.ts';
import { nearest } from '../../base/nearest.ts';
import { type HttpRules, isHttpRules } from '../../rewrite/http/rules.ts';
import { type DocumentFault, placeOf } from '../../rewrite/http/shape.ts';
import type { FaultList } from '../usage-error.ts';
import { isTooDeep, wordsOf } from './config-file.ts';

/** Aliases of YAML may not make more of a file than this. */
const ALIASES_MAX = 100;
/** More faults than this tell nothing that these do not. */
const FAULTS_MAX = 10;

/** Decimal digits that each number keeps (IEEE 754, binary64). */
const EXACT_DIGITS = 15;
/** RFC 8259, section 6. */
const JSON_NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:e[-+]?\d+)?$/i;
/** Parts of a rule whose values are sent. */
const SENT = new Set<unknown>(['headers', 'form', 'query', 'json']);

/** Rules as they were read, and where their parts stand. */
export interface RulesFile {
  readonly rules: HttpRules;
  /** Adds what is wrong with a part of them. */
  add(fault: DocumentFault, faults: FaultList): void;
}

/**
 * Reads the text of a rules file.
 * @param path as it was given, for messages
 * @param faults gets everything that is wrong with what it says
 * @returns null where something is
 * @throws ReplayError ERR_CLI_RULES (usage) for what is no YAML
 */
export function parseRules(text: string, path: string, faults: FaultList): RulesFile | null {
  const lines = new LineCounter();
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${path}:${line}:${col}`;
  };
  if (isTooDeep(text)) throw rulesError(`${path} is nested too deeply`);
  const options = { lineCounter: lines, prettyErrors: false, stringKeys: true };
  const document = parseDocument(text, options);
  const [broken] = [...document.errors, ...document.warnings];
  if (broken !== undefined) {
    throw rulesError(`${at(broken.pos[0])}: ${wordsOf(broken.code, broken.message)}`);
  }
  const add = (fault: DocumentFault, to: FaultList): void => {
    const place = at(offsetOf(document, fault));
    const name = placeOf(fault.path);
    const { unknown = '', known = [] } = fault;
    const hint = hintOf(nearest(unknown, known), known);
    to.add(`${place}: ${name === '' ? 'the file' : name} ${fault.what}`, hint);
  };
  const changed = changedScalars(document);
  for (const { node, isJson } of changed.slice(0, FAULTS_MAX)) {
    const { source = '', value, range } = node;
    const kind = typeof value === 'number' ? 'number' : 'truth value';
    const what = `${source} is a ${kind}, which would be sent as ${String(value)}`;
    const quoted = isJson ? 'in quotes it is sent as a string' : 'in quotes it stays as it is';
    faults.add(`${at(range?.[0] ?? 0)}: ${what}`, `${quoted}: '${source}'`);
  }
  const found: DocumentFault[] = [];
  const content: unknown = plain(document, path);
  // An empty file says nothing, and that is none of a document.
  const isSound = isHttpRules(content ?? {}, found);
  if (isSound && changed.length === 0) return { rules: content ?? {}, add };
  for (const fault of found.slice(0, FAULTS_MAX)) add(fault, faults);
  return null;
}

/** What would be sent otherwise than it is written: `0x1F`, `1.50`, `True`, digits beyond what is exact. */
function changedScalars(document: Document): { node: Scalar; isJson: boolean }[] {
  const changed: { node: Scalar; isJson: boolean }[] = [];
  visit(document, {
    Scalar: (key, node, ancestors) => {
      const { value, source = '' } = node;
      const isPlain = typeof value === 'number' || typeof value === 'boolean';
      if (key === 'key' || !isPlain || String(value) === source) return;
      const sentIn = ancestors.map(keyOf).findLast((name) => SENT.has(name));
      if (sentIn === undefined) return;
      const isJson = sentIn === 'json';
      if (!isJson || !isSameInJson(value, source)) changed.push({ node, isJson });
    },
  });
  return changed;
}

const keyOf = (node: unknown): unknown =>
  isPair(node) && isScalar(node.key) ? node.key.value : undefined;

/** Whether a reader of JSON takes what is written for the value that is sent: 1.50 is 1.5. */
function isSameInJson(value: number | boolean, source: string): boolean {
  if (typeof value === 'boolean') return true;
  if (!JSON_NUMBER.test(source) || !Number.isFinite(value)) return false;
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) return false;
  const digits = source.replace(/e.*$/i, '').replace(/[-.]/g, '').replace(/^0+/, '');
  return digits.length <= EXACT_DIGITS;
}

function plain(document: Document, path: string): HttpRules | null {
  try {
    return document.toJS({ maxAliasCount: ALIASES_MAX }) as HttpRules | null;
  } catch {
    throw rulesError(`${path} has aliases that make too much of it`);
  }
}

const hintOf = (guess: string | null, known: readonly string[]): string | null => {
  if (guess !== null) return `did you mean ${guess}?`;
  return known.length === 0 ? null : `there are ${known.join(', ')}`;
};

/** Where a part stands: its key where the fault lies there, or the nearest that there is around it. */
function offsetOf(document: Document, { path, isKey }: DocumentFault): number {
  for (let length = path.length; length > 0; length--) {
    const around = document.getIn(path.slice(0, length - 1), true);
    const last = path[length - 1];
    if (isMap(around)) {
      const pair = around.items.find(({ key }) => isScalar(key) && key.value === last);
      const node =
        isKey === true && length === path.length ? pair?.key : (pair?.value ?? pair?.key);
      if (isNode(node) && node.range) return node.range[0];
    }
    const node = document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return node.range[0];
  }
  return document.contents?.range?.[0] ?? 0;
}

const rulesError = (message: string): ReplayError =>
  new ReplayError({ code: 'ERR_CLI_RULES', kind: 'usage', message });
