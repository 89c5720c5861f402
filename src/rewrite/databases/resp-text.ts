/** Redis' commands and replies (RESP, versions 2 and 3) in a text of octets. */

/** A command's argument: `[from, to)` of the text. */
interface RespArgument {
  readonly from: number;
  readonly to: number;
}

/** A command of a client's. */
export interface RespCommand {
  readonly from: number;
  readonly to: number;
  readonly args: readonly RespArgument[];
}

const LINE = /([^\r\n]*)\r\n/y;
/** Aggregates: how many values belong to each of their elements. */
const ELEMENT_VALUES = new Map([
  ...[...'*~>'].map((type) => [type, 1] as const),
  ...[...'%|'].map((type) => [type, 2] as const),
]);
const BULKS = '$=!';

function lineAt(text: string, at: number): { readonly line: string; readonly end: number } | null {
  LINE.lastIndex = at;
  const found = LINE.exec(text);
  return found === null ? null : { line: found[1], end: LINE.lastIndex };
}

/** The commands of a stream, up to one that is none. */
export function* respCommands(text: string): Generator<RespCommand, void> {
  for (let at = 0; at < text.length; ) {
    const command = text[at] === '*' ? commandAt(text, at) : inlineAt(text, at);
    if (command === null) return;
    if (command.args.length > 0) yield command;
    at = command.to;
  }
}

function commandAt(text: string, from: number): RespCommand | null {
  const head = lineAt(text, from + 1);
  if (head === null) return null;
  const count = Number(head.line);
  if (!Number.isInteger(count)) return null;
  const args: RespArgument[] = [];
  let at = head.end;
  while (args.length < count) {
    const length = text[at] === '$' ? lineAt(text, at + 1) : null;
    const bytes = Number(length?.line);
    if (length === null || !Number.isInteger(bytes) || bytes < 0) return null;
    const end = length.end + bytes;
    if (end + 2 > text.length) return null;
    args.push({ from: length.end, to: end });
    at = end + 2;
  }
  return { from, to: at, args };
}

/** A command as people type it: words up to the line's end. */
function inlineAt(text: string, from: number): RespCommand | null {
  const found = lineAt(text, from);
  if (found === null) return null;
  const args = [...found.line.matchAll(/\S+/g)].map(({ index, 0: word }) => ({
    from: from + index,
    to: from + index + word.length,
  }));
  return { from, to: found.end, args };
}

/** Offset behind the reply that begins at `at`; -1 where it is not whole. */
export function endOfReply(text: string, at: number): number {
  let open = 1;
  let end = at;
  while (open > 0) {
    const head = lineAt(text, end);
    if (head === null) return -1;
    const type = head.line[0];
    const count = Number(head.line.slice(1));
    end = head.end;
    // A push, or attributes, stand before the reply that they come with.
    if (type !== '>' && type !== '|') open--;
    if (BULKS.includes(type) && count >= 0) end += count + 2;
    const values = ELEMENT_VALUES.get(type);
    if (values !== undefined && count > 0) open += count * values;
    if (end > text.length) return -1;
  }
  return end;
}
