/** What a run knows of itself without having counted it. */

/** What ended a run before its time: something that was not reached, or this machine. */
export type FailureCause = 'unreachable' | 'environment';

/** How many of something there are, by name. */
export type Counts = Readonly<Record<string, number>>;

/** Which shares of a run a result is of. */
export interface SharesReport {
  /** How many there are; 1: the run was not divided. */
  readonly of: number;
  /** Their numbers from 1, ascending. */
  readonly played: readonly number[];
}

/** What a run knows of itself without having counted it. */
export interface RunFacts {
  readonly version: string;
  readonly command: readonly string[];
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  /** On the run's own clock. */
  readonly durationNs: number;
  /** What that clock is: with the embedded target time is virtual unless asked otherwise. */
  readonly clock: 'virtual' | 'real';
  /** How long it took on the wall's clock. */
  readonly wallSeconds: number;
  readonly capture: {
    readonly files: readonly string[];
    /** Of what they hold (sizes and both ends), hexadecimal; null: an older version did not tell. */
    readonly digest: string | null;
    readonly sessions: {
      readonly total: number;
      readonly replayable: number;
      readonly skipped: Counts;
    };
  };
  readonly plan: {
    /** What a user is: a connection at a time, or a client with all of its connections. */
    readonly per: 'connection' | 'client';
    readonly users: number;
    readonly iterations: number;
    readonly accel: number;
    readonly pace: string;
    readonly clients: string;
    readonly target: string;
    readonly mode: string;
    readonly seed: number;
    /** `ArrivalPlan.description`. */
    readonly arrivals: string;
    /** When the last play may start; null where `iterations` alone says how often users play. */
    readonly untilSeconds: number | null;
    /** Of the captures and of all options that decide what users do; null as the captures' one. */
    readonly digest: string | null;
  };
  readonly shares: SharesReport;
  /** Plays of sessions that the plan held; in a run of limited duration those begun. */
  readonly plays: number;
  /** Plays of clients, likewise; null where users are connections. */
  readonly clientPlays: number | null;
  /** Exchanges per second if every answer took as long as recorded (divided by the acceleration). */
  readonly recordedPerSecond: number;
  readonly generator: {
    readonly cpuSeconds: number;
    readonly peakRssBytes: number;
    readonly threads: number;
    /** How long an intercept stood still or was lost, in all; 0 without one. */
    readonly interceptSilentSeconds: number;
    /** What the user should know: one line each. */
    readonly warnings: readonly string[];
    /** What was done to the surroundings, answered ARP for instance: one line each. */
    readonly notes: readonly string[];
  };
  readonly stateBytesPerUser: number;
  readonly isInterrupted: boolean;
  /** What ended the run before its time, in one sentence (an intercept that never came back); or null. */
  readonly failure: string | null;
  /** What ended it; null: nothing, or nobody knows. */
  readonly failureKind: FailureCause | null;
  /** Why the run ended itself before its time: a threshold that did not hold, in one sentence; or null. */
  readonly stopped: string | null;
}
