/** `gryphon record`: traffic of a production machine's servers into captures, safely. */
import { NS_PER_MS } from '../base/time.ts';
import { formatBytes, formatCount, formatPercentage } from '../base/units.ts';
import type { Recorded, RecordOptions } from '../run/recorder/record-traffic.ts';
import type { CommandInput } from './command-line.ts';
import { ExitCode } from './exit-codes.ts';
import { watchInterrupts } from './interruption.ts';
import { RECORD_TABLE } from './options/record-table.ts';

/** Runs the command; resolves when the last file is closed. */
export async function record({ given, faults, context }: CommandInput): Promise<ExitCode> {
  const options = readRecordOptions({ given, faults });
  const { recordTraffic, requirePackets } = await import('../run/recorder/record-traffic.ts');
  const interruption = watchInterrupts(context);
  const note = (text: string): void => context.log(`gryphon: ${text}\n`);
  try {
    const recorded = await recordTraffic(options, {
      version: context.version,
      interrupted: interruption.signal,
      onRecording: () =>
        note(`recording ${nameOf(options)} into ${options.folder}; Ctrl-C ends it`),
      onWarning: note,
    });
    requirePackets(recorded, options);
    const { files, bytes, packets, dropped, sessions, ended } = recorded;
    if (ended !== null) note(`ended early: ${ended}`);
    await context.print(
      `recorded ${formatCount(packets)} packets, ${formatBytes(bytes)} in ${formatCount(files)} ` +
        `${files === 1 ? 'file' : 'files'}; ${formatCount(dropped)} packets lost` +
        `${sessions.leftOut === 0 ? '' : leftOutText(recorded, options.share)}\n`,
    );
    return ended === null ? ExitCode.OK : ExitCode.ENVIRONMENT;
  } finally {
    interruption.stop();
  }
}

const nameOf = ({ interfaceName }: RecordOptions): string =>
  interfaceName === 'any'
    ? 'all interfaces (what passes several of them, as with bridges and containers, once for each)'
    : interfaceName;

/** Of the sessions that were asked for: what --sessions leaves out is not among them. */
function leftOutText({ sessions: { begun, leftOut }, share }: Recorded, asked: number): string {
  const parts = `; ${formatCount(leftOut)} of ${formatCount(begun)} sessions left out`;
  const atTheEnd = `at the end ${formatPercentage(share)} of all were recorded`;
  return share < asked ? `${parts}, ${atTheEnd}` : parts;
}

/** @throws UsageError with every fault */
function readRecordOptions({
  given,
  faults,
}: Pick<CommandInput, 'given' | 'faults'>): RecordOptions {
  const values = given.read(RECORD_TABLE);
  if (values.interface === null) faults.add('no interface given', '--interface eth0');
  // One that cannot be read has its own fault.
  if (given.texts('server').length === 0) faults.add('no server given', '--server 80,443');
  if (values.out === null) faults.add('no folder given', '--out DIR');
  if (!(values.sessions > 0 && values.sessions <= 1)) {
    faults.add('--sessions is not above 0% and at most 100%', 'write 10%');
  }
  for (const text of given.positionals('')) {
    faults.add(`unexpected argument '${text}'`, 'gryphon record takes options only');
  }
  faults.throwIfAny();
  return {
    interfaceName: values.interface ?? '',
    ports: [...new Set(values.server)],
    filter: values.filter,
    answerBytes: values.answers,
    share: values.sessions,
    folder: values.out ?? '',
    fileBytes: values.rotate.bytes,
    fileMs: values.rotate.ms,
    keepBytes: values.keep ?? Number.POSITIVE_INFINITY,
    keepFreeBytes: values.keepFree,
    cpuMax: values.maxCpu,
    durationMs: values.duration / NS_PER_MS,
    ringBytes: values.ring,
    user: values.user,
  };
}
