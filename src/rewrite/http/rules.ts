/**
 * Rules for HTTP, as a document: what is learnt from answers, and what of the recorded requests is
 * written anew. The text of a rules file is read in `cli`; here is what it may say.
 */
import { checkShape, type DocumentFault, jsonSchemaOf, type Shape } from './shape.ts';

/** A rules file. Texts that are called templates may have places like `{{token}}`. */
export interface HttpRules {
  /** Whether cookies are those of the live server. Default: off. */
  readonly cookies?: 'off' | 'auto';
  /** What becomes of a request that needs a value which was never learnt. Default: recorded. */
  readonly unbound?: 'recorded' | 'skip' | 'fail';
  /** Rows of accounts and the like, by name. */
  readonly feeds?: Readonly<Record<string, FeedRule>>;
  /** Templates by name, which others may use. */
  readonly values?: Readonly<Record<string, string>>;
  readonly learn?: readonly LearnRule[];
  readonly send?: readonly SendRule[];
  readonly skip?: readonly SkipRule[];
}

/** A table whose rows clients take: `{{name.column}}`. */
export interface FeedRule {
  /** A file with a line of names of columns. */
  readonly csv: string;
  /** Which row a client takes: by its number, one of its own, or by chance. Default: client. */
  readonly pick?: 'client' | 'once' | 'random';
}

/** Which requests are meant; those that fulfil all that is said. */
export interface WhenRule {
  readonly method?: string;
  /** The path without the query; `*` stands for anything. */
  readonly path?: string;
  /** The recorded Host without the port; `*` stands for anything. */
  readonly host?: string;
  /** The recorded status of the answer: `200`, `2xx`. */
  readonly status?: number | string;
}

/** A value that the server hands out. */
export interface LearnRule {
  /** `{{name}}` is the value that was learnt last. */
  readonly name: string;
  /** The requests to whose answers this applies. */
  readonly when?: WhenRule;
  readonly from: LearnSource;
  /**
   * Whether later requests that have the recorded value get the learnt one there, without being
   * told. Default: where the recorded value has at least four octets.
   */
  readonly alias?: boolean;
}

/** Where in an answer: one of json, header, regex and between; header may go with one of the last two. */
export interface LearnSource {
  /** A path of names and indexes into a JSON body: `$.data.items[0].id`. */
  readonly json?: string;
  /** A header field's value, or what the regex or the delimiters find in it. */
  readonly header?: string;
  /** The first group, or all that matches, in the body. */
  readonly regex?: string;
  /** What stands between the two texts, in the body. */
  readonly between?: readonly [string, string];
  /** `regex` and `between` look behind the first place of this text: the form, or the row, that is meant. */
  readonly after?: string;
  /** Which of those that `regex` and `between` find one behind the other, from 1. Default: 1. */
  readonly nth?: number;
}

/** What requests say instead; templates. */
export interface SendRule {
  readonly when?: WhenRule;
  /** Header fields, set or added; null removes. */
  readonly headers?: Readonly<Record<string, Scalar | null>>;
  /** Name and password of requests that log in by Basic (RFC 7617). */
  readonly basic?: { readonly user: string; readonly password: string };
  /** Fields of a form in the body, set or added; null removes. */
  readonly form?: Readonly<Record<string, Scalar | null>>;
  /** Values of a JSON body by path. A template gives a text; null is JSON's null. */
  readonly json?: Readonly<Record<string, Scalar | null>>;
  /** Parameters of the query, set or added; null removes. */
  readonly query?: Readonly<Record<string, Scalar | null>>;
  /** The path without the query. */
  readonly path?: string;
  /** A literal text that is looked for in the target, in values of header fields and in the body. */
  readonly replace?: string;
  /** What stands there instead; a template. */
  readonly with?: string;
}

/** Requests that are left out, with their answers. */
export interface SkipRule {
  readonly when: WhenRule;
}

/** A value as YAML gives it. */
export type Scalar = string | number | boolean;

const NAME = /^[A-Za-z_][\w-]*$/;

/** Names that `{{…}}` has a meaning for by itself. */
export const BUILT_IN_NAMES: readonly string[] = [
  'client',
  'user',
  'iteration',
  'turn',
  'uuid',
  'counter',
  'random',
  'now',
  'date',
  'env',
  'recorded',
];

/** Fields that follow from the body by themselves. */
const FRAMING_FIELDS = new Set(['content-length', 'transfer-encoding']);

