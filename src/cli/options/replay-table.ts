/** The options of `gryphon replay`, a row each. */

import { parseDurationNs } from '../../base/units.ts';
import { OWN_CLIENTS } from '../../run/plan/options.ts';
import { CLOSES, ORDERS, PERS } from '../choices.ts';
import { parseClients } from '../values/clients.ts';
import { EMBEDDED, parseRoute, parseTarget } from '../values/endpoints.ts';
import { parsePorts } from '../values/ports.ts';
import { parseShare, parseStartAt } from '../values/share.ts';
import { parseThreshold } from '../values/thresholds.ts';
import { CAPTURE_ROWS } from './capture-table.ts';
import { checkIgnoreRow, checkRow } from './check-row.ts';
import { COMMON_ROWS, CONFIG_ROWS, metrics, SUMMARY_ROWS } from './common-rows.ts';
import { DURATION_NS, FILE, FOLDER, oneOf, sizeWithin, whole } from './kinds.ts';
import { LOG_IN_ROWS } from './log-in-rows.ts';
import { MODULE_ROWS } from './module-rows.ts';
import { NETWORK_ROWS } from './network-rows.ts';
import { list, onOff, optionTable, value } from './option.ts';
import { PACE_ROWS } from './pace-rows.ts';
import { LOAD, PROTOCOL_ROWS } from './protocol-rows.ts';
import { REWRITE_ROWS } from './rewrite-rows.ts';

const TCP = 'Connections';
const RUN = 'The run';
const OUTPUT = 'Output';

/** More users than this have no index of 31 bits. */
const USERS_MAX = 2 ** 31;
/** A smaller one leaves no room for data beside the options (IPv4's least MTU is 68: RFC 791). */
const MSS_MIN = 64;
/** 65,535 less the smallest IPv4 and TCP headers. */
const MSS_MAX = 65_495;
/** 65,535 scaled by 2^14, the most that RFC 7323, section 2.2 allows. */
const WINDOW_MAX = 65_535 * 2 ** 14;
const WINDOW_MIN = 512;
/** Far above any machine's cores: a slip of the finger. */
const THREADS_MAX = 1024;

