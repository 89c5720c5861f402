/** Which packets and sessions of the captures are wanted: from values as read to what a run asks for. */
import type { CaptureChoice } from '../run/captures/index-captures.ts';
import type { SessionSelection } from '../session/reading/session-selection.ts';
import type { GivenOptions } from './given-options.ts';
import type { CAPTURE_ROWS } from './options/capture-table.ts';
import type { ValuesOf } from './options/option.ts';
import type { FaultList } from './usage-error.ts';
import type { Moment } from './values/selection.ts';

/** Puts the values of CAPTURE_ROWS together; what contradicts goes to `faults`. */
export function readCaptureOptions(
  values: ValuesOf<typeof CAPTURE_ROWS>,
  given: GivenOptions,
  faults: FaultList,
): CaptureChoice {
  const { filter, from, until, minBytes, maxBytes } = values;
  if (isBefore(until, from)) faults.add(...nothingBetween(given, 'from', 'until'));
  if (minBytes !== null && maxBytes !== null && maxBytes < minBytes) {
    faults.add(...nothingBetween(given, 'min-bytes', 'max-bytes'));
  }
  const selection: SessionSelection = {
    ...(values.server.length === 0 ? {} : { servers: values.server }),
    ...(values.client.length === 0 ? {} : { clients: values.client }),
    ...momentOf('from', from),
    ...momentOf('until', until),
    ...(values.sessionIndex.length === 0 ? {} : { indices: values.sessionIndex }),
    ...(minBytes === null ? {} : { bytesMin: minBytes }),
    ...(maxBytes === null ? {} : { bytesMax: maxBytes }),
    ...(values.fraction === null ? {} : { fraction: values.fraction }),
    ...(values.include.length === 0 ? {} : { include: values.include }),
  };
  return {
    selection,
    ...(filter === null ? {} : { filter }),
    ...(values.strict ? { strict: true } : {}),
    ...(values.index ? { store: true } : {}),
  };
}

/** Whether nothing lies between two moments; of a date and a duration only the capture knows. */
function isBefore(until: Moment | null, from: Moment | null): boolean {
  if (until === null || from === null) return false;
  if ('seconds' in until) return 'seconds' in from && until.seconds <= from.seconds;
  return 'afterNs' in from && until.afterNs <= from.afterNs;
}

function nothingBetween(given: GivenOptions, low: string, high: string): [string, string] {
  const [a, b] = [low, high].map(
    (name) => `${given.labelOf(name)} ${given.text(name)?.text ?? ''}`,
  );
  return [`${a} and ${b} leave nothing between them`, 'exchange them'];
}

function momentOf(name: 'from' | 'until', moment: Moment | null): SessionSelection {
  if (moment === null) return {};
  if ('seconds' in moment) return { [`${name}Seconds`]: moment.seconds };
  return { [`${name}AfterNs`]: moment.afterNs };
}