const FIELD_NAME = /^[!#$%&'*+\-.^`|~\w]+$/;

/** More of a kind no page has that somebody has counted. */
const NTH_MAX = 10_000;

/** A step of a path: `.name`, `[0]`, `["any name"]`. */
const PATH_STEP = /\.[A-Za-z_$][\w$-]*|\[\d+\]|\["(?:[^"\\]|\\.)*"\]/y;

/**
 * The steps of a path into a JSON document: names, and indexes of lists.
 * @returns null where the text is no such path
 */
export function jsonPathSteps(text: string): readonly (string | number)[] | null {
  if (!text.startsWith('$')) return null;
  const steps: (string | number)[] = [];
  PATH_STEP.lastIndex = 1;
  let at = 1;
  for (let match = PATH_STEP.exec(text); match !== null; match = PATH_STEP.exec(text)) {
    const [step] = match;
    at += step.length;
    if (step.startsWith('.')) steps.push(step.slice(1));
    else if (step.startsWith('["')) steps.push(quotedName(step.slice(1, -1)));
    else steps.push(Number(step.slice(1, -1)));
  }
  return at === text.length ? steps : null;
}

function quotedName(text: string): string {
  try {
    return String(JSON.parse(text));
  } catch {
    return text.slice(1, -1);
  }
}

const checkName = (name: string): string | null => {
  if (!NAME.test(name)) return 'is no name: letters, digits, _ and -, with a letter first';
  return BUILT_IN_NAMES.includes(name) ? 'is the name of a built-in value' : null;
};

const checkFieldName = (name: string): string | null => {
  if (!FIELD_NAME.test(name)) return 'is no name of a header field';
  return FRAMING_FIELDS.has(name.toLowerCase()) ? 'follows from the body by itself' : null;
};

const checkJsonPath = (text: string): string | null =>
  jsonPathSteps(text) === null
    ? 'is no path of names and indexes: $.data.items[0].id, $["any name"]'
    : null;

const checkRegex = (text: string): string | null => {
  try {
    new RegExp(text);
    return null;
  } catch (error) {
    return `is no regular expression: ${(error as Error).message.replace(/^.*: /, '')}`;
  }
};

const checkStatus = (text: string): string | null =>
  /^[1-5](?:\d\d|xx)$/i.test(text) ? null : `takes a status like 200 or 2xx, not '${text}'`;

const notEmpty = (text: string): string | null => (text === '' ? 'is empty' : null);

const noLineEnd = (text: string): string | null =>
  /[\r\n\0]/.test(text) ? 'has a line end, which would end the header field' : null;

const SCALAR_OR_NULL: Shape = { is: 'scalar', isNullable: true };

const WHEN: Shape = {
  is: 'object',
  says: 'Which requests are meant: those that fulfil all of it.',
  fields: {
    method: { is: 'text', says: 'GET, POST, …', check: notEmpty },
    path: {
      is: 'text',
      says: 'The path without the query; `*` stands for anything.',
      check: notEmpty,
    },
    host: {
      is: 'text',
      says: 'The recorded Host without the port; `*` stands for anything.',
      check: notEmpty,
    },
    status: {
      is: 'whole-or',
      says: 'The recorded status of the answer: 200, 2xx.',
      ...{ min: 100, max: 599 },
      or: { is: 'text', check: checkStatus },
    },
  },
};

const FEEDS: Shape = {
  is: 'map',
  says: 'Tables whose rows clients take: `{{name.column}}`.',
  checkName,
  of: {
    is: 'object',
    fields: {
      csv: {
        is: 'text',
        says: 'A CSV file whose first line names the columns; relative to this file.',
        check: notEmpty,
      },
      pick: {
        is: 'choice',
        says: "Which row: by the client's number, one of its own, or by chance.",
        choices: ['client', 'once', 'random'],
      },
    },
    required: ['csv'],
  },
};

const LEARN: Shape = {
  is: 'list',
  says: 'Values that the server hands out.',
  of: {
    is: 'object',
    fields: {
      name: { is: 'text', says: '`{{name}}` is the value learnt last.', check: checkName },
      when: WHEN,
      from: {
        is: 'object',
        says: 'Where in the answer.',
        fields: {
          json: { is: 'text', says: 'A path into a JSON body.', check: checkJsonPath },
          header: { is: 'text', says: 'A header field.', check: checkFieldName },
          regex: { is: 'text', says: 'The first group, or all that matches.', check: checkRegex },
          between: {
            is: 'list',
            says: 'What stands between the two texts.',
            of: { is: 'text', check: notEmpty },
            length: 2,
          },
          after: {
            is: 'text',
            says: 'regex and between look behind the first place of this text.',
            check: notEmpty,
          },
          nth: {
            is: 'whole',
            says: 'Which of those that regex and between find, from 1.',
            ...{ min: 1, max: NTH_MAX },
          },
        },
      },
      alias: {
        is: 'flag',
        says: 'Whether later requests get the learnt value where they have the recorded one.',
      },
    },
    required: ['name', 'from'],
  },
};

