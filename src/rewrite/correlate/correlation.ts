/** What correlates, as rows for people and as rules for a replay. */

import { append } from '../../base/append.ts';
import { BUILT_IN_NAMES, type HttpRules, type LearnRule } from '../http/rules.ts';
import type { HandedIn } from './answer-values.ts';
import { Confidence, confidenceOf } from './confidence.ts';
import type { Candidate, Found, Told } from './correlator.ts';
import type { Differs } from './evidence.ts';
import type { SentPlace } from './request-values.ts';

/** Values that are handed out in one way, and where they are sent. */
export interface CorrelationRow {
  /** Whose answers: method and path with its identifiers folded; the first ones. */
  readonly by: readonly string[];
  readonly in: HandedIn;
  readonly name: string;
  readonly sent: readonly SentPlace[];
  readonly clients: number;
  readonly values: number;
  /** The beginning of one: enough to find it again. */
  readonly example: string;
  /** Whether clients got different values for the same request. */
  readonly differs: Differs;
  /** Whether a client got another value where it asked the same again. */
  readonly changes: boolean;
  /** From 0 to 1. */
  readonly confidence: number;
  /** What follows it in the rules: a name of `learn`, `cookies`, or nothing: why. */
  readonly rule: string | null;
  /** Sent on connections on which it was not handed out. */
  readonly isAcross: boolean;
  /** No rule finds it there. */
  readonly isUnfindable: boolean;
}

/** All that was found. */
export interface Correlation {
  /** The surest first. */
  readonly rows: readonly CorrelationRow[];
  readonly rules: HttpRules;
  /** Octets of a body that have to be read for the rules. */
  readonly bodyBytes: number;
  /** There was more than is looked at. */
  readonly isCut: boolean;
}

/** Answers of so many kinds have a rule each; of more, one for all. */
const RULES_OF_SOURCE_MAX = 3;
const RULES_MAX = 100;
const EXAMPLE_CHARACTERS = 12;

/** A candidate that was chosen, and the values that it is for. */
interface Chosen {
  readonly candidate: Candidate;
  readonly told: Told[];
  readonly confidence: number;
}

/** Where several ways find a value the one that is least likely to find something else. */
const ORDER: readonly HandedIn[] = [
  ...(['cookie', 'json', 'hidden', 'meta', 'header', 'location'] as const),
  ...(['attribute', 'script', 'link', 'text'] as const),
];

/** Chooses the fewest ways that find all values, and words them. */
export function correlationOf({ candidates, told, isCut }: Found): Correlation {
  const chosen = choose(candidates, told);
  const groups = new Map<string, Chosen[]>();
  for (const each of chosen) {
    const { source, in: place, name } = each.candidate;
    const key = JSON.stringify([place, name, source]);
    append(groups, key, each);
  }
  const named = new Names();
  const written = [...groups.values()].sort(bySurest).flatMap((group) => {
    const isSure = surest(group) >= Confidence.MEDIUM;
    return [{ group, rule: isSure ? ruleName(group[0], named) : null }];
  });
  const rows = written.map(({ group, rule }) => rowOf(group, rule));
  const learn = written.flatMap(({ group, rule }) => {
    if (rule === null) return [];
    if (rule !== COOKIES) return learnRules(group, rule);
    return group.some(isShortElsewhere)
      ? learnRules(group, named.of(group[0]?.candidate.name ?? ''))
      : [];
  });
  const cookies = written.some(({ rule }) => rule === COOKIES);
  const bytes = written.flatMap(({ group, rule }) =>
    rule === null ? [] : group.map(({ candidate }) => candidate.bodyBytes),
  );
  return {
    rows: [...rows, ...unfindable(told, chosen)],
    rules: {
      ...(cookies ? { cookies: 'auto' as const } : {}),
      ...(learn.length > 0 ? { learn: learn.slice(0, RULES_MAX) } : {}),
    },
    bodyBytes: Math.max(0, ...bytes),
    isCut: isCut || learn.length > RULES_MAX,
  };
}

function choose(candidates: readonly Candidate[], told: readonly Told[]): readonly Chosen[] {
  const found = new Map<number, Told[]>();
  for (const each of told) {
    for (const id of each.foundBy) append(found, id, each);
  }
  const sure = candidates.flatMap((candidate): Chosen[] => {
    const own = found.get(candidate.id) ?? [];
    if (candidate.wrong > 0 || own.length === 0) return [];
    return [{ candidate, told: own, confidence: confidenceIn(candidate, own) }];
  });
  sure.sort(
    (a, b) =>
      Number(b.confidence >= Confidence.MEDIUM) - Number(a.confidence >= Confidence.MEDIUM) ||
      ORDER.indexOf(a.candidate.in) - ORDER.indexOf(b.candidate.in) ||
      b.told.length - a.told.length ||
      a.candidate.id - b.candidate.id,
  );
  const covered = new Set<Told>();
  return sure.flatMap((each) => {
    const own = each.told.filter((value) => !covered.has(value));
    for (const value of own) covered.add(value);
    return own.length === 0 ? [] : [{ ...each, told: own }];
  });
}

