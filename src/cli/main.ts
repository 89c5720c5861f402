/**
 * From the command line to an exit code. Commands are imported when they are chosen: `--help`
 * loads none of them. What fails anywhere in a command is worded here, and only here.
 */

import { TOKEN_VARIABLE } from './choices.ts';
import { type Command, parseCommandLine } from './command-line.ts';
import type { Context } from './context.ts';
import { ExitCode } from './exit-codes.ts';
import { describeFailure } from './failure.ts';
import { unknownVariables } from './given-options.ts';
import { INSPECT_FLAGS } from './inspect-flags.ts';
import { INTERCEPT_ELSEWHERE, INTERCEPT_FLAGS } from './intercept-flags.ts';
import { REPLAY_ELSEWHERE, REPLAY_FLAGS } from './replay-flags.ts';
import { REPORT_ELSEWHERE, REPORT_FLAGS } from './report-flags.ts';

/** Every command, in the order of `--help`. */
export const COMMANDS: readonly Command[] = [
  {
    name: 'replay',
    describe: 'Play the captured client sessions',
    positional: 'capture',
    specs: REPLAY_FLAGS,
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
    specs: INSPECT_FLAGS,
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
    specs: INTERCEPT_FLAGS,
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
    name: 'report',
    describe: 'Render the result of a run again',
    positional: 'result',
    specs: REPORT_FLAGS,
    elsewhere: REPORT_ELSEWHERE,
    examples: [
      ['$0 report result.json', 'The summary, as it was at the end of the run'],
      ['$0 report result.json --junit junit.xml --markdown -', 'For a CI stage'],
      ['$0 report result.json --hgrm - --latency connect', 'A distribution to plot'],
    ],
    run: async (input) => (await import('./report.ts')).report(input),
  },
];

/** What the environment may hold. */
const VARIABLES = {
  options: [...new Set(COMMANDS.flatMap(({ specs }) => specs.map(({ name }) => name)))],
  others: [TOKEN_VARIABLE],
};

/** Runs one command line; every failure ends here, as lines on stderr and a code. */
export async function main(context: Context): Promise<ExitCode> {
  try {
    const line = parseCommandLine(COMMANDS, context);
    if ('output' in line) {
      await context.print(line.output);
      return ExitCode.OK;
    }
    if (!(line.given.switch('quiet') ?? false)) {
      for (const text of unknownVariables(context.env, VARIABLES))
        context.log(`gryphon: ${text}\n`);
    }
    return await line.command.run({ given: line.given, faults: line.faults, context });
  } catch (error) {
    const isVerbose = context.args.includes('--verbose') || isOn(context.env.GRYPHON_VERBOSE);
    const { text, code } = describeFailure(error, isVerbose);
    context.log(text);
    return code;
  }
}

const isOn = (text: string | undefined): boolean => /^(?:1|true|yes|on)$/i.test(text ?? '');
