/** What one engine (one thread's share of the users) is to play; everything in it is resolved. */
import type { AddressPool } from '../schedule/address-pool.ts';
import type { ArrivalPlan } from '../schedule/arrivals.ts';
import type { Scripts } from '../session/script/scripts.ts';
import type { TcpSettings } from '../tcp/ports.ts';
import type { SynOptions } from '../wire/frame-writer.ts';

export const Pace = { THINK: 0, SCHEDULE: 1, NONE: 2 } as const;
export type Pace = (typeof Pace)[keyof typeof Pace];

/** Who ends a connection: as recorded, the server alone, or we by an RST after the last answer. */
export const Close = { RECORDED: 0, SERVER: 1, RESET: 2 } as const;
export type Close = (typeof Close)[keyof typeof Close];

export interface ReplayTarget {
  /** 4 or 16 octets. */
  readonly address: Uint8Array;
  readonly port: number;
  /** What stands before the IP header of frames to it. */
  readonly link: Uint8Array;
}

export interface ReplayPlan {
  readonly scripts: Scripts;
  /** Rows of `scripts` that are played, in capture order: user `u` plays `played[u % length]`. */
  readonly played: Uint32Array;
  readonly targets: readonly ReplayTarget[];
  /** For each of the scripts' endpoints its row in `targets`. */
  readonly targetOf: Uint16Array;
  readonly pool: AddressPool;
  readonly arrivals: ArrivalPlan;
  /** Users of the whole run; this engine plays those with `user % shards === shard`. */
  readonly users: number;
  readonly shard: number;
  readonly shards: number;
  readonly iterations: number;
  /** Nothing is started after this; NEVER_NS without a limit. */
  readonly stopStartingNs: number;
  readonly accel: number;
  readonly pace: Pace;
  readonly close: Close;
  readonly timeoutNs: number;
  readonly seed: number;
  /** Wall clock at the run's start in ms, or 0: makes sequence numbers and timestamps new each run. */
  readonly epochMs: number;
  readonly tcp: TcpSettings;
  readonly syn: SynOptions;
}