const confidenceIn = (candidate: Candidate, told: readonly Told[]): number =>
  confidenceOf({
    findings: candidate.evidence.findings,
    in: candidate.in,
    names: [candidate.name, ...told.flatMap(({ sent }) => sent.map(({ name }) => name))],
    example: told[0]?.value ?? '',
    isMade: candidate.when !== null && !['GET', 'HEAD'].includes(candidate.when.method),
  });

const surest = (group: readonly Chosen[]): number =>
  Math.max(...group.map(({ confidence }) => confidence));

const bySurest = (a: readonly Chosen[], b: readonly Chosen[]): number =>
  surest(b) - surest(a) || valuesOf(b) - valuesOf(a);

const valuesOf = (group: readonly Chosen[]): number =>
  group.reduce((sum, { told }) => sum + told.length, 0);

/** The rule that cookies have of their own. */
const COOKIES = 'cookies';
/** Values of cookies with fewer octets are not looked for in what is no cookie. */
const COOKIE_BYTES_MIN = 8;

const isShortElsewhere = ({ told }: Chosen): boolean =>
  told.some(
    ({ value, sent }) =>
      value.length < COOKIE_BYTES_MIN && sent.some(({ part }) => part !== 'cookie'),
  );

function ruleName(first: Chosen | undefined, names: Names): string | null {
  if (first === undefined) return null;
  const { in: place, name } = first.candidate;
  return place === 'cookie' ? COOKIES : names.of(name);
}

/** Names of rules: each once. */
class Names {
  readonly #taken = new Set<string>(BUILT_IN_NAMES);

  of(name: string): string {
    const plain =
      name
        .replace(/\[\d+\]$/, '')
        .match(/[A-Za-z_][\w-]*/g)
        ?.at(-1) ?? 'value';
    const base = plain.replace(/-/g, '_').slice(0, 40).toLowerCase();
    for (let i = 1; ; i++) {
      const candidate = i === 1 ? base : `${base}_${i}`;
      if (this.#taken.has(candidate)) continue;
      this.#taken.add(candidate);
      return candidate;
    }
  }
}

function learnRules(group: readonly Chosen[], name: string): readonly LearnRule[] {
  const [first] = group;
  if (first === undefined) return [];
  const from = first.candidate.source;
  const whens = group.flatMap(({ candidate }) => candidate.when ?? []);
  if (whens.length < group.length || whens.length > RULES_OF_SOURCE_MAX) return [{ name, from }];
  return whens.map(({ method, path }) => ({
    ...{ name, when: method === 'GET' ? { path } : { method, path } },
    from,
  }));
}

function rowOf(group: readonly Chosen[], rule: string | null): CorrelationRow {
  const [{ candidate }] = group as readonly [Chosen, ...Chosen[]];
  const told = group.flatMap((each) => each.told);
  const findings = group.map((each) => each.candidate.evidence.findings);
  return {
    ...described(told, candidate),
    example: exampleOf(told),
    by: [...new Set(told.map(({ first }) => first.by))],
    differs: findings.map(({ differs }) => differs).sort(byWeight)[0] ?? 'unknown',
    changes: findings.some(({ changes }) => changes),
    confidence: surest(group),
    ...{ rule, isUnfindable: false },
  };
}

const WEIGHT: readonly Differs[] = ['yes', 'partly', 'no', 'unknown'];
const byWeight = (a: Differs, b: Differs): number => WEIGHT.indexOf(a) - WEIGHT.indexOf(b);

function described(told: readonly Told[], { in: place, name }: Pick<Candidate, 'in' | 'name'>) {
  const sent = new Map<string, SentPlace>();
  for (const each of told) {
    for (const at of each.sent) sent.set(`${at.part} ${at.name} ${at.as}`, at);
  }
  return {
    ...{ in: place, name, sent: [...sent.values()] },
    clients: new Set(told.map(({ client }) => client)).size,
    values: new Set(told.map(({ value }) => value)).size,
    isAcross: told.some(({ isAcross }) => isAcross),
  };
}

/** Not the whole of it: it may be somebody's secret. */
const exampleOf = ([first]: readonly Told[]): string => {
  const value = first?.value ?? '';
  const shown = value.slice(0, Math.min(EXAMPLE_CHARACTERS, Math.ceil(value.length / 2)));
  return `${shown.replace(/[^\x20-\x7e]/g, '.')}…`;
};

/** Values that came before they were sent, where no candidate finds them, and nothing else. */
function unfindable(told: readonly Told[], chosen: readonly Chosen[]): readonly CorrelationRow[] {
  const found = new Set(chosen.flatMap((each) => each.told));
  const groups = new Map<string, Told[]>();
  for (const each of told) {
    if (found.has(each)) continue;
    const key = `${each.first.by} ${each.first.in} ${each.first.name}`;
    append(groups, key, each);
  }
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    return [
      {
        ...described(group, first.first),
        example: exampleOf(group),
        by: [first.first.by],
        ...{ differs: 'unknown' as const, changes: false, confidence: 0 },
        ...{ rule: null, isUnfindable: true },
      },
    ];
  });
}
