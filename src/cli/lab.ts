/** `gryphon lab`: every mode of a replay in network namespaces of this machine, side by side. */
import { type LabModeReport, labText } from '../report/lab-text.ts';
import type { LabOptions } from '../run/lab/run-lab.ts';
import type { CommandInput } from './command-line.ts';
import { ExitCode } from './exit-codes.ts';
import { watchInterrupts } from './interruption.ts';
import { HANDED_ON, LAB_TABLE } from './options/lab-table.ts';
import { nameOf } from './options/option.ts';

/** Enough to see every mode work, and done in a moment. */
const USERS = ['--users', '200'];

/** What weighs most decides: a fault of ours, the machine, the target, the capture, use, thresholds. */
const BY_WEIGHT: readonly ExitCode[] = [
  ExitCode.INTERRUPTED,
  ExitCode.INTERNAL,
  ExitCode.ENVIRONMENT,
  ExitCode.UNREACHABLE,
  ExitCode.CAPTURE,
  ExitCode.USAGE,
  ExitCode.THRESHOLD,
];

/** Runs the command; resolves when everything is removed. */
export async function lab({ given, faults, context }: CommandInput): Promise<ExitCode> {
  const values = given.read(LAB_TABLE);
  const captures = given.positionals('capture');
  if (captures.includes('-')) {
    faults.add('standard input cannot be read once for each mode', 'give the name of a file');
  }
  faults.throwIfAny();
  const { FIXTURE, LAB_MODES, runLab } = await import('../run/lab/run-lab.ts');
  const isAsked = values.mode.length > 0;
  const options: LabOptions = {
    captures: captures.length > 0 ? captures : [FIXTURE],
    modes: isAsked ? [...new Set(values.mode)] : LAB_MODES,
    include: values.include,
    port: values.port,
    isPortChosen: given.text('port') !== null,
    server: values.server,
    out: values.out,
    keep: values.keep,
    replay: handedOn(given),
    seed: context.randomUint32(),
  };
  const note = (text: string): void => context.log(`gryphon: ${text}\n`);
  const interruption = watchInterrupts(context, {
    first: () => note('ending: everything that was made is removed'),
  });
  let isPrinted = false;
  const print = async (reports: readonly LabModeReport[]): Promise<void> => {
    if (isPrinted || reports.length === 0) return;
    isPrinted = true;
    const isGood = codeOf(reports, isAsked, false) === ExitCode.OK;
    await context.print(labText(reports, isGood, context.columns));
  };
  try {
    let hasStood = false;
    const reports = await runLab(options, {
      note,
      interrupted: interruption.signal,
      onStanding: async (done, commands) => {
        hasStood = true;
        await print(done);
        await context.print(`\nIt stands until Ctrl-C. In another shell, as root:\n\n`);
        await context.print(commands.map((line) => `  ${line}\n`).join(''));
      },
    });
    await print(reports);
    return codeOf(reports, isAsked, interruption.signal.aborted && !hasStood);
  } finally {
    interruption.stop();
  }
}

/** The options of the replays as they were written; how many users there are is said in any case. */
function handedOn(given: CommandInput['given']): string[] {
  const said = Object.keys(HANDED_ON).flatMap((key) =>
    given.texts(nameOf(key)).map(({ text }) => `--${nameOf(key)}=${text}`),
  );
  return given.text('users') === null ? [...USERS, ...said] : said;
}

/** @param isAsked whether the modes were named: then one that cannot be run is no success */
function codeOf(
  reports: readonly LabModeReport[],
  isAsked: boolean,
  isInterrupted: boolean,
): ExitCode {
  if (isInterrupted) return ExitCode.INTERRUPTED;
  const codes = reports.map(({ code }) => code);
  const isShort = codes.every((code) => code === null) || (isAsked && codes.includes(null));
  if (isShort) return ExitCode.ENVIRONMENT;
  return BY_WEIGHT.find((code) => codes.includes(code)) ?? ExitCode.OK;
}
