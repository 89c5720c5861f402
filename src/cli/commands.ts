/**
 * What commands there are. Their tables of options and the commands themselves are imported when they
 * are asked for: reading a table's parsers takes time, and each line has one command.
 */
import type { Command } from './command-line.ts';
import type { OptionTable } from './options/option.ts';
import { INTERCEPT_ELSEWHERE, REPLAY_ELSEWHERE } from './other-tools.ts';

type CommandSource = Omit<Command, 'table'> & { readonly loadTable: () => Promise<OptionTable> };

/** Every command, in the order of `--help`. */
const COMMANDS: readonly CommandSource[] = [
  {
    name: 'replay',
    describe: 'Play the captured client sessions',
    positional: 'capture',
    loadTable: async () => (await import('./options/replay-table.ts')).REPLAY_TABLE,
    elsewhere: REPLAY_ELSEWHERE,
    examples: [
      ['$0 replay x.pcap', 'Every session once, against a responder in this process'],
      ['$0 replay x.pcap --users 10000 --accel 10', 'More users, ten times as fast'],
      [
        '$0 replay x.pcap -u 2000 --target 10.0.0.5:80 -c 10.17.15.0/24 -o eth1',
        'Against a real server (as root); its route for the clients leads here',
      ],
      [
        "$0 replay x.pcap -u 2000 --threshold 'response:p(99)<20ms' --json result.json",
        'With a verdict: exit 99 when it does not hold',
      ],
      ['$0 replay -f a.pcap,b.pcap -x 80-10.0.0.5:8080 -u 500', 'One recorded port only'],
    ],
    run: async (input) => (await import('./replay.ts')).replay(input),
  },
  {
    name: 'inspect',
    describe: 'Show what a capture holds and what of it can be replayed; sends nothing',
    positional: 'capture',
    loadTable: async () => (await import('./options/inspect-table.ts')).INSPECT_TABLE,
    elsewhere: new Map(),
    examples: [
      ['$0 inspect x.pcap', 'A table of files, sessions and servers'],
      ['$0 inspect x.pcap --json --sessions', 'One document with an entry per session'],
    ],
    run: async (input) => (await import('./inspect.ts')).inspect(input),
  },
  {
    name: 'intercept',
    describe: "Pick up the target's replies for replays on other machines",
    positional: null,
    loadTable: async () => (await import('./options/intercept-table.ts')).INTERCEPT_TABLE,
    elsewhere: INTERCEPT_ELSEWHERE,
    examples: [
      [
        '$0 intercept --listen 10.0.0.9:36524 --token-file token',
        "On an auxiliary machine to which the target's route for the clients leads",
      ],
      [
        '$0 intercept --mode sink --listen 10.0.0.5:36524 --token-file token',
        'On the target itself',
      ],
    ],
    run: async (input) => (await import('./intercept.ts')).intercept(input),
  },
  {
    name: 'record',
    describe: 'Record traffic of servers on this machine into captures',
    positional: null,
    loadTable: async () => (await import('./options/record-table.ts')).RECORD_TABLE,
    elsewhere: new Map(),
    examples: [
      [
        '$0 record --interface eth0 --server 80,443 --out captures',
        'As root; requests whole, of answers the beginning',
      ],
      [
        '$0 record --interface eth0 --server 80 --out captures --sessions 10%',
        'One session of ten, each whole',
      ],
    ],
    run: async (input) => (await import('./record.ts')).record(input),
  },
  {
    name: 'doctor',
    describe: 'Walk the way to a target and back, and name what is wrong on it',
    positional: 'capture',
    loadTable: async () => (await import('./options/doctor-table.ts')).DOCTOR_TABLE,
    elsewhere: new Map(),
    examples: [
      ['$0 doctor --target 10.0.0.5:80', 'Each hop, with the command that mends it (as root)'],
      ['$0 doctor --target 10.0.0.5:80 --on-target', 'The other end, on the target itself'],
    ],
    run: async (input) => (await import('./doctor.ts')).doctor(input),
  },
  {
    name: 'lab',
    describe: 'Play in network namespaces of this machine, with a real server, in every mode',
    positional: 'capture',
    loadTable: async () => (await import('./options/lab-table.ts')).LAB_TABLE,
    elsewhere: new Map(),
    examples: [
      ['$0 lab', 'As root: a small recording, each way for answers to come back, side by side'],
      ["$0 lab app.pcap --server 'node server.js' --port 3000", 'Against your own server'],
      ['$0 lab --mode advanced --keep', 'Leave it standing, to look around'],
    ],
    run: async (input) => (await import('./lab.ts')).lab(input),
  },
  {
    name: 'report',
    describe: 'Render the result of a run again',
    positional: 'result',
    loadTable: async () => (await import('./options/report-table.ts')).REPORT_TABLE,
    elsewhere: new Map(),
    examples: [
      ['$0 report result.json', 'The summary, as it was at the end of the run'],
      ['$0 report result.json --junit junit.xml --markdown -', 'For a CI stage'],
      ['$0 report result.json --hgrm - --latency connect', 'A distribution to plot'],
    ],
    run: async (input) => (await import('./report.ts')).report(input),
  },
  {
    name: 'merge',
    describe: "Add the results of a run's shares",
    positional: 'result',
    loadTable: async () => (await import('./options/merge-table.ts')).MERGE_TABLE,
    elsewhere: new Map(),
    examples: [
      ['$0 merge r1.json r2.json r3.json', 'The summary of the run that --share divided'],
      [
        "$0 merge r*.json --threshold 'response:p(99)<20ms' --json result.json",
        'With a verdict on the whole',
      ],
    ],
    run: async (input) => (await import('./merge.ts')).merge(input),
  },
  {
    name: 'compare',
    describe: 'Compare results of the same load, and tell change from noise',
    positional: 'result',
    loadTable: async () => (await import('./options/compare-table.ts')).COMPARE_TABLE,
    elsewhere: new Map(),
    examples: [
      ['$0 compare base.json new.json', 'Each figure with its change'],
      [
        "$0 compare n1.json n2.json n3.json n4.json --base b1.json,b2.json,b3.json,b4.json --threshold 'response:p(99)<+10%'",
        'Repeated runs: whether a change is more than noise; exit 99 when it is too large',
      ],
    ],
    run: async (input) => (await import('./compare.ts')).compare(input),
  },
];

/**
 * Every command, in the order of `--help`.
 * @param args words of a command line; commands whose name is not among them have no options yet.
 *   Left out: all have theirs.
 */
export const loadCommands = async (args?: readonly string[]): Promise<readonly Command[]> =>
  await Promise.all(
    COMMANDS.map(async ({ loadTable, ...command }) => ({
      ...command,
      table: args === undefined || args.includes(command.name) ? await loadTable() : {},
    })),
  );
