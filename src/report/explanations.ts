/** What each row of the summary means, for `--explain`; docs/latency-and-summary.md says the same at more length. */
import { formatCount } from '../base/units.ts';
import { LATENCY_MEANINGS, LATENCY_NAMES } from '../measure/histograms.ts';
import type { RunResult } from '../measure/result.ts';
import { nonZero, words } from './format.ts';

/** What a row of the summary means. */
export interface Explanation {
  /** Of the row. */
  readonly name: string;
  /** What it means, with the figures that only this shows. */
  readonly text: (result: RunResult) => string;
}

const fixed = (name: string, text: string): Explanation => ({ name, text: () => text });

/** In the order of the rows. */
export const EXPLANATIONS: readonly Explanation[] = [
  fixed(
    'first line',
    'what the run is worth: ✓ every threshold held or, without thresholds, every user completed; ' +
      '! look before you trust it; ✗ it did not do what was asked for',
  ),
  fixed('played', 'the seed repeats the run: give it with --seed'),
  fixed(
    'arrivals',
    'when users start; with more users than sessions a session is played by several',
  ),
  fixed('duration', 'from the first start to the last end; virtual time jumps to what is next'),
  fixed(
    'due',
    'requests whose time had come, and how many a second. With the paces think and none a request ' +
      'is due only after the answer before it, so a slower server is asked for less: then less is ' +
      'due than if answers took as long as recorded',
  ),
  fixed(
    'answered',
    'requests that were answered to the end, and how much of the recorded rate that is',
  ),
  fixed(
    'requests',
    'requests of one method and path, command or kind of statement are told apart; numbers and other ' +
      'identifiers in paths are {id}. Most time: of all answers together; unlike: answers that were not ' +
      'as recorded (--check)',
  ),
  fixed('unlike', 'recorded → came, the most frequent first, with a request of which it is true'),
  fixed('connected', 'handshakes that were completed; a user is one connection'),
  fixed('payload', 'bytes that TCP carried, without headers; what was sent again counts again'),
  fixed(
    'rewritten',
    'requests that modules or rules wrote anew, and answers that were read for them; sent before all was known: what they needed had not come within --bind-timeout',
  ),
  fixed(
    'checked',
    'the embedded target compares all that it receives with the capture; of rewritten sessions the checksums alone',
  ),
  fixed(
    'users',
    'each user ends in one of these states; they add up to the planned ones. By an answer that is none of ' +
      'its protocol, whose length is none or whose header has no end, or by bytes behind an answer: nobody can ' +
      'tell where the next one begins, so the connection is broken off, as other clients do',
  ),
  fixed(
    'clients',
    'with --per client: each is a recorded client with all of its connections, completed when all of them are, and else failed as the first that failed',
  ),
  ...LATENCY_NAMES.map((name, i) => fixed(words(name), LATENCY_MEANINGS[i])),
  {
    name: 'ends',
    text: ({ answerRules }) => {
      const rules = nonZero(answerRules).map(([rule, count]) => `${rule} ${formatCount(count)}`);
      return `of answers were told by: ${rules.join(', ') || 'nothing, there was none'}`;
    },
  },
  fixed('losses', 'packets; ignored are those that changed nothing, which is no loss'),
  {
    name: 'generator',
    text: ({ stateBytesPerUser }) =>
      `this process: a core busy all the time is 1; a user costs ${stateBytesPerUser} bytes of state`,
  },
];
