/**
 * Shapes of documents that people write: what may stand where, said once. Checking a document, and the
 * JSON Schema by which an editor checks it, are both made of the shape.
 */

/** Where in a document: `['learn', 1, 'from']`. */
export type DocumentPath = readonly (string | number)[];

/** One thing that is wrong with a document. */
export interface DocumentFault {
  readonly path: DocumentPath;
  /** What is wrong, behind the place: `takes a text, not a list`. */
  readonly what: string;
  /** A name that is not known, and those that are. */
  readonly unknown?: string;
  readonly known?: readonly string[];
  /** The fault lies in the key and not in its value. */
  readonly isKey?: boolean;
}

/** What may stand at a place of a document. */
export type Shape =
  | TextShape
  | ChoiceShape
  | FlagShape
  | WholeShape
  | ScalarShape
  | ObjectShape
  | MapShape
  | ListShape
  | EitherShape;

interface Described {
  /** For editors; Markdown. */
  readonly says?: string;
}

interface TextShape extends Described {
  readonly is: 'text';
  /** What is wrong with a text; null: nothing. */
  readonly check?: (text: string) => string | null;
}

interface ChoiceShape extends Described {
  readonly is: 'choice';
  readonly choices: readonly string[];
}

interface FlagShape extends Described {
  readonly is: 'flag';
}

interface WholeShape extends Described {
  readonly is: 'whole';
  readonly min: number;
  readonly max: number;
}

/** A text, a number or a truth value; null where `isNullable`. */
interface ScalarShape extends Described {
  readonly is: 'scalar';
  readonly isNullable: boolean;
  readonly check?: (text: string) => string | null;
}

interface ObjectShape extends Described {
  readonly is: 'object';
  readonly fields: Readonly<Record<string, Shape>>;
  readonly required?: readonly string[];
}

/** Names of the writer's own, each with the same shape. */
interface MapShape extends Described {
  readonly is: 'map';
  readonly of: Shape;
  /** What is wrong with a name; null: nothing. */
  readonly checkName?: (name: string) => string | null;
}

interface ListShape extends Described {
  readonly is: 'list';
  readonly of: Shape;
  /** Exactly so many. */
  readonly length?: number;
}

/** A whole number, or something else. */
interface EitherShape extends Described {
  readonly is: 'whole-or';
  readonly min: number;
  readonly max: number;
  readonly or: Shape;
}

/** Adds what is wrong with a value to `faults`; what is right is left as it is. */
export function checkShape(
  shape: Shape,
  value: unknown,
  path: DocumentPath,
  faults: DocumentFault[],
): void {
  const add = (what: string) => {
    faults.push({ path, what });
  };
  switch (shape.is) {
    case 'text':
      if (typeof value !== 'string') add(`takes a text, not ${kindOf(value)}`);
      else addIf(shape.check?.(value), add);
      return;
    case 'choice':
      if (typeof value === 'string' && shape.choices.includes(value)) return;
      if (typeof value !== 'string') add(`takes ${wordsOf(shape.choices)}, not ${kindOf(value)}`);
      else {
        const what = `takes ${wordsOf(shape.choices)}, not '${value}'`;
        faults.push({ path, what, unknown: value, known: shape.choices });
      }
      return;
    case 'flag':
      if (typeof value !== 'boolean') add(`takes true or false, not ${kindOf(value)}`);
      return;
    case 'scalar':
      if (value === null && shape.isNullable) return;
      if (!isScalar(value)) {
        const orNull = shape.isNullable ? ', or null to remove it' : '';
        add(`takes a value${orNull}, not ${kindOf(value)}`);
      } else if (typeof value === 'string') addIf(shape.check?.(value), add);
      return;
    case 'whole':
      if (typeof value !== 'number') add(`takes a number, not ${kindOf(value)}`);
      else addIf(wholeFault(shape, value), add);
      return;
    case 'whole-or':
      if (typeof value !== 'number') checkShape(shape.or, value, path, faults);
      else addIf(wholeFault(shape, value), add);
      return;
    case 'list':
      checkList(shape, value, path, faults);
      return;
    default:
      checkKeys(shape, value, path, faults);
  }
}

