/** `gryphon inspect`: what captures hold, and what of it can be replayed; sends nothing. */
import { inspectText } from '../report/inspect-text.ts';
import { inspectCaptures } from '../run/inspect-captures.ts';
import type { CommandInput } from './command-line.ts';
import { ExitCode } from './exit-codes.ts';

/**
 * Runs the command. That nothing can be replayed is a finding and no failure: it ends with 0.
 * @throws ReplayError (capture) when a capture cannot be read at all
 */
export async function inspect({ given, faults, context }: CommandInput): Promise<ExitCode> {
  const captures = given.positionals('capture');
  const isJson = given.switch('json') ?? false;
  const sessions = given.switch('sessions') ?? false;
  if (captures.length === 0) faults.add('no capture given', 'gryphon inspect FILE…');
  faults.throwIfAny();
  const document = await inspectCaptures(captures, {
    sessions,
    seed: context.randomUint32(),
    onWarning: (text) => context.log(`gryphon: ${text}\n`),
  });
  const text = isJson ? `${JSON.stringify(document, null, 2)}\n` : inspectText(document);
  await context.print(text);
  return ExitCode.OK;
}
