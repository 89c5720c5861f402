/** What templates of a document may name, and whether all of them name what there is. */

import type { HttpRules } from './rules.ts';
import type { DocumentFault, DocumentPath } from './shape.ts';
import { environmentNames, TemplateFault, type TemplateNames, TemplateReader } from './template.ts';

/** @param columnsOf the columns of a feed; null where they are not known yet */
export const templateNames = (
  rules: HttpRules,
  environment: Readonly<Record<string, string | undefined>>,
  columnsOf: (feed: string) => readonly string[] | null,
): TemplateNames => ({
  learnt: new Set((rules.learn ?? []).map(({ name }) => name)),
  feeds: new Map(Object.keys(rules.feeds ?? {}).map((name) => [name, columnsOf(name)])),
  values: rules.values ?? {},
  env: (name) => environment[name],
});

/** Names of the environment that the rules use. */
export const environmentOf = (rules: HttpRules): ReadonlySet<string> =>
  environmentNames([...templatesOf(rules)].map(([, text]) => text));

/** Adds what is wrong with the templates of rules whose form is right. */
export function checkTemplates(
  rules: HttpRules,
  names: TemplateNames,
  faults: DocumentFault[],
): void {
  const reader = new TemplateReader(names);
  for (const [path, text] of templatesOf(rules)) {
    try {
      reader.read(text);
    } catch (error) {
      if (!(error instanceof TemplateFault)) throw error;
      faults.push({ path, what: error.message, unknown: error.unknown, known: error.known });
    }
  }
}

/** All templates, with their places. */
function* templatesOf(rules: HttpRules): Generator<readonly [DocumentPath, string]> {
  for (const [name, text] of Object.entries(rules.values ?? {})) yield [['values', name], text];
  for (const [i, rule] of (rules.send ?? []).entries()) {
    for (const part of ['headers', 'form', 'json', 'query'] as const) {
      for (const [key, value] of Object.entries(rule[part] ?? {})) {
        if (typeof value === 'string') yield [['send', i, part, key], value];
      }
    }
    if (rule.path !== undefined) yield [['send', i, 'path'], rule.path];
    if (rule.with !== undefined) yield [['send', i, 'with'], rule.with];
  }
}
