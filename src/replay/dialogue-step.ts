/** What modules say in a dialogue, looked at: they may be anybody's. */
import { lineOf } from '../base/errors.ts';
import type { DialogueStep } from '../rewrite/module.ts';

/** What a module says in a dialogue, after it was looked at. */
export interface CheckedStep {
  readonly taken: number;
  readonly send: Uint8Array | null;
  /** Counted from the session's first message; -1 while the dialogue goes on. */
  readonly resumeAt: number;
}

/**
 * What a module has returned from `dialogue`, or what is wrong with it.
 * @param bytes octets that it was shown, @param messages of its session
 */
export function checkStep(step: unknown, bytes: number, messages: number): CheckedStep | string {
  if (typeof step !== 'object' || step === null) return `dialogue has returned ${lineOf(step)}`;
  // As the port has it, of which nothing is sure.
  const { taken, send, resumeAt, fail } = step as { [Member in keyof DialogueStep]?: unknown };
  if (fail !== undefined) return lineOf(fail);
  if (!isWithin(taken, bytes)) return `dialogue has taken ${lineOf(taken)} of ${bytes} octets`;
  if (send !== undefined && !(send instanceof Uint8Array)) return 'dialogue sends no Uint8Array';
  if (resumeAt !== undefined && !isWithin(resumeAt, messages)) {
    return `dialogue ends at message ${lineOf(resumeAt)} of ${messages}`;
  }
  return {
    taken,
    send: send === undefined || send.length === 0 ? null : send,
    resumeAt: resumeAt ?? -1,
  };
}

const isWithin = (value: unknown, max: number): value is number =>
  Number.isInteger(value) && Number(value) >= 0 && Number(value) <= max;
