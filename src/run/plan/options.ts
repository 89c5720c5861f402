/**
 * What a replay is asked to do, and how it talks to whoever asked.
 *
 * Plain objects with every unit resolved (nanoseconds, octets, numbers) and every name looked up,
 * so that they can be posted to worker threads and built by hand in a test. The command line
 * (cli/replay-options.ts) has already checked each value on its own; what needs the capture (is
 * the pool large enough, does a route match anything) is checked by the run.
 */

import type { PortRange } from '../../base/port-range.ts';
import type { NextHop } from '../../io/way/routes.ts';
import type { SeenRequest } from '../../measure/answers-seen.ts';
import type { Ledger, RunResult } from '../../measure/result.ts';
import type { Threshold } from '../../measure/thresholds.ts';
import type { DifferenceTexts } from '../../replay/difference-texts.ts';
import type { ProtocolOfPort } from '../../replay/replay-plan.ts';
import type { PoolOrder } from '../../schedule/address-pool.ts';
import type { RampStage } from '../../schedule/arrivals.ts';
import type { ClientAddresses } from '../../schedule/client-addresses.ts';
import type { CaptureChoice } from '../captures/index-captures.ts';
import type { ModuleSpec } from './modules.ts';

/**
 * Which recorded server endpoint is played where. A route matches when both its recorded parts do;
 * `null` matches anything. Of several routes the first that matches wins.
 */
export interface Route {
  /** Text form of the recorded server's address, or `null` for any. */
  readonly recordedAddress: string | null;
  /** The recorded server's port, or `null` for any. */
  readonly recordedPort: number | null;
  /** The target as the user wrote it (`HOST:PORT`, a name perhaps): for reports and messages. */
  readonly label: string;
  /** Text form of the target's IPv4 or IPv6 address; names are already resolved. */
  readonly address: string;
  /** The target's port, 1..65535. */
  readonly port: number;
}

/**
 * Where the sessions are played: the responder inside the process, or real servers. Sessions whose
 * recorded server no route matches are not replayed (skipped under a reason of their own).
 */
export type ReplayTarget =
  | { readonly kind: 'embedded' }
  | { readonly kind: 'network'; readonly routes: readonly Route[] };

/** In place of a client pool: the address that this machine itself reaches the target from. */
export const OWN_CLIENTS = 'own';

/** Whether what the target says is what was recorded: `ReplayPlan.saysRecorded`. */
export const saysRecorded = (options: Pick<ReplayOptions, 'target' | 'saysRecorded'>): boolean =>
  options.target.kind === 'embedded' || options.saysRecorded === true;

/** The clients as they were written. */
export const clientsText = (clients: ReplayOptions['clients']): string =>
  clients === OWN_CLIENTS ? clients : clients.text;

/** A moment of the wall clock, or so long after the command has begun. */
export type StartAt =
  | { readonly kind: 'at'; readonly epochMs: number }
  | { readonly kind: 'after'; readonly ns: number };

/** What makes a user's next turn due: `--pace` (DESIGN: closed loop, open loop, at once). */
export type PaceName = 'think' | 'schedule' | 'none';

/** Who ends a connection: `--close`. */
export type CloseName = 'recorded' | 'server' | 'reset';

/** How answers are compared with the recorded ones: `--check`. */
export type CheckName = 'status' | 'length' | 'body' | 'off';

/** How frames leave: `--sender`. */
export type SenderName = 'packet' | 'xdp' | 'ip' | 'raw-socket';

/** An intercept daemon, its name already looked up. */
export interface InterceptAddress {
  /** Text form of its IPv4 or IPv6 address. */
  readonly host: string;
  readonly port: number;
}

/** The channel's secret, and where it was found (`--token-file F`, `GRYPHON_TOKEN`). */
export interface ChannelToken {
  readonly text: string;
  readonly where: string;
}

/** What a user is: `--per`. */
export type PerName = 'connection' | 'client';

