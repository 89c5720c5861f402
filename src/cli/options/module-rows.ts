/** Rows of `gryphon replay` about what is changed in what recorded clients said. */
import { parseJson } from '../values/json.ts';
import { DURATION_NS, FILE, SIZE, sizeWithin } from './kinds.ts';
import { list, value } from './option.ts';

/** The heading that they stand under. */
export const CHANGES = 'What is changed';

/** A packet's payload at least; an answer is kept in memory, for each user that reads one. */
const ANSWER_BYTES = { min: 1 << 10, max: 1 << 26 };

/** Who changes messages, and how far that may go. */
export const MODULE_ROWS = {
  module: list(FILE, {
    group: CHANGES,
    help: 'A module in JavaScript that writes requests anew, reads answers, or logs in',
    more: 'a module (JavaScript, ESM) that writes requests anew, reads answers, or logs in: see [modules](modules.md). Of several that want a session the first one has it',
  }),
  moduleOptions: value(
    { form: 'JSON', parse: parseJson, example: '{"user":"alice"}' },
    {
      group: CHANGES,
      help: 'What the function that a --module exports is called with',
      otherwise: 'nothing',
    },
  ),
  bindTimeout: value(DURATION_NS, {
    group: CHANGES,
    help: 'How long a request may wait for what an answer has to tell first',
    default: '5s',
  }),
  answerBytes: value(sizeWithin(ANSWER_BYTES), {
    group: CHANGES,
    help: 'Of an answer that is read at most so much is kept',
    default: '64KiB',
  }),
  rewriteMemory: value(SIZE, {
    group: CHANGES,
    help: 'Memory for requests that are written anew; users without room do not start',
    otherwise: 'a quarter of what is free',
  }),
};
