/** What is told of a capture file that has been read: its report, warnings, and that it is damaged. */
import { CaptureError } from '../../capture/capture-error.ts';
import type { FileReport } from '../../report/inspect-document.ts';
import type { CaptureIngest } from '../../session/reading/capture-ingest.ts';
import type { Source } from './capture-sources.ts';
import { timestampText } from './session-reports.ts';

/** What is told of a file that has been read. */
export function fileReport(source: Source, ingest: CaptureIngest): FileReport {
  const { reader, first, last } = ingest;
  return {
    file: source.name,
    format: reader.format,
    compression: source.compression,
    bytes: source.namedBytes,
    packets: ingest.packets,
    tcpPackets: ingest.tcpPackets,
    firstTimestamp: first === null ? null : timestampText(first),
    lastTimestamp: last === null ? null : timestampText(last),
    linkTypes: [...new Set(reader.linkTypes)],
    strayTimestamps: ingest.strayTimestamps,
    clockStepsBack: ingest.clockStepsBack,
    truncatedPackets: ingest.truncatedPackets,
    skippedPackets: Object.fromEntries(ingest.skipped()),
    damage: source.damage ?? reader.damage,
  };
}

/** What was done about the times of a file, because they cannot be right. */
export function timeWarnings({ strayTimestamps, clockStepsBack }: FileReport): string[] {
  const strays = strayTimestamps === 1 ? '1 time stamp is' : `${strayTimestamps} time stamps are`;
  const steps = clockStepsBack === 1 ? 'once' : `${clockStepsBack} times`;
  return [
    ...(strayTimestamps === 0
      ? []
      : [`${strays} far from those before and after, and taken to lie between them`]),
    ...(clockStepsBack === 0
      ? []
      : [`its clock was set back ${steps}; what follows is moved forward by as much`]),
  ];
}

/** The error of a damaged file that is to be whole. */
export const damaged = (name: string, offset: number, reason: string): CaptureError =>
  new CaptureError({
    code: 'ERR_CAPTURE_DAMAGED',
    message: `${name} is damaged at byte ${offset}: ${reason}`,
    hint: 'without --strict, what comes before is used',
    offset,
  });
