/** `gryphon doctor`: what is wrong on the way to a target and back, with what mends it. */
import { NS_PER_MS } from '../base/time.ts';
import type { Finding, Question } from '../doctor/observations.ts';
import { pastedText } from '../doctor/pasted-facts.ts';
import { remoteFindings, walkFindings } from '../doctor/walk-findings.ts';
import { doctorText } from '../report/doctor-text.ts';
import type { CommandInput } from './command-line.ts';
import { ExitCode } from './exit-codes.ts';
import { watchInterrupts } from './interruption.ts';
import { DOCTOR_TABLE } from './options/doctor-table.ts';
import { REPLAY_TABLE } from './options/replay-table.ts';
import { readReplayOptions } from './replay-options.ts';

const PATIENCE_MS = 3_500;
const LISTEN_MS = 20_000;

/** Runs the command: 0 where nothing is wrong, else 4, 2 or 5 by what is. */
export async function doctor({ given, faults, context }: CommandInput): Promise<ExitCode> {
  const values = given.read(DOCTOR_TABLE);
  if (given.text('target') === null) {
    faults.add('no target given', 'gryphon doctor --target HOST:PORT');
  }
  const { FIXTURE } = await import('../run/lab/run-lab.ts');
  const replayValues = given.read(REPLAY_TABLE);
  const otherwise = FIXTURE;
  const options = await readReplayOptions({
    values: replayValues,
    given,
    faults,
    context,
    otherwise,
  });
  const waitMs = values.wait === null ? null : values.wait / NS_PER_MS;
  const interruption = watchInterrupts(context);
  try {
    if (values.onTarget || values.onIntercept) {
      const place = values.onTarget ? 'target' : 'intercept';
      const { listenHere, questionOf } = await import('../run/doctor/run-doctor.ts');
      const question = questionOf(options);
      const how = {
        listenMs: waitMs ?? LISTEN_MS,
        interrupted: interruption.signal,
        onListening: ({ clients }: Question) =>
          context.log(
            `gryphon: listening for ${clients}: run gryphon doctor on the load machine now\n`,
          ),
      };
      const facts = await listenHere(place, options, how);
      const findings = remoteFindings(facts, question);
      await context.print(doctorText(findings, context.columns));
      await context.print(`\nfor the load machine, one line:\n\n  --pasted ${pastedText(facts)}\n`);
      return codeOf(findings);
    }
    const { walkTheWay } = await import('../run/doctor/run-doctor.ts');
    const host = {
      onProgress: null,
      onWarning: (text: string) => context.log(`gryphon: ${text}\n`),
      interrupted: interruption.signal,
    };
    const asked = { replay: options, patienceMs: waitMs ?? PATIENCE_MS, others: values.pasted };
    const findings = walkFindings(await walkTheWay(asked, host, context.version));
    await context.print(doctorText(findings, context.columns));
    return codeOf(findings);
  } finally {
    interruption.stop();
  }
}

/** What the shell is told: of the machine, of the question, else of the way. */
function codeOf(findings: readonly Finding[]): ExitCode {
  const bad = findings.filter(({ state }) => state === 'bad').map(({ what }) => what);
  if (bad.length === 0) return ExitCode.OK;
  if (bad.includes('privileges')) return ExitCode.ENVIRONMENT;
  return bad.every((what) => what === 'plan') ? ExitCode.USAGE : ExitCode.UNREACHABLE;
}