const wholeFault = ({ min, max }: WholeShape | EitherShape, value: number): string | null =>
  Number.isInteger(value) && value >= min && value <= max
    ? null
    : `takes a whole number from ${min} to ${max}, not ${value}`;

function checkList(
  shape: ListShape,
  value: unknown,
  path: DocumentPath,
  faults: DocumentFault[],
): void {
  if (!Array.isArray(value)) {
    faults.push({ path, what: `takes a list, not ${kindOf(value)}` });
    return;
  }
  if (shape.length !== undefined && value.length !== shape.length) {
    faults.push({ path, what: `takes a list of ${shape.length}, not of ${value.length}` });
  }
  for (const [i, item] of value.entries()) checkShape(shape.of, item, [...path, i], faults);
}

function checkKeys(
  shape: ObjectShape | MapShape,
  value: unknown,
  path: DocumentPath,
  faults: DocumentFault[],
): void {
  if (!isMapping(value)) {
    faults.push({ path, what: `takes keys with values, not ${kindOf(value)}` });
    return;
  }
  for (const [key, each] of Object.entries(value)) {
    const at = [...path, key];
    if (shape.is === 'map') {
      const what = shape.checkName?.(key) ?? null;
      if (what !== null) faults.push({ path: at, what, isKey: true });
      checkShape(shape.of, each, at, faults);
    } else if (Object.hasOwn(shape.fields, key)) {
      checkShape(shape.fields[key] as Shape, each, at, faults);
    } else {
      const known = Object.keys(shape.fields);
      faults.push({ path: at, what: 'unknown key', isKey: true, unknown: key, known });
    }
  }
  if (shape.is === 'map') return;
  for (const key of shape.required ?? []) {
    if (!Object.hasOwn(value, key)) faults.push({ path, what: `has no ${key}` });
  }
}

/** The JSON Schema (2020-12) of a shape. */
export function jsonSchemaOf(shape: Shape): Readonly<Record<string, unknown>> {
  const described = shape.says === undefined ? {} : { description: shape.says };
  switch (shape.is) {
    case 'text':
      return { ...described, type: 'string' };
    case 'choice':
      return { ...described, enum: shape.choices };
    case 'flag':
      return { ...described, type: 'boolean' };
    case 'whole':
      return { ...described, type: 'integer', minimum: shape.min, maximum: shape.max };
    case 'scalar':
      return {
        ...described,
        type: ['string', 'number', 'boolean', ...(shape.isNullable ? ['null'] : [])],
      };
    case 'whole-or':
      return {
        ...described,
        anyOf: [
          { type: 'integer', minimum: shape.min, maximum: shape.max },
          jsonSchemaOf(shape.or),
        ],
      };
    case 'list': {
      const size = shape.length;
      const bounds = size === undefined ? {} : { minItems: size, maxItems: size };
      return { ...described, type: 'array', items: jsonSchemaOf(shape.of), ...bounds };
    }
    case 'map':
      return { ...described, type: 'object', additionalProperties: jsonSchemaOf(shape.of) };
    default: {
      const properties = Object.entries(shape.fields).map(([key, of]) => [key, jsonSchemaOf(of)]);
      return {
        ...described,
        type: 'object',
        additionalProperties: false,
        properties: Object.fromEntries(properties),
        ...(shape.required === undefined ? {} : { required: shape.required }),
      };
    }
  }
}

/** A place as people write it: `learn[1].from`. */
export const placeOf = (path: DocumentPath): string =>
  path.reduce<string>((text, each) => {
    if (typeof each === 'number') return `${text}[${each}]`;
    if (!/^[\w-]+$/.test(each)) return `${text}[${JSON.stringify(each)}]`;
    return text === '' ? each : `${text}.${each}`;
  }, '');

function addIf(what: string | null | undefined, add: (what: string) => void): void {
  if (what !== null && what !== undefined) add(what);
}

const isScalar = (value: unknown): value is string | number | boolean =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';

const isMapping = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'keys with values';
  if (typeof value === 'boolean') return String(value);
  return typeof value === 'string' ? 'a text' : `the number ${String(value)}`;
}

/** `off or auto`; `a, b or c`. */
const wordsOf = (words: readonly string[]): string =>
  words.length < 2
    ? words.join('')
    : `${words.slice(0, -1).join(', ')} or ${words.slice(-1).join('')}`;
