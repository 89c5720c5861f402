/** What scripts are made of. */
import type { ClockSkews } from '../reading/clock-skew.ts';
import type { SessionPart } from '../reading/partial-session.ts';
import type { RecordedEndpoint, SessionFacts } from '../reading/session-facts.ts';

/** `SessionCatalog`, or as much as is known of some of its sessions. */
export interface ScriptCatalog extends SessionFacts {
  readonly endpoints: readonly RecordedEndpoint[];
  readonly endpointOf: Uint32Array;
  readonly scriptRows: ReadonlyMap<number, number>;
  readonly skews: Pick<ClockSkews, 'of'>;
  partOf(session: number): SessionPart | null;
}
