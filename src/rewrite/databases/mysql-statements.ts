/** Which statements only read: by their first words, so it is approximate, and errs towards writing. */

const READING =
  /^(?:SELECT|SHOW|USE|DESC|DESCRIBE|EXPLAIN|HELP|BEGIN|START|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|VALUES|TABLE|WITH|SET)\b/i;
/** Words that make something else of such a statement. */
const WRITING = new Map([
  ['SELECT', /\bINTO\s+(?:OUTFILE|DUMPFILE)\b/i],
  ['WITH', /\b(?:INSERT|UPDATE|DELETE|REPLACE)\b/i],
  ['SET', /\b(?:GLOBAL|PERSIST|PERSIST_ONLY|PASSWORD)\b/i],
]);

/** Whether all statements of a text only read. */
export function onlyReads(text: string): boolean {
  const plain = text
    .replace(/\/\*!\d*(.*?)\*\//gs, ' $1 ')
    .replace(/\/\*.*?\*\//gs, ' ')
    .replace(/^\s*(?:--\s|#).*$/gm, ' ');
  return plain
    .split(';')
    .map((each) => each.replace(/^[\s(]+/, '').trim())
    .every((each) => each === '' || readsOne(each));
}

function readsOne(statement: string): boolean {
  const [word] = READING.exec(statement) ?? [];
  return word !== undefined && WRITING.get(word.toUpperCase())?.test(statement) !== true;
}
