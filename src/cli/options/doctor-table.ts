/** The options of `gryphon doctor`, a row each. */
import { parsePasted, pastedText } from '../../doctor/pasted-facts.ts';
import { COMMON_ROWS } from './common-rows.ts';
import { DURATION_NS } from './kinds.ts';
import { list, onOff, optionTable, value } from './option.ts';
import { REPLAY_TABLE } from './replay-table.ts';

const WAY = 'The way';
const WHERE = 'Where it looks';

const { target, clients, ports, users, intercept, interceptPort, tokenFile, sender } = REPLAY_TABLE;
const { interface: device, nextHop, sourceMac, arp, firewallRules, allowPublic } = REPLAY_TABLE;

const EXAMPLE = pastedText({
  place: 'target',
  addresses: ['10.0.0.5'],
  wayBack: null,
  listening: 'everybody',
  strictInterfaces: [],
  forwards: false,
  conntrack: null,
  neighbours: null,
  firewall: [],
  heard: null,
});

/** There is none that is meant where none is named. */
const { default: _, ...targetRow } = target;

/** By key, in the order of `--help`. */
export const DOCTOR_TABLE = optionTable({
  target: { ...targetRow, group: WAY, help: 'whose way is walked', more: 'whose way is walked' },
  clients: { ...clients, group: WAY },
  ports: { ...ports, group: WAY },
  users: { ...users, group: WAY },
  intercept: { ...intercept, group: WAY },
  interceptPort: { ...interceptPort, group: WAY },
  tokenFile: { ...tokenFile, group: WAY },
  interface: { ...device, group: WAY },
  nextHop: { ...nextHop, group: WAY },
  sourceMac: { ...sourceMac, group: WAY },
  sender: { ...sender, group: WAY },
  arp: { ...arp, group: WAY },
  firewallRules: { ...firewallRules, group: WAY },
  allowPublic: { ...allowPublic, group: WAY },
  onTarget: onOff({
    group: WHERE,
    help: 'Look at this machine as the target, and listen for the clients',
    conflicts: ['on-intercept'],
  }),
  onIntercept: onOff({
    group: WHERE,
    help: 'Look at this machine as the one that picks answers up',
  }),
  pasted: list(
    { form: 'LINE', parse: parsePasted, example: EXAMPLE },
    {
      group: WHERE,
      help: 'that the doctor printed on the target or the intercept',
      form: 'LINE',
    },
  ),
  wait: value(DURATION_NS, {
    group: WHERE,
    help: 'for an answer; on another machine: for what the load machine sends',
    otherwise: '3.5s, on another machine 20s',
  }),
  ...COMMON_ROWS,
});
