/** The options of `gryphon replay`, as `--help` shows them. */
import { CAPTURE_FLAGS } from './capture-flags.ts';
import { CLOSES, ORDERS, PACES, SENDERS } from './choices.ts';
import type { OptionSpec } from './given-options.ts';
import { OTHER_TOOLS } from './other-tools.ts';

const LOAD = 'Who plays what:';
const PACE = 'When:';
const TCP = 'Connections:';
const NETWORK = 'Network (with a target):';
const RUN = 'The run:';
const OUTPUT = 'Output:';

const value = (group: string, spec: Omit<OptionSpec, 'takes' | 'group'>): OptionSpec => ({
  ...spec,
  group,
  takes: 'value',
});
const list = (group: string, spec: Omit<OptionSpec, 'takes' | 'group'>): OptionSpec => ({
  ...spec,
  group,
  takes: 'list',
});
const onOff = (group: string, spec: Omit<OptionSpec, 'takes' | 'group'>): OptionSpec => ({
  ...spec,
  group,
  takes: 'switch',
});

/** Options that more than one command has. */
export const COMMON_FLAGS: readonly OptionSpec[] = [
  onOff(OUTPUT, { name: 'verbose', describe: 'Say the cause of a failure, too' }),
];

/** What the summary of a run can have, when it is made and when it is made again. */
export const SUMMARY_FLAGS: readonly OptionSpec[] = [
  onOff(OUTPUT, { name: 'explain', describe: 'Say below the summary what each of its rows means' }),
];

