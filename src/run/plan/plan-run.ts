/** The second half of a plan: what the way to the targets asks for, and the settings that follow. */

import type { IpAddress } from '../../base/address.ts';
import { NEVER_NS, NS_PER_SECOND } from '../../base/time.ts';
import { Check, Close, Pace } from '../../replay/replay-plan.ts';
import { withoutAddresses } from '../../schedule/client-addresses.ts';
import { addressesOfShare, usersOfShare } from '../../schedule/run-share.ts';
import { TCP_IP_HEADER_BYTES } from '../../wire/header-bytes.ts';
import { planConnections } from './connections.ts';
import type { PlanDraft } from './draft-plan.ts';
import { type ReplayOptions, saysRecorded } from './options.ts';
import { type RunPlan, turnsOf } from './run-plan.ts';

/** First SYN repetition; each next one waits twice as long (RFC 6298; Linux does the same). */
const SYN_RTO_NS = NS_PER_SECOND;
/** 1 + 2 + ... + 64 s: over two minutes, unless the user's timeout ends it first. */
const SYN_RETRIES_MAX = 6;
/** Linux' tcp_retries2. */
const DATA_RETRIES_MAX = 15;
const WINDOW_FIELD_MAX = 0xffff;
const ETHERNET_MTU = 1500;
/** What `ReplayOptions` leaves open of rewriting. */
const BIND_TIMEOUT_NS = 5 * NS_PER_SECOND;
const ANSWER_BYTES_MAX = 1 << 16;

/** What the way to the targets adds to the plan. */
export interface Surroundings {
  /** Octets of the longest IP packet on the way. */
  readonly mtu: number;
  /** Addresses that no client may have besides the targets'. */
  readonly inUse: readonly IpAddress[];
  /** As many client addresses as should be used unless the users need more. */
  readonly addressesMax: number;
  /** What to do where addresses and ports are too few, in place of the usual. */
  readonly hintTooFew?: string;
}

/** Of the embedded target: no machine, no link, no neighbours. */
export const NO_SURROUNDINGS: Surroundings = {
  mtu: ETHERNET_MTU,
  inUse: [],
  addressesMax: Number.POSITIVE_INFINITY,
};

/**
 * @param epochMs wall clock at the run's start, or 0 (`ReplayPlan.epochMs`)
 * @throws ReplayError usage: ERR_POOL_INVALID, and as planConnections does
 */
export function planRun(draft: PlanDraft, surroundings: Surroundings, epochMs: number): RunPlan {
  const { options, scripts, played, recorded, targets, targetOf, arrivals, share } = draft;
  const users = usersOfShare(share);
  const { mtu, inUse } = surroundings;
  // Own addresses are divided before it is known which they are.
  const pool = draft.isOwn ? draft.clients : addressesOfShare(draft.clients, share);
  const whole = withoutAddresses(pool, inUse);
  const turns = turnsOf({ scripts, played, targetOf, targets });
  const room = { ...surroundings, recorded, turns, share };
  const planned = planConnections(whole, users, options, room);
  const { shape, iterations, portsEach, portsByTarget } = planned;
  const segmentBytes = mtu - TCP_IP_HEADER_BYTES[whole.family];
  const mss = Math.min(options.mss ?? segmentBytes, segmentBytes);
  return {
    scripts,
    played,
    targets,
    targetOf,
    protocols: options.protocols ?? [],
    saysRecorded: saysRecorded(options),
    ...shape,
    portsByTarget,
    ...(recorded === null ? {} : { perClient: { ...recorded, portsEach } }),
    arrivals,
    share,
    users,
    iterations,
    playsUntilNs: options.iterations === null ? options.durationNs : null,
    stopStartingNs: options.durationNs ?? NEVER_NS,
    accel: options.accel,
    pace: paceOf(options),
    close: closeOf(options),
    check: checkOf(options),
    ...(options.checkIgnore?.length ? { checkIgnore: options.checkIgnore } : {}),
    timeoutNs: options.timeoutNs,
    seed: options.seed,
    epochMs,
    ...rewritingPart(draft),
    tcp: {
      synRtoNs: SYN_RTO_NS,
      synRetriesMax: SYN_RETRIES_MAX,
      dataRetriesMax: DATA_RETRIES_MAX,
      windowBytes: options.windowBytes,
      mss,
      timestamps: options.timestamps,
    },
    syn: {
      mss,
      windowScale: windowScaleOf(options.windowBytes),
      timestamps: options.timestamps,
      sackPermitted: options.sack !== false,
    },
    ...(options.sack === null && scripts.isSackLeftOut !== undefined
      ? { isSackLeftOut: scripts.isSackLeftOut }
      : {}),
  };
}

/** Nothing where no session is changed: then all of it is played as it was recorded. */
function rewritingPart({
  rewrites,
  options,
}: PlanDraft): Pick<RunPlan, 'rewriting' | 'rewrites' | 'refused'> {
  if (rewrites === null) return {};
  const { facts, columns } = rewrites;
  const refused = new Map([...facts.refused].map(([reason, rows]) => [reason, rows.length]));
  if (facts.sessions.size === 0) return { refused, rewrites: facts };
  const rewriting = {
    columns,
    readsAnswers: facts.stages + facts.dialogues > 0 || columns.toldBytes.length > 0,
    bindTimeoutNs: options.bindTimeoutNs ?? BIND_TIMEOUT_NS,
    answerBytesMax: options.answerBytesMax ?? ANSWER_BYTES_MAX,
  };
  return { rewriting, refused, rewrites: facts };
}

/** The smallest shift with which the window fits its 16 bits (RFC 7323, section 2.2). */
function windowScaleOf(windowBytes: number): number {
  let shift = 0;
  while (windowBytes >>> shift > WINDOW_FIELD_MAX) shift++;
  return shift;
}

function paceOf({ pace }: ReplayOptions): Pace {
  if (pace === 'schedule') return Pace.SCHEDULE;
  return pace === 'none' ? Pace.NONE : Pace.THINK;
}

function checkOf({ check }: ReplayOptions): Check {
  if (check === 'off') return Check.OFF;
  if (check === 'body') return Check.BODY;
  return check === 'length' ? Check.LENGTH : Check.STATUS;
}

function closeOf({ close }: ReplayOptions): Close {
  if (close === 'server') return Close.SERVER;
  return close === 'reset' ? Close.RESET : Close.RECORDED;
}