/** Everything `runReplay` needs to know; all fields are always there. */
export interface ReplayOptions {
  /** The command line as it was typed, without node and the script: for the result. */
  readonly command: readonly string[];
  /** Paths of the captures, at least one, in the order given. */
  readonly captures: readonly string[];
  /** Which of their packets and sessions; all of them when not given. */
  readonly choice?: CaptureChoice;
  readonly target: ReplayTarget;
  /** What sessions speak, where that is not left to what the capture shows. */
  readonly protocols?: readonly ProtocolOfPort[];
  /** Whether real targets say what was recorded, and any octets in place of what was not captured, as the embedded one does. */
  readonly saysRecorded?: boolean;

  /** Which of the run's equal parts is played; null: all of it. */
  readonly share?: { readonly index: number; readonly of: number } | null;
  /** When the run begins; null: as soon as it is ready. */
  readonly startAt?: StartAt | null;
  /** What a user is; a connection when not given. */
  readonly per?: PerName;
  /**
   * Virtual users, 1..2^31, with a `ramp` its last stage's; `null`: one for each replayable session, or
   * for each client that has one.
   */
  readonly users: number | null;
  /** The client pool, or `OWN_CLIENTS`: the address that this machine itself reaches the target from. */
  readonly clients: ClientAddresses | typeof OWN_CLIENTS;
  /**
   * Source ports, 1..65535. `null`: not given; 1024 to 65535, at own addresses those that the kernel
   * does not use itself.
   */
  readonly ports: PortRange | null;
  /**
   * Which runs first: addresses (`ip`) or ports. `null`: not given; addresses, but on the target's
   * own link only as many of them as its neighbour table holds with ease.
   */
  readonly order: PoolOrder | null;
  /** Unsigned 32-bit; drawn at random by the command line when it was not given. */
  readonly seed: number;

  /** Time acceleration, above 0. */
  readonly accel: number;
  /** New users per second, above 0; `null`: as recorded, divided by `accel`. Not with `ramp`. */
  readonly ratePerSecond: number | null;
  /**
   * Requests that come due per second, above 0: then `pace` is `schedule`, `iterations` 1, and as many
   * users start as that takes, at most `users`. `null`: users start by `ratePerSecond`, `ramp` or as recorded.
   */
  readonly requestsPerSecond?: number | null;
  /** At least one stage; `null`: no ramp. */
  readonly ramp: readonly RampStage[] | null;
  /**
   * Times each user plays, from 1; `null`: not given. Then a user plays once, or, when
   * `durationNs` is given, again and again until that time.
   */
  readonly iterations: number | null;
  /** Nothing is started after this long; `null`: no limit. */
  readonly durationNs: number | null;
  readonly pace: PaceName;
  /** Recorded idle gaps are cut to this, before acceleration; `null`: as recorded. */
  readonly maxGapNs: number | null;
  /** No progress on an expected answer for this long ends the user as timed out. */
  readonly timeoutNs: number;
  readonly close: CloseName;
  readonly check: CheckName;
  /** Regular expressions of what `body` leaves out of bodies; nothing when not given. */
  readonly checkIgnore?: readonly string[];

  /** Who changes what clients say, the first of them first; nobody when not given. */
  readonly modules?: readonly ModuleSpec[];
  /** How long a message may wait for what its module does not know yet; 5 s when not given. */
  readonly bindTimeoutNs?: number;
  /** Octets of an answer that are kept for a module at most; 64 KiB when not given. */
  readonly answerBytesMax?: number;
  /** Octets for messages while they are written anew, of all threads; `null`: by what is free. */
  readonly rewriteMemoryBytes?: number | null;

  /** TCP's maximum segment size to offer, 64..65495; `null`: 1460, or 1440 over IPv6. */
  readonly mss: number | null;
  /** Whether to offer TCP timestamps. */
  readonly timestamps: boolean;
  /** Whether to offer SACK; `null`: as the recorded client did. */
  readonly sack: boolean | null;
  /** Receive window to offer, in octets; a window scale is offered when it needs one. */
  readonly windowBytes: number;

