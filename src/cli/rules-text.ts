/** Rules that were found, as the text of a rules file. */
import { formatCount } from '../base/units.ts';
import { sentIn } from '../report/correlation-text.ts';
import type { CorrelationReport } from '../report/inspect-document.ts';

/** What `--answer-bytes` is without being given, less what a header takes. */
const READ_BYTES = 60 << 10;

/**
 * @returns YAML that `--rules` reads as it is
 */
export async function rulesText(found: CorrelationReport): Promise<string> {
  const { Document, isMap, isSeq, Scalar, visit } = await import('yaml');
  const { rules, rows, sessions, clients } = found;
  const document = new Document(rules, { aliasDuplicateObjects: false });
  const learn = document.get('learn');
  const told = new Map(rows.map((row) => [row.rule, row]));
  // A line a rule, with quotes around what is literal: as one would write it.
  for (const item of isSeq(learn) ? learn.items : []) {
    if (!isMap(item)) continue;
    item.flow = true;
    const name = String(item.get('name'));
    const row = told.get(name);
    if (row !== undefined) item.commentBefore = ` ${row.example} is sent in ${sentIn(row)}`;
    told.delete(name);
  }
  visit(document, {
    Scalar: (_, node) => {
      const isPlain = typeof node.value !== 'string' || /^[\w$./[\]*-]+$/.test(node.value);
      if (!isPlain) node.type = Scalar.QUOTE_SINGLE;
    },
  });
  const options = optionsFor(found);
  const counted = (count: number, what: string) =>
    `${formatCount(count)} ${what}${count === 1 ? '' : 's'}`;
  const many = `${counted(sessions, 'HTTP session')} of ${counted(clients, 'client')}`;
  const head = [
    ` What answers handed out and later requests had, in ${many}.`,
    ...(options === '' ? [] : [` To be played with${options}.`]),
  ];
  const isEmpty = Object.keys(rules).length === 0;
  if (isEmpty) return `${head.map((line) => `#${line}`).join('\n')}\n# Nothing was found.\n{}\n`;
  document.commentBefore = head.join('\n');
  return document.toString({ lineWidth: 0 });
}

/** Options that a replay with these rules needs; empty, or with a space in front. */
export function optionsFor({ rows, bodyBytes }: CorrelationReport): string {
  const isAcross = rows.some(({ rule, isAcross: across }) => rule !== null && across);
  // The body begins behind a header, and may come in chunks.
  const kibibytes = 2 ** Math.ceil(Math.log2(Math.max(1, (bodyBytes * 1.1) / 1024)));
  const answers = bodyBytes > READ_BYTES ? ` --answer-bytes ${2 * kibibytes}KiB` : '';
  return `${isAcross ? ' --per client' : ''}${answers}`;
}
