/** The options of `gryphon record`, a row each. */
import { parsePercentage } from '../../base/units.ts';
import { parseAnswers, parseRotation } from '../values/recording.ts';
import { COMMON_ROWS } from './common-rows.ts';
import { DURATION_NS, EXPRESSION, FOLDER, SIZE, sizeWithin, whole } from './kinds.ts';
import { list, optionTable, value } from './option.ts';

const WHAT = 'What is recorded';
const WHERE = 'Captures';
const LIMITS = 'What must not happen';

const SHARE = { form: 'P%', parse: parsePercentage, example: '10%' };
const RING_MIN = 1 << 20;
const RING_MAX = 2 ** 31;

/** By key, in the order of `--help`. */
export const RECORD_TABLE = optionTable({
  interface: value(
    { form: 'DEV', parse: (text: string) => text, example: 'eth0' },
    { group: WHAT, help: 'whose packets are looked at, in both directions; `any`: of all' },
  ),
  server: list(whole({ min: 1, max: 65_535 }), {
    group: WHAT,
    form: 'PORT,…',
    help: 'of the servers: sessions with these ports',
  }),
  filter: value(EXPRESSION, {
    group: WHAT,
    help: "in pcap's language, for packets that begin at IP: only what it accepts as well",
  }),
  answers: value(
    {
      form: 'headers|N|full',
      parse: parseAnswers,
      example: '128',
      choices: ['headers', 'full'],
      isOpen: true,
    },
    {
      group: WHAT,
      help: "how much payload of an answer's packets is kept; requests are kept whole",
      default: '128',
    },
  ),
  sessions: value(SHARE, {
    group: WHAT,
    help: 'of the sessions, chosen in the kernel by client address and port, each whole',
    default: '100%',
  }),
  duration: value(DURATION_NS, { group: WHAT, help: 'then it ends', default: '1h' }),
  out: value(FOLDER, {
    group: WHERE,
    help: 'for the captures',
    otherwise: 'none: it must be named',
  }),
  rotate: value(
    { form: 'SIZE,T', parse: parseRotation, example: '1GB,10m', isJoined: true },
    { group: WHERE, help: 'a new file when one is so large or so old', default: '1GB,10m' },
  ),
  keep: value(SIZE, {
    group: WHERE,
    help: 'of all captures in the folder: the oldest are removed',
    otherwise: 'all are kept',
  }),
  keepFree: value(SIZE, {
    group: LIMITS,
    help: 'of the disk: it ends before it writes into that',
    default: '1GB',
  }),
  maxCpu: value(SHARE, {
    group: LIMITS,
    help: 'of one processor, which it does not exceed: where more comes, half of the sessions are left out from then on',
    default: '20%',
  }),
  ring: value(sizeWithin({ min: RING_MIN, max: RING_MAX }), {
    group: LIMITS,
    help: 'of memory, in which packets wait while the disk is slow',
    default: '64MiB',
  }),
  user: value(
    { form: 'NAME', parse: (text: string) => text, example: 'nobody' },
    {
      group: LIMITS,
      help: 'that it becomes when its socket is open; the folder has to be theirs, and the captures are',
      otherwise: 'it stays who it is, and says so where that is root',
    },
  ),
  ...COMMON_ROWS,
});
