import { ReplayError } from '../base/errors.ts';
import { RESULT_SCHEMA, type RunResult } from '../measure/result.ts';

/** The result as one JSON document, ended by a newline. */
export const jsonReport = (result: RunResult): string => `${JSON.stringify(result, null, 2)}\n`;

/**
 * Reads a result that `jsonReport` wrote, by this version or an earlier one: what that did not count is
 * taken for none.
 * @param source its name, for the message
 * @throws ReplayError ERR_REPORT_RESULT (usage) that names the place
 */
export async function parseResult(text: string, source: string): Promise<RunResult> {
  const document = parseJson(text, source);
  const stranger = strangerOf(document);
  if (stranger !== null) throw notAResult(source, stranger);
  const { checkResult } = await import('./result-schema.ts');
  const checked = checkResult(document);
  if ('fault' in checked) {
    throw notAResult(source, {
      fault: `${checked.fault}`,
      hint: 'was the file changed, or damaged on its way?',
    });
  }
  return checked;
}

interface Fault {
  readonly fault: string;
  readonly hint?: string;
  readonly cause?: unknown;
}

function parseJson(text: string, source: string): unknown {
  const written = text.trimEnd();
  try {
    return JSON.parse(written);
  } catch (cause) {
    if (written === '') throw notAResult(source, { fault: 'it is empty', cause });
    const at = stopOf(written, cause);
    const line = written.slice(0, at).split('\n').length;
    if (at >= written.length && /^[[{]/.test(written.trimStart())) {
      const fault = `it is cut: the JSON stops in the midst of line ${line}`;
      throw notAResult(source, { fault, hint: 'write or copy it again as a whole', cause });
    }
    throw notAResult(source, { fault: `it is not JSON (line ${line})`, cause });
  }
}

/** Where JSON stops being JSON, as far as V8 says it: `… in JSON at position 12`, or nothing at its end. */
function stopOf(text: string, cause: unknown): number {
  const message = cause instanceof Error ? cause.message : '';
  const position = /at position (\d+)/.exec(message)?.[1];
  if (position !== undefined) return Number(position);
  return /^Unexpected token/.test(message) ? 0 : text.length;
}

/** What the document is instead of a result; null when it says that it is one. */
function strangerOf(document: unknown): Fault | null {
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    return { fault: 'it is not an object' };
  }
  const schema = 'schema' in document ? document.schema : undefined;
  if (schema === RESULT_SCHEMA) return null;
  if (schema === undefined)
    return { fault: 'it is the JSON of something else: it has no "schema"' };
  const isNewer = typeof schema === 'string' && /^gryphon\.result\/\d+$/.test(schema);
  if (!isNewer) {
    return { fault: `its schema is ${JSON.stringify(schema)}, not "${RESULT_SCHEMA}"` };
  }
  return {
    fault: `a newer gryphon wrote it (schema ${schema}, this one reads ${RESULT_SCHEMA})`,
    hint: 'use that version to read it',
  };
}

const notAResult = (
  source: string,
  { fault, hint = 'give a file that gryphon replay --json or --out wrote', cause }: Fault,
): ReplayError =>
  new ReplayError({
    code: 'ERR_REPORT_RESULT',
    kind: 'usage',
    message: `${source} is no result of a replay: ${fault}`,
    hint,
    cause,
  });