export const REPLAY_FLAGS: readonly OptionSpec[] = [
  value(LOAD, {
    name: 'target',
    choices: ['embedded'],
    describe: 'HOST:PORT that every session is played to, or "embedded": inside this process',
    fallback: 'embedded',
  }),
  list(LOAD, {
    name: 'map',
    letter: 'x',
    describe: '[IP:]PORT-HOST:PORT,… Which recorded server is played to which target',
    fallback: 'all to --target; with both, --map goes first',
  }),
  list(LOAD, { name: 'file', letter: 'f', describe: 'FILE,… More captures' }),
  value(LOAD, {
    name: 'users',
    letter: 'u',
    describe: 'N virtual users in total, one connection each',
    fallback: 'one per replayable session',
  }),
  value(LOAD, {
    name: 'clients',
    letter: 'c',
    describe: 'POOL of client addresses: CIDR, A-B, a.b.c.x, a.b.c.*, with commas between',
    fallback: '198.18.0.0/15; 2001:2::/96 for an IPv6 target',
  }),
  value(LOAD, { name: 'ports', describe: 'A-B Source ports', fallback: '1024-65535' }),
  value(LOAD, {
    name: 'order',
    choices: ORDERS,
    describe: 'ip or port: which runs first through the pool',
    fallback: 'ip; with clients on the link few addresses',
  }),
  value(LOAD, { name: 'seed', describe: 'N for everything random', fallback: 'random, shown' }),

  ...CAPTURE_FLAGS,

  value(PACE, {
    name: 'accel',
    letter: 'a',
    describe: 'X times as fast as recorded (0.5: half as fast)',
    fallback: '1',
  }),
  value(PACE, {
    name: 'rate',
    letter: 'i',
    describe: 'R new users a second: 2048, 500/s, 30/m',
    fallback: 'as recorded ÷ accel',
  }),
  value(PACE, { name: 'ramp', describe: 'TIME:USERS,… Users started by then: 0:0,60s:100000' }),
  value(PACE, { name: 'iterations', describe: 'N times each user plays', fallback: '1' }),
  value(PACE, { name: 'duration', describe: 'T after which nothing is started: 30s, 2m' }),
  value(PACE, {
    name: 'pace',
    choices: PACES,
    describe: 'think (closed loop), schedule (open loop) or none (as answers come)',
    fallback: 'think',
  }),
  value(PACE, { name: 'max-gap', describe: 'T that recorded idle gaps are cut to' }),
  value(PACE, {
    name: 'timeout',
    letter: 't',
    describe: 'T without progress, beyond what the recorded server took, that ends a user',
    fallback: '30s',
  }),

  value(TCP, {
    name: 'close',
    choices: CLOSES,
    describe: 'recorded, server or reset: who ends a connection',
    fallback: 'recorded',
  }),
  value(TCP, { name: 'mss', describe: 'N to offer', fallback: '1460; 1440 over IPv6' }),
  onOff(TCP, {
    name: 'timestamps',
    describe: 'Offer TCP timestamps, or not: --no-timestamps',
    fallback: 'on',
  }),
  value(TCP, { name: 'window', describe: 'SIZE to offer: 64KiB, 1MiB', fallback: '1MiB' }),

  value(NETWORK, {
    name: 'interface',
    letter: 'o',
    describe: 'DEV on which frames leave',
    fallback: 'from the routing table',
  }),
  value(NETWORK, {
    name: 'next-hop',
    describe: 'MAC or IP that frames go to',
    fallback: 'from the routing table',
  }),
  value(NETWORK, {
    name: 'source-mac',
    describe: 'MAC that frames come from',
    fallback: 'of the interface',
  }),
  value(NETWORK, {
    name: 'sender',
    choices: SENDERS,
    describe: 'packet, ip or raw-socket: how frames leave',
    fallback: 'packet',
  }),
  list(NETWORK, {
    name: 'intercept',
    choices: ['local'],
    letter: 's',
    describe: 'HOST[:PORT],… Intercepts that pick replies up, or "local": this machine does',
    fallback: 'local',
  }),
  value(NETWORK, {
    name: 'intercept-port',
    letter: 'p',
    describe: 'N of intercepts that are named without a port',
    fallback: '36524',
  }),
  value(NETWORK, {
    name: 'token-file',
    describe: "FILE with the intercepts' secret; or GRYPHON_TOKEN in the environment",
  }),
  onOff(NETWORK, {
    name: 'arp',
    describe: 'Answer ARP and NDP for the clients, or not: --no-arp',
    fallback: 'when they are on the link',
  }),
  onOff(NETWORK, { name: 'allow-public', describe: 'Allow a target with a public address' }),

  value(RUN, { name: 'threads', describe: 'N worker threads', fallback: 'by cores' }),
  onOff(RUN, {
    name: 'real-time',
    describe: 'Run the embedded target on the clock, not on virtual time',
  }),
  list(RUN, {
    name: 'threshold',
    describe: 'EXPR that must hold, else exit 99: response:p(99)<20ms, errors:rate<0.1%',
  }),
  onOff(RUN, { name: 'dry-run', describe: 'Print the plan and send nothing' }),

  value(OUTPUT, { name: 'out', describe: 'DIR for all reports' }),
  value(OUTPUT, { name: 'json', describe: 'FILE for the result, or - for stdout' }),
  value(OUTPUT, { name: 'html', describe: 'FILE for a page with charts, or - for stdout' }),
  value(OUTPUT, {
    name: 'metrics',
    describe: '[HOST:]PORT that serves /metrics to Prometheus; 127.0.0.1 without a HOST',
  }),
  onOff(OUTPUT, { name: 'quiet', describe: 'No progress and no notes, only the results' }),
  onOff(OUTPUT, {
    name: 'progress',
    describe: 'Show progress on stderr, or not: --no-progress',
    fallback: 'on',
  }),
  ...SUMMARY_FLAGS,
  ...COMMON_FLAGS,
];

const LATER = 'is not available in this version';

/** What to say of options that other tools, later versions and this tool's ancestors have. */
export const REPLAY_ELSEWHERE: ReadonlyMap<string, string> = new Map([
  ...OTHER_TOOLS,
  ['per', `${LATER}: a user is one connection that plays one session`],
  ['baseline', `${LATER}: use thresholds with fixed limits`],
  ['config', `${LATER}: give options as flags or as GRYPHON_* environment variables`],
  ['m', 'is the old spelling: write --order ip or --order port'],
  ['e', 'is the old spelling: write --seed N'],
  ['M', 'is the old spelling: write --mss N'],
  ['S', 'is the old spelling: write --mss N'],
  ['A', 'is the old spelling: write --rate R, which is the rate that is reached'],
  ['C', 'is not needed: one connection to an intercept carries everything'],
  ['T', `${LATER}: recorded arrivals are kept by default`],
  ['l', 'is the old spelling: notes go to stderr, redirect it (2>FILE)'],
  ['P', `${LATER}: the run stays in the foreground`],
]);
