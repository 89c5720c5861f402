/** What is told of a capture file that has been read: its report, warnings, and that it is damaged. */
import { formatCount } from '../../base/units.ts';
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

/** What was done about the times of a file, because they cannot be right, and which frames were not read. */
export function fileWarnings(report: FileReport): string[] {
  const { strayTimestamps, clockStepsBack, linkTypes } = report;
  const unread = report.skippedPackets['unsupported-link-type'];
  const strays = strayTimestamps === 1 ? '1 time stamp is' : `${strayTimestamps} time stamps are`;
  const steps = clockStepsBack === 1 ? 'once' : `${clockStepsBack} times`;
  return [
    ...(strayTimestamps === 0
      ? []
      : [`${strays} far from those before and after, and taken to lie between them`]),
    ...(clockStepsBack === 0
      ? []
      : [`its clock was set back ${steps}; what follows is moved forward by as much`]),
    ...(unread === undefined
      ? []
      : [`${unread} frames of a link type that is not read (${linkTypes.join(', ')})`]),
  ];
}

/** What a filter left out of files of which it left no TCP; null where it left out nothing. */
export function whyFiltered(reports: readonly FileReport[]): string | null {
  const packets = reports.reduce((sum, report) => sum + report.packets, 0);
  const filtered = reports.reduce(
    (sum, { skippedPackets }) => sum + (skippedPackets.filtered ?? 0),
    0,
  );
  if (filtered === 0) return null;
  return `--filter leaves no TCP: it keeps ${formatCount(packets - filtered)} of ${formatCount(packets)} packets`;
}

/** The error of a damaged file that is to be whole. */
export const damaged = (name: string, offset: number, reason: string): CaptureError =>
  new CaptureError({
    code: 'ERR_CAPTURE_DAMAGED',
    message: `${name} is damaged at byte ${offset}: ${reason}`,
    hint: 'without --strict, what comes before is used',
    offset,
  });
