/** The options of `gryphon lab`, a row each. */
import { LAB_MODES } from '../../run/lab/run-lab.ts';
import { COMMON_ROWS } from './common-rows.ts';
import { oneOf, whole } from './kinds.ts';
import { list, onOff, optionTable, value } from './option.ts';
import { REPLAY_TABLE } from './replay-table.ts';

const LAB = 'The laboratory';
const REPLAY = 'Each replay';

const { users, accel, rate, pace, duration, iterations, maxGap, timeout, threshold } = REPLAY_TABLE;
const { include, out } = REPLAY_TABLE;

/** Options that each replay gets as they are written. */
export const HANDED_ON = {
  users: { ...users, group: REPLAY, otherwise: '200' },
  accel: { ...accel, group: REPLAY },
  rate: { ...rate, group: REPLAY },
  pace: { ...pace, group: REPLAY },
  duration: { ...duration, group: REPLAY },
  iterations: { ...iterations, group: REPLAY },
  maxGap: { ...maxGap, group: REPLAY },
  timeout: { ...timeout, group: REPLAY },
  threshold: { ...threshold, group: REPLAY },
  include: { ...include, group: REPLAY },
};

/** By key, in the order of `--help`. */
export const LAB_TABLE = optionTable({
  mode: list(oneOf(LAB_MODES), {
    group: LAB,
    help: 'How answers come back; several in turn',
    more: 'how answers come back (see [targets](targets.md)); several are played in turn',
    otherwise: 'all of them',
  }),
  server: value(
    { form: 'CMD', parse: (text: string) => text, example: 'node server.js' },
    {
      group: LAB,
      help: 'for the shell that starts your server in the target; PORT and HOST are in its environment',
      more: 'a line for the shell that starts your own server in the target; it finds PORT and HOST in its environment',
      otherwise: 'a built-in one that answers as recorded',
    },
  ),
  port: value(whole({ min: 1, max: 65_535 }), {
    group: LAB,
    help: 'of the target that the server listens on; where none is named, the only one that your server has will do',
    default: '8080',
  }),
  keep: onOff({
    group: LAB,
    help: 'Leave it standing until Ctrl-C, with the commands to look around',
  }),
  ...HANDED_ON,
  out: { ...out, group: 'Output', help: 'with a folder of reports for each mode' },
  ...COMMON_ROWS,
});
