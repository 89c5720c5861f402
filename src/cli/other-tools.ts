/** What options of other load tools are called here: k6, wrk, vegeta, ab, hey, Locust, tcpreplay, tcpcopy. */
import type { GivenOptions } from './given-options.ts';
import type { FaultList } from './usage-error.ts';

const USERS = 'is --users here: connections in total, each plays one recorded session';
const RATE = 'is --rate here: new users a second, each with all requests of its session';
const REQUESTS = 'is --request-rate here: requests a second that come due, in an open loop';
const PLAYS =
  'is --users here (each plays one session), with --iterations N for each of them again';
const DURATION = 'is --duration here: --duration 10s';
const LINK = 'is not available in this version: packets leave when their session is due';
const FASTEST = 'is --pace none here: each request as soon as the answer before it is there';
const INTERFACE = 'is --interface here: --interface DEV';
const TARGET = 'is --target here: --target HOST:PORT';
const HEADER = "is --set-header here: --set-header 'Name: value'";
const RULES = 'is a rule here (docs/rewriting.md): --rules FILE with';
const RECORDED = 'is not needed: requests are played as they were recorded';

/** Options of `gryphon replay` as other tools call them, by name or letter. */
const OTHER_TOOLS: ReadonlyMap<string, string> = new Map([
  // k6, Locust
  ['vus', USERS],
  ['stage', 'is --ramp here: --ramp 0:0,60s:1000'],
  ['stages', 'is --ramp here: --ramp 0:0,60s:1000'],
  ['spawn-rate', RATE],
  ['run-time', DURATION],
  ['host', TARGET],
  ['summary-export', 'is --json here: --json FILE'],
  // wrk, vegeta, ab, hey, autocannon
  ['connections', USERS],
  ['concurrency', USERS],
  ['rps', REQUESTS],
  ['qps', REQUESTS],
  ['requests', PLAYS],
  ['amount', PLAYS],
  ['workers', 'is --threads here, and rarely needed: users need no workers of their own'],
  ['max-workers', 'is --threads here, and rarely needed: users need no workers of their own'],
  ['max-connections', USERS],
  ['url', TARGET],
  ['targets', RECORDED],
  ['method', RECORDED],
  ['body', RECORDED],
  ['header', HEADER],
  ['script', RECORDED],
  ['keepalive', 'is not needed: connections last as long as recorded (--close)'],
  ['n', PLAYS],
  ['r', RATE],
  ['R', REQUESTS],
  ['q', REQUESTS],
  ['d', DURATION],
  ['z', DURATION],
  ['H', HEADER],
  // tcpreplay, GoReplay
  ['mbps', LINK],
  ['pps', LINK],
  ['topspeed', FASTEST],
  ['oneatatime', LINK],
  ['multiplier', 'is --accel here: --accel 10 is ten times as fast'],
  ['speed', 'is --accel here: --accel 10 is ten times as fast'],
  ['loop', 'is --iterations here: --iterations N'],
  ['limit', 'is --users, or one of the options that choose sessions (--session-index, --fraction)'],
  ['intf1', INTERFACE],
  ['intf2', 'is not needed: replies are taken where they come in'],
  ['preload-pcap', 'is not needed: captures are read before the run begins'],
  ['unique-ip', 'is not needed: each user has an address and port of its own (--clients)'],
  ['input-file', 'is not needed: name the capture: gryphon replay FILE'],
  ['output-http', TARGET],
  ['http-rewrite-url', `${RULES} send: [{ replace: /v1/, with: /v2/ }]`],
  ['http-rewrite-header', `${RULES} send: [{ headers: { Host: shop.test } }]`],
  ['http-set-param', `${RULES} send: [{ query: { key: value } }]`],
  ['http-disallow-url', `${RULES} skip: [{ when: { path: /admin* } }]`],
  ['http-disallow-header', `${RULES} skip: [{ when: { host: '*.test' } }]`],
  ['http-allow-method', `${RULES} skip: [{ when: { method: POST } }]`],
  ['http-allow-url', `${RULES} skip: what is not to be sent`],
  // tcpcopy
  ['k', 'is not needed: connections last as long as recorded (--close)'],
  ['D', TARGET],
]);

const LATER = 'is not available in this version';

/** What to say of options of `gryphon replay` that other tools, later versions and ancestors have. */
export const REPLAY_ELSEWHERE: ReadonlyMap<string, string> = new Map([
  ...OTHER_TOOLS,
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

/** What to say of options that the ancestors of `gryphon intercept` have, by letter. */
export const INTERCEPT_ELSEWHERE: ReadonlyMap<string, string> = new Map([
  ['i', 'is the old spelling: write --interface DEV'],
  ['o', 'is the old spelling: write --interface DEV'],
  ['p', 'is the old spelling: write --listen PORT'],
  ['x', 'is the old spelling: write --pass CIDR'],
  ['n', 'is not needed: several replays with ranges of their own may register at once'],
  ['P', 'is the old spelling: write --pid-file FILE'],
  ['d', 'is the old spelling: write --daemon'],
  ['b', 'is the old spelling: write --listen HOST:PORT'],
]);

/** Values that mean something else elsewhere, and what to say of them beside the fault. */
const OTHER_MEANINGS: readonly {
  readonly option: string;
  readonly value: RegExp;
  readonly says: (value: string) => string;
}[] = [
  {
    option: 'clients',
    value: /^\d+$/,
    says: (text) =>
      `-c is the pool of client addresses here: for ${text} of them write --users ${text}`,
  },
  {
    option: 'rate',
    value: /^[a-z]{2,}\d+$/,
    says: (text) => `-i is the rate here: for an interface write --interface ${text}`,
  },
  {
    option: 'map',
    value: /^\d+(?:\.\d+)?$/,
    says: (text) => `-x is --map here: for ${text} times the speed write --accel ${text}`,
  },
];

/** Adds to the faults what a value would have meant in another tool. */
export function findOtherMeanings(given: GivenOptions, faults: FaultList): void {
  for (const { option, value, says } of OTHER_MEANINGS) {
    const text = given.sourceOf(option) === 'flag' ? (given.text(option)?.text.trim() ?? '') : '';
    if (value.test(text)) faults.add(says(text));
  }
}
