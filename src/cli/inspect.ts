/** `gryphon inspect`: what captures hold, and what of it can be replayed; sends nothing. */
import type { InspectDocument } from '../report/inspect-document.ts';
import { inspectText } from '../report/inspect-text.ts';
import { inspectCaptures } from '../run/inspect-captures.ts';
import { readCaptureOptions } from './capture-options.ts';
import type { CommandInput } from './command-line.ts';
import { ExitCode } from './exit-codes.ts';

/** Sessions of the document that are written at once. */
const SESSIONS_PER_PIECE = 1000;

/**
 * Runs the command. That nothing can be replayed is a finding and no failure: it ends with 0.
 * @throws ReplayError (capture) when a capture cannot be read at all
 */
export async function inspect({ given, faults, context }: CommandInput): Promise<ExitCode> {
  const captures = given.positionals('capture');
  const isJson = given.switch('json') ?? false;
  const sessions = given.switch('sessions') ?? false;
  if (captures.length === 0) faults.add('no capture given', 'gryphon inspect FILE…');
  const choice = readCaptureOptions(given, faults);
  faults.throwIfAny();
  const document = await inspectCaptures(captures, {
    ...choice,
    sessions,
    // The table does not show them, and they cost another reading.
    digests: isJson,
    seed: context.randomUint32(),
    onWarning: (text) => context.log(`gryphon: ${text}\n`),
  });
  if (!isJson) await context.print(inspectText(document));
  else for (const piece of jsonPieces(document)) await context.print(piece);
  return ExitCode.OK;
}

/** The document as JSON, in pieces: millions of sessions are more than one string can hold. */
export function* jsonPieces({ sessionList, ...rest }: InspectDocument): Generator<string> {
  const head = JSON.stringify(rest, null, 2);
  if (sessionList === undefined) {
    yield `${head}\n`;
    return;
  }
  yield `${head.slice(0, head.lastIndexOf('\n}'))},\n  "sessionList": [`;
  for (let first = 0; first < sessionList.length; first += SESSIONS_PER_PIECE) {
    const piece = sessionList.slice(first, first + SESSIONS_PER_PIECE);
    const lines = piece.map((session) => `\n    ${JSON.stringify(session)}`);
    yield `${first === 0 ? '' : ','}${lines.join(',')}`;
  }
  yield '\n  ]\n}\n';
}
