/** The options of `gryphon intercept`, as `--help` shows them. */
import { PREFIX_BYTES } from '../base/prefix-bytes.ts';
import { MODES } from './choices.ts';
import type { OptionSpec } from './given-options.ts';
import { COMMON_FLAGS } from './replay-flags.ts';

const WHERE = 'Where replies are picked up:';
const CHANNEL = 'Who may ask for them:';
const NFQUEUE = 'Mode nfqueue:';
const RUNNING = 'Running it:';

export const INTERCEPT_FLAGS: readonly OptionSpec[] = [
  {
    name: 'mode',
    choices: MODES,
    takes: 'value',
    group: WHERE,
    describe: 'advanced (auxiliary machine), nfqueue or sink (on the target)',
    fallback: 'advanced',
  },
  {
    name: 'interface',
    takes: 'list',
    group: WHERE,
    describe: 'DEV,… that replies come in by (advanced)',
    fallback: 'by the routes to the targets',
  },
  {
    name: 'force',
    takes: 'switch',
    group: WHERE,
    describe: 'Capture although this machine forwards packets (advanced)',
  },
  {
    name: 'filter',
    letter: 'F',
    takes: 'value',
    group: WHERE,
    describe: "EXPR in tcpdump's language: of the replies only these (advanced, sink)",
  },
  {
    name: 'prefix-bytes',
    takes: 'value',
    group: WHERE,
    describe: 'N bytes of payload handed over with the headers',
    fallback: String(PREFIX_BYTES),
  },
  {
    name: 'listen',
    letter: 'l',
    takes: 'value',
    group: CHANNEL,
    describe: '[HOST:]PORT where replays connect; other than loopback needs a secret',
    fallback: '127.0.0.1:36524',
  },
  {
    name: 'token-file',
    takes: 'value',
    group: CHANNEL,
    describe: 'FILE with the secret; or GRYPHON_TOKEN in the environment',
  },
  {
    name: 'queue',
    takes: 'value',
    group: NFQUEUE,
    describe: 'A-B queues that packets are shared out to',
    fallback: '0',
  },
  {
    name: 'fail-open',
    takes: 'switch',
    group: NFQUEUE,
    describe: 'Let replies leave the target when they cannot be taken fast enough',
  },
  {
    name: 'rules',
    takes: 'switch',
    group: NFQUEUE,
    describe: 'Install the netfilter rules, or only print them: --no-rules',
    fallback: 'on',
  },
  {
    name: 'pass',
    takes: 'list',
    group: NFQUEUE,
    describe: 'CIDR[:PORT],… Clients whose replies leave as ever',
  },
  {
    name: 'log-file',
    takes: 'value',
    group: RUNNING,
    describe: 'FILE for the log; put aside at 10 MB, three are kept',
    fallback: 'stderr',
  },
  {
    name: 'pid-file',
    takes: 'value',
    group: RUNNING,
    describe: 'FILE for the process id, while it can serve',
  },
  {
    name: 'metrics',
    takes: 'value',
    group: RUNNING,
    describe: '[HOST:]PORT that serves /metrics to Prometheus; 127.0.0.1 without a HOST',
  },
  {
    name: 'daemon',
    takes: 'switch',
    group: RUNNING,
    describe: 'Go to the background once it can serve; needs --log-file',
  },
  ...COMMON_FLAGS,
];

/** What to say of options that this tool's ancestors have, by letter. */
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