const SEND: Shape = {
  is: 'list',
  says: 'What requests say instead. Values are templates.',
  of: {
    is: 'object',
    fields: {
      when: WHEN,
      headers: {
        is: 'map',
        says: 'Header fields, set or added; null removes.',
        checkName: checkFieldName,
        of: { is: 'scalar', isNullable: true, check: noLineEnd },
      },
      basic: {
        is: 'object',
        says: 'Who logs in, in requests that have an `Authorization: Basic`.',
        fields: {
          user: { is: 'text', says: 'The name.' },
          password: { is: 'text', says: 'The password.' },
        },
        required: ['user', 'password'],
      },
      form: { is: 'map', says: 'Fields of a form; null removes.', of: SCALAR_OR_NULL },
      json: {
        is: 'map',
        says: 'Values of a JSON body, by path.',
        checkName: checkJsonPath,
        of: SCALAR_OR_NULL,
      },
      query: { is: 'map', says: 'Parameters of the query; null removes.', of: SCALAR_OR_NULL },
      path: {
        is: 'text',
        says: 'The path without the query.',
        check: (text) => (text.startsWith('/') ? noLineEnd(text) : 'has to begin with /'),
      },
      replace: { is: 'text', says: 'A literal text that is looked for.', check: notEmpty },
      with: { is: 'text', says: 'What stands there instead.' },
    },
  },
};

/** What a rules file may say. */
const RULES: Shape = {
  is: 'object',
  says: 'Rules for HTTP: what is learnt from answers, and what requests say instead.',
  fields: {
    $schema: { is: 'text', says: 'For editors: where the schema of this file lies.' },
    cookies: {
      is: 'choice',
      says: 'auto: cookies are those that the live server sets.',
      choices: ['off', 'auto'],
    },
    unbound: {
      is: 'choice',
      says: 'What becomes of a request that needs a value which was never learnt.',
      choices: ['recorded', 'skip', 'fail'],
    },
    feeds: FEEDS,
    values: {
      is: 'map',
      says: 'Templates by name, which others may use.',
      checkName,
      of: { is: 'text' },
    },
    learn: LEARN,
    send: SEND,
    skip: {
      is: 'list',
      says: 'Requests that are left out, with their answers.',
      of: { is: 'object', fields: { when: WHEN }, required: ['when'] },
    },
  },
};

/**
 * Whether a document is a set of rules.
 * @param faults gets everything that is wrong with it
 */
export function isHttpRules(document: unknown, faults: DocumentFault[]): document is HttpRules {
  const before = faults.length;
  checkShape(RULES, document, [], faults);
  if (faults.length > before) return false;
  const rules = document as HttpRules;
  for (const [i, { from }] of (rules.learn ?? []).entries()) {
    const what = sourceFault(from);
    if (what !== null) faults.push({ path: ['learn', i, 'from'], what });
  }
  for (const [i, rule] of (rules.send ?? []).entries()) {
    const what = sendFault(rule);
    if (what !== null) faults.push({ path: ['send', i], what });
  }
  return faults.length === before;
}

function sourceFault(from: LearnSource): string | null {
  const found = ['json', 'regex', 'between'].filter((key) => Object.hasOwn(from, key));
  if (found.length > 1) return `has ${found.join(' and ')}, of which one can be meant`;
  if (found.length === 0 && from.header === undefined) {
    return 'has none of json, header, regex and between';
  }
  if (from.header !== undefined && from.json !== undefined) {
    return 'has header and json, of which one can be meant';
  }
  const place = from.after !== undefined ? 'after' : from.nth !== undefined ? 'nth' : null;
  return place !== null && from.regex === undefined && from.between === undefined
    ? `has ${place}, which goes with regex or between`
    : null;
}

function sendFault(rule: SendRule): string | null {
  if (rule.replace !== undefined && rule.with === undefined) return 'has replace and no with';
  if (rule.with !== undefined && rule.replace === undefined) return 'has with and no replace';
  return Object.keys(rule).some((key) => key !== 'when') ? null : 'says nothing to send';
}

/** The JSON Schema of rules files. */
export const rulesJsonSchema = (): Readonly<Record<string, unknown>> => ({
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'Rules for HTTP of gryphon replay (--rules)',
  ...jsonSchemaOf(RULES),
});
