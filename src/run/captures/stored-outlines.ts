/** Outlines of sessions as octets of an index file: a column behind the other. */
import type { JoinedFile } from '../../base/joined-file.ts';
import type { SessionCatalog } from '../../session/reading/session-catalog.ts';
import type { Outlines } from '../../session/script/outlines.ts';
import { ScriptBuilder } from '../../session/script/script-builder.ts';
import type { PlayedSessions } from './index-store.ts';
import { sessionTotals } from './session-reports.ts';

const ALIGNMENT = 8;

/** Where each column begins, and the last one ends; they have a row a session. */
export interface OutlinePlaces {
  readonly rows: number;
  readonly session: number;
  readonly startNs: number;
  readonly durationNs: number;
  readonly endpoint: number;
  readonly end: number;
}

/** Outlines that are to be written. */
export type WrittenOutlines = Readonly<Record<keyof Outlines, Uint32Array | Float64Array>>;

/** Nobody's octets are asked for. */
const NO_OCTETS = (): void => undefined;
const NOBODY = { sessionsMax: 0, isWanted: () => false };

/**
 * The outlines of a catalog without a selection.
 * @returns null where clocks differ: then all tables tell how long a session took
 */
export function outlinesOf(
  catalog: SessionCatalog,
  joined: readonly JoinedFile[],
): PlayedSessions | null {
  if (catalog.skews.found.length > 0) return null;
  const { replayable } = catalog;
  const scripts = new ScriptBuilder(catalog, NO_OCTETS).build(joined, replayable, NOBODY);
  const { startNs, durationNs, endpoints } = scripts;
  const outlines = {
    session: replayable,
    startNs,
    durationNs,
    endpoint: new Uint32Array(scripts.endpoint),
  };
  return { sessions: sessionTotals(catalog), endpoints, outlines };
}

/** @param at where the first column begins: a multiple of 8 */
export function outlinePlaces(at: number, rows: number): OutlinePlaces {
  const words = Math.ceil((4 * rows) / ALIGNMENT) * ALIGNMENT;
  const startNs = at + words;
  const durationNs = startNs + 8 * rows;
  const endpoint = durationNs + 8 * rows;
  return { rows, session: at, startNs, durationNs, endpoint, end: endpoint + words };
}

/** What is to be written at these places, from the first on. */
export function outlineOctets(outlines: WrittenOutlines): Uint8Array[] {
  const { session, startNs, durationNs, endpoint } = outlines;
  const filler = new Uint8Array((4 * session.length) % ALIGNMENT);
  return [session, filler, startNs, durationNs, endpoint, filler].map(
    ({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength),
  );
}

/** What lies there; it is not copied. */
export function outlinesIn(memory: SharedArrayBuffer, places: OutlinePlaces): Outlines {
  const { rows } = places;
  return {
    session: new Uint32Array(memory, places.session, rows),
    startNs: new Float64Array(memory, places.startNs, rows),
    durationNs: new Float64Array(memory, places.durationNs, rows),
    endpoint: new Uint32Array(memory, places.endpoint, rows),
  };
}

/** Whether sessions and starts ascend, and all that is told is there. */
export function areOutlinesSound(
  { session, startNs, durationNs, endpoint }: Outlines,
  { sessions, endpoints }: { readonly sessions: number; readonly endpoints: number },
): boolean {
  let before = -1;
  let beforeNs = 0;
  for (let row = 0; row < session.length; row++) {
    if (session[row] <= before || session[row] >= sessions || endpoint[row] >= endpoints) {
      return false;
    }
    const isTimed = startNs[row] >= beforeNs && durationNs[row] >= 0;
    if (!isTimed || durationNs[row] === Number.POSITIVE_INFINITY) return false;
    before = session[row];
    beforeNs = startNs[row];
  }
  return beforeNs < Number.POSITIVE_INFINITY;
}
