/** What a transport has to know of the run. */
import type { ConnectionPool } from '../schedule/connection-pool.ts';
import type { Sharing } from '../schedule/connections.ts';
import type { TcpSettings } from '../tcp/ports.ts';
import type { SynOptions } from '../wire/frame-writer.ts';
import { PADDED_TIMESTAMPS_BYTES } from '../wire/tcp-options.ts';

/** A server, and the way to it. */
export interface TransportTarget {
  /** 4 or 16 octets. */
  readonly address: Uint8Array;
  readonly port: number;
  /** What stands before the IP header of frames to it. */
  readonly link: Uint8Array;
}

/** The part of the engine's plan that a transport goes by. */
export interface TransportPlan extends Sharing {
  readonly targets: readonly TransportTarget[];
  readonly pool: ConnectionPool;
  readonly seed: number;
  /** Wall clock at the run's start in ms, or 0: makes sequence numbers and timestamps new each run. */
  readonly epochMs: number;
  readonly tcp: TcpSettings;
  readonly syn: SynOptions;
}

/** Octets of payload in a full segment, where the target agrees to what we offer. */
export const expectedMss = ({ mss, timestamps }: TcpSettings): number =>
  timestamps ? mss - PADDED_TIMESTAMPS_BYTES : mss;