const LOAD_ROWS = {
  target: value(
    {
      form: 'HOST:PORT',
      parse: parseTarget,
      example: '10.0.0.5:80',
      choices: [EMBEDDED],
      isOpen: true,
    },
    {
      group: LOAD,
      help: 'that every session is played to, or "embedded": inside this process',
      more: 'where every session is played to; `embedded` is the responder inside this process',
      default: EMBEDDED,
    },
  ),
  map: list(
    { form: '[IP:]PORT-HOST:PORT', parse: parseRoute, example: '80-10.0.0.5:8080' },
    {
      group: LOAD,
      letter: 'x',
      help: 'Which recorded server is played to which target',
      more: 'the sessions of one recorded server go to this target. What no mapping matches is not played, or goes to `--target` where that is given as well',
      otherwise: 'all to --target; with both, --map goes first',
    },
  ),
  ...PROTOCOL_ROWS,
  file: list(FILE, {
    group: LOAD,
    letter: 'f',
    help: 'More captures',
    isCommandOnly: true,
    isFlagOnly: true,
  }),
  users: value(whole({ min: 1, max: USERS_MAX }), {
    group: LOAD,
    letter: 'u',
    help: 'virtual users in total',
    more: 'users in total: connections, or clients with `--per client`. Users play the sessions, or the recorded clients, in turn, in capture order',
    otherwise: 'one per replayable session, or per recorded client',
  }),
  per: value(oneOf(PERS), {
    group: LOAD,
    help: 'What a user is: one connection, or a client with all of its own',
    more: 'what a user is: one connection that plays one session; or [one recorded client address](latency-and-summary.md#clients-with-several-connections) with all of its connections, in their recorded order and overlap, from an address of its own',
    default: 'connection',
  }),
  clients: value(
    {
      form: 'POOL',
      parse: (text: string) => (text.trim() === OWN_CLIENTS ? OWN_CLIENTS : parseClients(text)),
      example: '10.17.15.0/24',
      choices: [OWN_CLIENTS],
      isOpen: true,
      isJoined: true,
    },
    {
      group: LOAD,
      letter: 'c',
      help: 'of client addresses: CIDR, A-B, a.b.c.x, a.b.c.*, …; or "own": of this machine',
      more: "client addresses: CIDR, `A-B`, `a.b.c.x`, `a.b.c.*`, and lists of these; or `own`: [this machine's](targets.md#from-the-machines-own-address)",
      otherwise: '198.18.0.0/15; 2001:2::/96 for an IPv6 target',
    },
  ),
  ports: value(
    { form: 'A-B', parse: parsePorts, example: '20000-60000', isNumber: true },
    {
      group: LOAD,
      help: 'Source ports',
      more: 'source ports of each client address; at own addresses without those that this machine uses',
      otherwise: "1024-65535; with own clients without the kernel's",
    },
  ),
  order: value(oneOf(ORDERS), {
    group: LOAD,
    help: 'Which runs first through the pool',
    more: 'how the pool is used up: all addresses with one port, then the next port; or all ports of one address, then the next address',
    otherwise: 'ip; with clients on the link few addresses',
  }),
  share: value(
    { form: 'I/N', parse: parseShare, example: '2/5' },
    {
      group: LOAD,
      help: 'of the run that is played here: every N-th user',
      more: 'of the run that is played here: every N-th user, from a slice of the pool. [Several machines](#several-machines) play one run; needs `--seed`',
      otherwise: 'the whole run',
    },
  ),
  startAt: value(
    { form: 'TIME', parse: parseStartAt, example: '2026-12-01T10:00:00Z' },
    {
      group: LOAD,
      form: 'TIME|+T',
      help: 'by the wall clock, so that shares start together; not ready by then: exit 4',
      more: 'by the wall clock (`2026-12-01T10:00:00Z`, or `+5s`: so long after the command has begun), so that shares start together. A run that is not ready by then plays nothing and ends with 4',
      otherwise: 'when it is ready',
    },
  ),
  seed: value(whole({ min: 0, max: 2 ** 32 - 1 }), {
    group: LOAD,
    help: 'for everything random',
    more: 'for everything random; the same seed repeats a run against the embedded target',
    otherwise: 'random, shown',
  }),
};

const TCP_ROWS = {
  close: value(oneOf(CLOSES), {
    group: TCP,
    help: 'Who ends a connection',
    more: 'who ends a connection: as recorded; the server alone (connections stay open for what it pushes: give a `--duration`); or an RST after the last answer, which leaves no TIME-WAIT behind',
    default: 'recorded',
  }),
  mss: value(whole({ min: MSS_MIN, max: MSS_MAX }), {
    group: TCP,
    help: 'to offer',
    more: 'maximum segment size to offer',
    otherwise: '1460; 1440 over IPv6',
  }),
  timestamps: onOff({
    group: TCP,
    help: 'Offer TCP timestamps, or not: --no-timestamps',
    default: 'on',
  }),
  sack: onOff({
    group: TCP,
    help: 'Offer selective acknowledgements, or not: --no-sack',
    otherwise: 'as the recorded client did',
  }),
  window: value(sizeWithin({ min: WINDOW_MIN, max: WINDOW_MAX }), {
    group: TCP,
    help: 'to offer: 64KiB, 1MiB',
    more: 'receive window to offer: `64KiB`, `1MiB`',
    default: '1MiB',
  }),
};