  /** Interface on which frames leave; `null`: from the routing table. */
  readonly interfaceName: string | null;
  /** `null`: from the routing and neighbour tables. */
  readonly nextHop: NextHop | null;
  /** `aa:bb:cc:dd:ee:ff`; `null`: the interface's own. */
  readonly sourceMac: string | null;
  readonly sender: SenderName;
  /** How long replies may lie until more of them have come; not at all without it. */
  readonly wakeupNs?: number;
  /** Whether the rule that own addresses need is made; else somebody else has put it in. */
  readonly makesRules: boolean;
  /** Whether to answer ARP and NDP for the client pool; `null`: when the pool is on the link. */
  readonly arp: boolean | null;
  /** Daemons that pick the replies up; none: this machine does. */
  readonly intercepts: readonly InterceptAddress[];
  /** `null`: none, which is for daemons on this machine's loopback interface only. */
  readonly token: ChannelToken | null;
  /** Worker threads, from 1; `null`: by the number of cores. */
  readonly threads: number | null;
  /** Where Prometheus finds the counts during the run; `null`: nowhere. */
  readonly metrics?: { readonly host: string; readonly port: number } | null;
  /** Whether the embedded target runs on the clock instead of virtual time. */
  readonly realTime: boolean;

  /** What has to hold for the run to have been good. */
  readonly thresholds: readonly Threshold[];
  /** What relative thresholds count from; null: there is none. */
  readonly baseline?: RunResult | null;
  /** When the run begins to end as soon as a threshold does not hold; null: never. */
  readonly abortOnFailNs?: number | null;
}

/** What a run is busy with. */
export type RunPhase = 'indexing' | 'preparing' | 'replaying' | 'draining';

/** How far a run has got: everything a progress line needs. Counts are totals since the start. */
export interface ProgressSnapshot {
  readonly phase: RunPhase;
  /** On the run's own clock, which is virtual with the embedded target. */
  readonly elapsedNs: number;
  /** Expected end on that clock; `null` while unknown. */
  readonly expectedNs: number | null;
  /** While indexing: octets of the captures read so far, and in all, and how long that took. */
  readonly capture: {
    readonly bytesRead: number;
    readonly bytes: number;
    readonly elapsedMs: number;
  };
  readonly users: Ledger;
  readonly exchanges: {
    readonly intended: number;
    readonly sent: number;
    readonly answered: number;
  };
  /**
   * Exchanges per second on the run's clock since the snapshot before: sent, and wanted by the
   * plan. `null` in the first snapshot and outside the phase `replaying`.
   */
  readonly rates: { readonly achieved: number; readonly wanted: number } | null;
  /** Percentiles of the response time since the snapshot before; `null` without an answer. */
  readonly responseNsP50: number | null;
  readonly responseNsP99: number | null;
  /** Of the time by which requests left later than intended; `null` where none left. */
  readonly lagNsP99: number | null;
  /** Packets: sent again (SYNs, too), not taken by the kernel, and replies its ring had no room for. */
  readonly losses: {
    readonly retransmitted: number;
    readonly unsent: number;
    readonly ringFull: number;
  };
}

/** What came of each request of a run. */
export interface RunAnswers {
  /** Ascending; plays of one request together. */
  readonly requests: readonly SeenRequest[];
  /** Requests beyond those of which answers are kept. */
  readonly left: number;
  readonly texts: Pick<DifferenceTexts, 'requestOf' | 'statusOf'>;
}

/** Whoever started the run: gets its progress and can end it early. */
export interface RunHost {
  /**
   * Called a few times a second of wall clock from the main thread; must not block. `null` where nobody
   * looks: then nothing is made ready for it.
   */
  readonly onProgress: ((snapshot: ProgressSnapshot) => void) | null;
  /**
   * Called when a run has been played, with what each request was answered: asked for only where this is
   * given. Requests can be put into words during the call.
   */
  onAnswers?(answers: RunAnswers): void;
  /** Called when every user has ended: from now on a signal interrupts nothing. */
  onPlayed?(): void;
  /** Something the user should know that does not end the run: one line, no newline. */
  onWarning(text: string): void;
  /**
   * Aborted on the first Ctrl-C: start nothing more, close what is open, return the result. The
   * run still resolves; only where it has no result yet it throws the signal's reason.
   */
  readonly interrupted: AbortSignal;
}
