/** The options of `gryphon replay` that say when what is played. */

import { PACES } from '../choices.ts';
import { parseRamp } from '../values/ramp.ts';
import { DURATION_NS, oneOf, POSITIVE, RATE, whole } from './kinds.ts';
import { value } from './option.ts';

const PACE = 'When';

/** Rows of the replay table. */
export const PACE_ROWS = {
  accel: value(POSITIVE, {
    group: PACE,
    letter: 'a',
    help: 'times as fast as recorded (0.5: half as fast)',
    default: '1',
  }),
  rate: value(RATE, {
    group: PACE,
    letter: 'i',
    help: 'new users a second: 2048, 500/s, 30/m',
    more: 'new users a second, evenly: `2048`, `500/s`, `30/m`',
    otherwise: 'as recorded ÷ accel',
    conflicts: ['ramp'],
  }),
  requestRate: value(RATE, {
    group: PACE,
    help: 'requests a second that come due, open loop: 5000/s',
    more: 'requests a second that come due, in an open loop: sessions start in turn, as many as that takes: [steady requests](latency-and-summary.md#a-steady-rate-of-requests)',
    conflicts: ['rate', 'ramp', 'iterations'],
  }),
  ramp: value(
    { form: 'TIME:USERS,…', parse: parseRamp, example: '0:0,60s:100000', isJoined: true },
    {
      group: PACE,
      help: 'Users started by then: 0:0,60s:100000',
      more: 'users started by then: `0:0,60s:100000`',
    },
  ),
  iterations: value(whole({ min: 1, max: 2 ** 31 }), {
    group: PACE,
    help: 'times each user plays',
    more: 'times that each user plays, each time from another port',
    otherwise: '1',
  }),
  duration: value(DURATION_NS, {
    group: PACE,
    help: 'after which nothing is started: 30s, 2m',
    more: 'after which nothing is started; until then users play again',
  }),
  pace: value(oneOf(PACES), {
    group: PACE,
    help: 'Closed loop, open loop, or as answers come',
    more: 'closed loop, open loop, or as fast as answers come: [pacing](latency-and-summary.md#pacing-and-what-latency-counts-from)',
    default: 'think',
  }),
  maxGap: value(DURATION_NS, {
    group: PACE,
    help: 'that recorded idle gaps are cut to',
    more: 'to which recorded idle times are cut: before what a client says, and between arrivals',
  }),
  timeout: value(DURATION_NS, {
    group: PACE,
    letter: 't',
    help: 'without progress, beyond what the recorded server took, that ends a user',
    default: '30s',
  }),
};