const RUN_ROWS = {
  ...CONFIG_ROWS,
  threads: value(whole({ min: 1, max: THREADS_MAX }), {
    group: RUN,
    help: 'worker threads',
    more: 'worker threads, among which users are split. Half the cores, at most 16, and no more than one for each 1,000 users; with the embedded target, whose figures but the peak do not depend on it, all cores and one for each 20,000; `--sender raw-socket` has one, `--sender xdp` if nothing else is said',
    otherwise: 'by cores',
  }),
  realTime: onOff({
    group: RUN,
    help: 'Run the embedded target on the clock, not on virtual time',
    only: 'embedded',
  }),
  recordedServer: onOff({
    group: RUN,
    help: 'The target says what was recorded, and anything in place of what was not captured',
    more: 'the target says what was recorded, and anything in place of what was not captured, as the embedded one and the built-in server of `gryphon lab` do: what stands in is not read as answers',
    only: 'network',
  }),
  check: checkRow(RUN),
  checkIgnore: checkIgnoreRow(RUN),
  threshold: list(
    {
      form: 'EXPR',
      parse: parseThreshold,
      example: 'response:p(99)<20ms',
    },
    {
      group: RUN,
      form: 'EXPR',
      help: 'that must hold, else exit 99: response:p(99)<20ms, errors:rate<0.1%',
      more: 'that must hold, else exit 99: `response:p(99)<20ms`, `errors:rate<0.1%` ([CI](ci.md))',
    },
  ),
  against: value(
    { form: 'HOST:PORT', parse: parseTarget, example: '10.0.0.6:80' },
    {
      group: RUN,
      help: 'that the same plan is played to in turn, to compare --target with it',
      more: 'that the same plan is played to in turn with `--target`: [compared](ci.md#two-targets), thresholds such as `response:p(99)<+10%` count from it',
      only: 'network',
      isCommandOnly: true,
    },
  ),
  rounds: value(whole({ min: 1, max: 100 }), {
    group: RUN,
    help: 'times that --against plays to each target',
    more: 'times that `--against` plays the whole plan to each target',
    default: '4',
    isCommandOnly: true,
  }),
  baseline: value(FILE, {
    group: RUN,
    help: 'with an earlier result, for thresholds such as response:p(99)<+10%',
    more: 'with an earlier result that relative thresholds count from: `response:p(99)<+10%` ([CI](ci.md))',
  }),
  abortOnFail: value(
    { ...DURATION_NS, parse: parseDurationNs, example: '30s' },
    {
      group: RUN,
      help: 'after which the run ends as soon as a threshold does not hold: 30s, 0',
      more: 'after which the run ends as soon as a threshold does not hold, with 99; `0`: at any time. Thresholds that may still come to hold, and those of a window, are judged at the end',
      otherwise: 'thresholds are judged at the end',
    },
  ),
  dryRun: onOff({
    group: RUN,
    help: 'Print the plan and send nothing',
    isCommandOnly: true,
  }),
};

const OUTPUT_ROWS = {
  out: value(FOLDER, {
    group: OUTPUT,
    help: 'for all reports',
    more: 'for all reports, see the table below',
    isCommandOnly: true,
  }),
  json: value(FILE, {
    group: OUTPUT,
    help: 'for the result, or - for stdout',
    more: 'for the result as one document; `-`: to stdout, with the summary on stderr',
    isCommandOnly: true,
  }),
  html: value(FILE, {
    group: OUTPUT,
    help: 'for a page with charts, or - for stdout',
    more: 'for a page with charts, or `-` for stdout',
    isCommandOnly: true,
  }),
  csv: value(FILE, {
    group: OUTPUT,
    help: 'for the run over time, a row an interval, or - for stdout',
    more: 'for the run over time, a row an interval, or `-` for stdout',
    isCommandOnly: true,
  }),
  metrics: metrics(OUTPUT, ' while the run goes on, to whoever can reach the address'),
  quiet: onOff({
    group: OUTPUT,
    help: 'No progress and no notes, only the results',
    isCommandOnly: true,
  }),
  progress: onOff({
    group: OUTPUT,
    help: 'Show progress on stderr, or not: --no-progress',
    default: 'on',
    isCommandOnly: true,
  }),
};

/** By key, in the order of `--help`. */
export const REPLAY_TABLE = optionTable({
  ...LOAD_ROWS,
  ...CAPTURE_ROWS,
  ...PACE_ROWS,
  ...REWRITE_ROWS,
  ...LOG_IN_ROWS,
  ...MODULE_ROWS,
  ...TCP_ROWS,
  ...NETWORK_ROWS,
  ...RUN_ROWS,
  ...OUTPUT_ROWS,
  ...SUMMARY_ROWS,
  ...COMMON_ROWS,
});
