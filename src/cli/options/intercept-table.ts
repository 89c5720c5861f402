/** The options of `gryphon intercept`, a row each. */
import { PREFIX_BYTES, PREFIX_BYTES_MAX } from '../../base/prefix-bytes.ts';
import { MODES } from '../choices.ts';
import { INTERCEPT_PORT, parseListen } from '../values/endpoints.ts';
import { parsePassed, parseQueues } from '../values/netfilter.ts';
import { parseInterfaceName } from '../values/stations.ts';
import { COMMON_ROWS, CONFIG_ROWS, metrics, tokenFile } from './common-rows.ts';
import { EXPRESSION, FILE, oneOf, whole } from './kinds.ts';
import { list, onOff, optionTable, value } from './option.ts';

const WHERE = 'Where replies are picked up';
const CHANNEL = 'Who may ask for them';
const NFQUEUE = 'Mode nfqueue';
const RUNNING = 'Running it';

/** By key, in the order of `--help`. */
export const INTERCEPT_TABLE = optionTable({
  mode: value(oneOf(MODES), {
    group: WHERE,
    help: 'On an auxiliary machine (advanced), or on the target',
    more: 'where replies are picked up: on an auxiliary machine, or on the target in two ways',
    default: 'advanced',
  }),
  interface: list(
    { form: 'DEV', parse: parseInterfaceName, example: 'eth1' },
    {
      group: WHERE,
      help: 'That replies come in by (advanced)',
      more: '`advanced`: by which replies come in',
      otherwise: 'by the routes to the targets',
      only: 'advanced',
    },
  ),
  force: onOff({
    group: WHERE,
    help: 'Capture although this machine forwards packets (advanced)',
    more: '`advanced`: capture although this machine forwards packets',
    only: 'advanced',
  }),
  filter: value(EXPRESSION, {
    group: WHERE,
    letter: 'F',
    help: "in tcpdump's language: of the replies only these (advanced, sink)",
    more: "`advanced`, `sink`: of the registered replies take only these, in tcpdump's language (by the system's libpcap)",
  }),
  prefixBytes: value(whole({ min: 0, max: PREFIX_BYTES_MAX }), {
    group: WHERE,
    help: 'bytes of payload handed over with the headers',
    more: "bytes of payload handed over with the headers, 65406 at most: the least that every replay gets. 50,000 packets a second that fill 1024 are 53 MB/s. With fewer than an HTTP answer's header has, the [rule `protocol`](latency-and-summary.md#where-an-answer-ends) cannot apply",
    default: String(PREFIX_BYTES),
  }),
  prefixBytesMax: value(whole({ min: 0, max: PREFIX_BYTES_MAX }), {
    group: WHERE,
    help: 'the most that a replay is granted which needs more',
    more: 'the most bytes of payload that a replay is granted which needs more than `--prefix-bytes` to follow its answers. Where a replay needs whole packets, 2,180 can wait for `advanced` and `sink` instead of 32,768',
    default: String(PREFIX_BYTES_MAX),
  }),
  listen: value(
    { form: '[HOST:]PORT', parse: parseListen, example: '10.0.0.9:36524', isNumber: true },
    {
      group: CHANNEL,
      letter: 'l',
      help: 'where replays connect; other than loopback needs a secret',
      more: "where replays connect. On loopback, without a secret, only replays of the same user (or root's) may register; any other address needs the secret",
      default: `127.0.0.1:${INTERCEPT_PORT}`,
    },
  ),
  tokenFile: tokenFile(
    CHANNEL,
    'with the secret, 16 bytes or more; or `GRYPHON_TOKEN` in the environment. The channel is TLS with it as pre-shared key',
  ),
  queue: value(
    { form: 'A-B', parse: parseQueues, example: '0-3', isNumber: true },
    {
      group: NFQUEUE,
      help: 'queues that packets are shared out to',
      more: '`nfqueue`: queues that packets are shared out to, 256 at most',
      otherwise: '0',
      only: 'nfqueue',
    },
  ),
  failOpen: onOff({
    group: NFQUEUE,
    help: 'Let replies leave the target when they cannot be taken fast enough',
    more: '`nfqueue`: let replies leave the target when they cannot be taken fast enough, rather than stall the port',
    only: 'nfqueue',
  }),
  rules: onOff({
    group: NFQUEUE,
    help: 'Install the netfilter rules, or only print them: --no-rules',
    more: '`nfqueue`: install the netfilter rules, or only print them: `--no-rules`',
    default: 'on',
    only: 'nfqueue',
  }),
  pass: list(
    { form: 'CIDR[:PORT]', parse: parsePassed, example: '10.1.0.0/16' },
    {
      group: NFQUEUE,
      help: 'Clients whose replies leave as ever',
      more: '`nfqueue`: clients whose replies leave as ever',
      only: 'nfqueue',
    },
  ),
  logFile: value(FILE, {
    group: RUNNING,
    help: 'for the log; put aside at 10 MB, three are kept',
    more: 'for the log, in JSON lines; put aside at 10 MB, three are kept',
    otherwise: 'stderr',
  }),
  pidFile: value(FILE, {
    group: RUNNING,
    help: 'for the process id, while it can serve',
  }),
  metrics: metrics(RUNNING, ', to whoever can reach the address'),
  config: { ...CONFIG_ROWS.config, group: RUNNING },
  daemon: onOff({
    group: RUNNING,
    help: 'Go to the background once it can serve; needs --log-file',
    more: 'go to the background once it can serve; needs `--log-file`. SIGHUP ends it like SIGTERM: the log needs no reopening',
    isFlagOnly: true,
  }),
  ...COMMON_ROWS,
});
