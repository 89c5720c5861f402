/** Rules files: YAML, whose faults have a line and a column. */
import {
  type Document,
  isMap,
  isNode,
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
  const lossy = lossyNumbers(document);
  for (const { source = '', value, range } of lossy.slice(0, FAULTS_MAX)) {
    const what = `${source} is a number, which would be sent as ${String(value)}`;
    faults.add(`${at(range?.[0] ?? 0)}: ${what}`, `in quotes it stays as it is: '${source}'`);
  }
  const found: DocumentFault[] = [];
  const content: unknown = plain(document, path);
  // An empty file says nothing, and that is none of a document.
  const isSound = isHttpRules(content ?? {}, found);
  if (isSound && lossy.length === 0) return { rules: content ?? {}, add };
  for (const fault of found.slice(0, FAULTS_MAX)) add(fault, faults);
  return null;
}

/** Numbers that would be other ones, or written otherwise: beyond what is exact, or with zeros in front. */
function lossyNumbers(document: Document): Scalar[] {
  const lossy: Scalar[] = [];
  visit(document, {
    Scalar: (_, node) => {
      if (typeof node.value === 'number' && isLossy(node.value, node.source ?? ''))
        lossy.push(node);
    },
  });
  return lossy;
}

function isLossy(value: number, source: string): boolean {
  if (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value))) {
    return true;
  }
  const digits = source.replace(/^[-+]/, '').replace(/e.*$/i, '');
  if (/^0\d/.test(digits)) return true;
  const significant = digits.replace('.', '').replace(/^0+/, '').length;
  return significant > EXACT_DIGITS && String(value) !== source;
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
