/** HTML as text: what is put into a template is escaped, unless it is markup already. */

/** Text that is HTML already. */
export interface Markup {
  readonly html: string;
}

type Part = Markup | string | number | readonly Part[];

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** The text with `& < > " '` as entities: safe as content and in quoted attributes. */
const escaped = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '');

function htmlOf(part: Part): string {
  if (typeof part === 'string') return escaped(part);
  if (typeof part === 'number') return String(part);
  return 'html' in part ? part.html : part.map(htmlOf).join('');
}

/** A template whose parts are escaped; lists are joined. */
export function html(texts: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  let text = texts[0] ?? '';
  for (const [i, part] of parts.entries()) text += htmlOf(part) + (texts[i + 1] ?? '');
  return { html: text };
}

/** Text that is HTML as it is: stylesheets and scripts of our own. */
export const verbatim = (text: string): Markup => ({ html: text });

/**
 * A value as JSON that may stand in a `<script type="application/json">`: no `<` can end the element,
 * and no line separator of Unicode ends a line.
 */
export const jsonMarkup = (value: unknown): Markup =>
  verbatim(
    JSON.stringify(value)
      .replace(/</g, '\\u003c')
      .replace(/\u2028/g, '\\u2028')
      .replace(/\u2029/g, '\\u2029'),
  );

/**
 * A table with a caption. The first column names the row; the others are figures, which stand at the right
 * and are not broken, or text.
 * @param texts the heads of the columns that are text
 */
export function table(
  caption: string,
  head: readonly string[],
  rows: readonly (readonly Part[])[],
  texts: readonly string[] = [],
): Markup {
  const kind = (column: number): Markup | readonly [] =>
    texts.includes(head[column] ?? '') ? html` class="text"` : [];
  return html`<div class="scroll"><table>
<caption>${caption}</caption>
<thead><tr>${head.map((cell, i) => html`<th scope="col"${kind(i)}>${cell}</th>`)}</tr></thead>
<tbody>
${rows.map(
  ([name = '', ...cells]) =>
    html`<tr><th scope="row">${name}</th>${cells.map((cell, i) => html`<td${kind(i + 1)}>${cell}</td>`)}</tr>\n`,
)}</tbody>
</table></div>
`;
}

/** A table of names and what is to be said of each, without a head. */
export const factTable = (
  caption: string,
  rows: readonly (readonly [name: string, fact: Part])[],
): Markup => html`<div class="scroll"><table class="facts">
<caption>${caption}</caption>
<tbody>
${rows.map(([name, fact]) => html`<tr><th scope="row">${name}</th><td class="text">${fact}</td></tr>\n`)}</tbody>
</table></div>
`;
