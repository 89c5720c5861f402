/** `gryphon inspect`: what captures hold, and what of it can be replayed; sends nothing. */
import type { InspectDocument } from '../report/inspect-document.ts';
import { inspectText } from '../report/inspect-text.ts';
import { inspectCaptures } from '../run/inspect-captures.ts';
import type { ProgressSnapshot } from '../run/plan/options.ts';
import { readCaptureOptions } from './capture-options.ts';
import type { CommandInput } from './command-line.ts';
import { ExitCode } from './exit-codes.ts';
import { INSPECT_TABLE } from './options/inspect-table.ts';
import { openProgress, type Progress, type ProgressContext } from './progress.ts';
import { readRules } from './rewriting.ts';

/** The table names a server's protocol: so many sessions are enough to know it. */
const PROTOCOLS_SHOWN = 500;

/** Sessions of the document that are written at once. */
const SESSIONS_PER_PIECE = 1000;

/**
 * Runs the command. That nothing can be replayed is a finding and no failure: it ends with 0.
 * @throws ReplayError (capture) when a capture cannot be read at all
 */
export async function inspect({ given, faults, context }: CommandInput): Promise<ExitCode> {
  const captures = given.positionals('capture');
  const values = given.read(INSPECT_TABLE);
  const { json: isJson, sessions } = values;
  if (captures.length === 0) faults.add('no capture given', 'gryphon inspect FILE…');
  const choice = readCaptureOptions(values, given, faults);
  faults.throwIfAny();
  const modules = await readRules(values.rules, context);
  const { writeRules } = values;
  if (writeRules !== null) await context.files.checkWritable(writeRules);
  const progress = new ReadingProgress(context);
  const document = await inspectCaptures(captures, {
    ...choice,
    sessions,
    modules,
    correlate: values.correlate || writeRules !== null,
    // The table does not show them, and they cost another reading.
    digests: isJson,
    ...(isJson ? {} : { protocolSessions: PROTOCOLS_SHOWN }),
    seed: context.randomUint32(),
    onProgress: (bytesRead, bytes, elapsedMs) =>
      progress.onReading({ bytesRead, bytes, elapsedMs }),
    onWarning: (text) => progress.note(text),
  }).finally(() => progress.stop());
  if (!isJson) await context.print(inspectText(document, context.columns));
  else for (const piece of jsonPieces(document)) await context.print(piece);
  const { correlation } = document;
  if (writeRules !== null && correlation !== undefined) {
    const { optionsFor, rulesText } = await import('./rules-text.ts');
    await context.files.write(writeRules, await rulesText(correlation));
    const options = `--rules ${writeRules}${optionsFor(correlation)}`;
    const isEmpty = Object.keys(correlation.rules).length === 0;
    const how = isEmpty ? 'rules that change nothing' : `gryphon replay ${captures[0]} ${options}`;
    if (!isJson) await context.print(`\nWritten: ${how}\n`);
  }
  return ExitCode.OK;
}

/** Opened when there is something to show: most captures are read before that. */
class ReadingProgress {
  readonly #context: ProgressContext;
  #opening: Promise<void> | null = null;
  #opened: Progress | null = null;
  #isStopped = false;

  constructor(context: ProgressContext) {
    this.#context = context;
  }

  onReading(capture: ProgressSnapshot['capture']): void {
    this.#opening ??= this.#open();
    this.#opened?.onSnapshot(readingSnapshot(capture));
  }

  note(text: string): void {
    if (this.#opened === null) this.#context.log(`gryphon: ${text}\n`);
    else this.#opened.note(text);
  }

  stop(): void {
    this.#isStopped = true;
    this.#opened?.stop();
  }

  async #open(): Promise<void> {
    const progress = await openProgress(this.#context, { isQuiet: false, isShown: true });
    if (this.#isStopped) progress.stop();
    else this.#opened = progress;
  }
}

/** A snapshot of which only the reading is looked at. */
function readingSnapshot(capture: ProgressSnapshot['capture']): ProgressSnapshot {
  const users = { planned: 0, waiting: 0, live: 0, completed: 0, refused: 0, reset: 0 };
  return {
    phase: 'indexing',
    elapsedNs: 0,
    expectedNs: null,
    capture,
    users: { ...users, timedOut: 0, aborted: 0 },
    exchanges: { intended: 0, sent: 0, answered: 0 },
    rates: null,
    responseNsP50: null,
    responseNsP99: null,
    lagNsP99: null,
    losses: { retransmitted: 0, unsent: 0, ringFull: 0 },
  };
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
