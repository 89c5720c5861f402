/** What of recorded requests is written anew: a rules file, its feeds, and the short forms. */
import { ReplayError } from '../base/errors.ts';
import type { HttpSettings } from '../rewrite/http/http-module.ts';
import type { HttpRules } from '../rewrite/http/rules.ts';
import type { DocumentFault } from '../rewrite/http/shape.ts';
import type { Feed } from '../rewrite/http/values.ts';
import type { ModuleSpec } from '../run/plan/modules.ts';
import type { RulesFile } from './config/rules-file.ts';
import type { Context } from './context.ts';
import { readFeed } from './feeds.ts';
import { FaultList } from './usage-error.ts';
import type { SetHeader } from './values/headers.ts';

/** The options that say it. */
interface RewritingValues {
  readonly rules: string | null;
  readonly setHeader: readonly SetHeader[];
  readonly cookies: 'off' | 'auto' | null;
  readonly per: 'connection' | 'client';
}

/** A rules file is written by hand, or by a program that has seen a capture. */
const RULES_BYTES_MAX = 4 << 20;

/**
 * @returns null where requests stay as they were recorded
 * @throws UsageError with everything that is wrong with the rules; ReplayError for files
 */
export async function readRewriting(
  { rules: path, setHeader, cookies, per }: RewritingValues,
  { files, env }: Pick<Context, 'files' | 'env'>,
): Promise<HttpSettings | null> {
  if (path === null && setHeader.length === 0 && cookies === null) return null;
  const { checkTemplates, environmentOf, templateNames } = await import(
    '../rewrite/http/ready-rules.ts'
  );
  const faults = new FaultList();
  const file = path === null ? null : await readFile(path, files, faults);
  faults.throwIfAny();
  const feeds = await readFeeds(file?.rules ?? {}, path ?? '', files);
  // Last, for the later of two settings counts.
  const headers = setHeader.map(({ name, value }) => ({ headers: { [name]: value } }));
  const rules: HttpRules = {
    ...file?.rules,
    ...(cookies === null ? {} : { cookies }),
    send: [...(file?.rules.send ?? []), ...headers],
  };
  const names = environmentOf(rules);
  const environment = Object.fromEntries(
    [...names].flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])),
  );
  const found: DocumentFault[] = [...(await slowPatterns(rules))];
  checkTemplates(
    rules,
    templateNames(rules, environment, (name) => feeds[name]?.columns ?? null),
    found,
  );
  const written = file?.rules.send?.length ?? 0;
  for (const fault of found) {
    const [part, row] = fault.path;
    if (file !== null && (part !== 'send' || Number(row) < written)) file.add(fault, faults);
    else faults.add(`--set-header: ${fault.what}`);
  }
  faults.throwIfAny();
  return { rules, feeds, environment, perClient: per === 'client' };
}

/** Patterns that can stop a thread: the more of an answer they read, the longer, without end. */
async function slowPatterns({ learn = [] }: HttpRules): Promise<readonly DocumentFault[]> {
  if (learn.every(({ from }) => from.regex === undefined)) return [];
  const { isTooSlow, stressTexts } = await import('../run/plan/slow-patterns.ts');
  return learn.flatMap(({ from: { regex } }, i) => {
    if (regex === undefined || !isTooSlow(regex, stressTexts(regex))) return [];
    const what =
      'can take forever: something that is repeated stands in something that is repeated';
    return [{ path: ['learn', i, 'from', 'regex'], what }];
  });
}

async function readFile(
  path: string,
  files: Context['files'],
  faults: FaultList,
): Promise<RulesFile | null> {
  const { parseRules } = await import('./config/rules-file.ts');
  const text = await files.read(path, RULES_BYTES_MAX).catch((fault: unknown) => {
    if (!(fault instanceof ReplayError)) throw fault;
    const { code, kind, message } = fault;
    throw new ReplayError({ code, kind, message: `--rules: ${message}`, cause: fault });
  });
  return parseRules(text, path, faults);
}

/** A path in the file is relative to the file's folder. */
async function readFeeds(
  { feeds = {} }: HttpRules,
  path: string,
  files: Context['files'],
): Promise<Readonly<Record<string, Feed>>> {
  const folder = path.slice(0, path.lastIndexOf('/') + 1);
  const read: [string, Feed][] = [];
  for (const [name, rule] of Object.entries(feeds)) {
    const file = rule.csv.startsWith('/') ? rule.csv : folder + rule.csv;
    read.push([name, await readFeed(rule, file, files)]);
  }
  return Object.fromEntries(read);
}

/** Rules alone, as a list of modules: what `inspect` tells the effect of. */
export async function readRules(
  rules: string | null,
  context: Pick<Context, 'files' | 'env'>,
): Promise<readonly ModuleSpec[]> {
  const values = { rules, setHeader: [], cookies: null, per: 'connection' as const };
  const settings = await readRewriting(values, context);
  return settings === null ? [] : [{ kind: 'http', settings }];
}
