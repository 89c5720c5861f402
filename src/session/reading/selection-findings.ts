/** Why a selection leaves nothing: which of its parts no session meets, and what there is instead. */
import { NS_PER_SECOND } from '../../base/time.ts';
import { formatBytes, formatCount, formatDuration } from '../../base/units.ts';
import type { Epoch } from '../../capture/capture-clock.ts';
import { SessionCatalog } from './session-catalog.ts';
import { SessionReason } from './session-reason.ts';
import type { SessionSelection } from './session-selection.ts';
import type { SessionTracker } from './session-tracker.ts';

/** So many servers or clients are named. */
const NAMED_MAX = 4;

/** The parts of a selection by the options that give them. */
const PARTS: readonly (readonly [option: string, keys: readonly (keyof SessionSelection)[]])[] = [
  ['--server', ['servers']],
  ['--client', ['clients']],
  ['--from', ['fromSeconds', 'fromAfterNs']],
  ['--until', ['untilSeconds', 'untilAfterNs']],
  ['--session-index', ['indices']],
  ['--min-bytes', ['bytesMin']],
  ['--max-bytes', ['bytesMax']],
  ['--fraction', ['fraction']],
];

/**
 * What to tell of a selection that leaves no session of a capture that has some.
 * @param chosen the catalog of that selection
 * @param epoch from which the tracker's times count
 * @returns null where the selection leaves some, or there are none
 */
export function emptySelection(
  chosen: SessionCatalog,
  selection: SessionSelection,
  { tracker, epoch }: { readonly tracker: SessionTracker; readonly epoch: Epoch },
): string | null {
  if (!isNone(chosen)) return null;
  // Each part by itself: as much work as the whole once more, but only where there is a fault.
  const leavesNone = (part: SessionSelection): boolean =>
    isNone(new SessionCatalog(tracker, part, epoch));
  const given = PARTS.filter(([, keys]) => keys.some((key) => selection[key] !== undefined));
  const empty = given.filter(([, keys]) =>
    leavesNone(Object.fromEntries(keys.map((key) => [key, selection[key]]))),
  );
  const catalog = new SessionCatalog(tracker, {}, epoch);
  const found = empty.map(
    ([option]) => `${option} leaves none: ${thereIs(option, catalog, epoch)}`,
  );
  if (found.length > 0) return found.join('; ');
  return `${given.map(([option]) => option).join(', ')} leave none together`;
}

const isNone = ({ total, reasonCounts }: SessionCatalog): boolean =>
  total > 0 && reasonCounts[SessionReason.NOT_SELECTED] === total;

/** What an option could choose from. */
function thereIs(option: string, catalog: SessionCatalog, epoch: Epoch): string {
  switch (option) {
    case '--server':
      return `the capture has ${named(catalog.endpoints.map(endpointText))}`;
    case '--client':
      return `the clients are ${named(clientsOf(catalog))}`;
    case '--from':
    case '--until':
      return whenBegun(catalog, epoch);
    case '--session-index':
      return `the sessions are 0-${catalog.total - 1}`;
    case '--fraction':
      return `the capture has ${formatCount(catalog.total)} sessions`;
    default:
      return sizes(catalog);
  }
}

const endpointText = ({ address, port }: { address: string; port: number }): string =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;

function named(texts: readonly string[]): string {
  const rest = texts.length - NAMED_MAX;
  const shown = texts.slice(0, NAMED_MAX).join(', ');
  return rest > 0 ? `${shown} and ${formatCount(rest)} more` : shown;
}

function clientsOf(catalog: SessionCatalog): string[] {
  const clients = new Set<string>();
  for (let session = 0; session < catalog.total; session++) {
    clients.add(catalog.endpoint(session, 1 - catalog.serverSideOf(session)).address);
  }
  return [...clients];
}

/** The window in which sessions begin, as a duration and as dates. */
function whenBegun(catalog: SessionCatalog, { seconds, nanoseconds }: Epoch): string {
  let firstNs = Number.POSITIVE_INFINITY;
  let lastNs = Number.NEGATIVE_INFINITY;
  for (let session = 0; session < catalog.total; session++) {
    firstNs = Math.min(firstNs, catalog.startRawNsOf(session));
    lastNs = Math.max(lastNs, catalog.startRawNsOf(session));
  }
  const after = (ns: number): string => formatDuration(Math.max(0, ns - nanoseconds));
  const date = (ns: number): string => {
    const at = new Date(((Number.isNaN(seconds) ? 0 : seconds) + ns / NS_PER_SECOND) * 1000);
    return Number.isNaN(at.getTime()) ? 'no date' : at.toISOString();
  };
  return (
    `sessions begin from ${after(firstNs)} to ${after(lastNs)} into the capture ` +
    `(${date(firstNs)} to ${date(lastNs)})`
  );
}

function sizes({ resolver, total }: SessionCatalog): string {
  let least = Number.POSITIVE_INFINITY;
  let most = 0;
  for (let session = 0; session < total; session++) {
    const bytes = resolver.measure(session, 0) + resolver.measure(session, 1);
    least = Math.min(least, bytes);
    most = Math.max(most, bytes);
  }
  return `sessions have from ${formatBytes(least)} to ${formatBytes(most)} of payload`;
}
