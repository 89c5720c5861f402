/** How answers are compared with the recorded ones, as an option. */
import { CHECKS } from '../choices.ts';
import { parsePattern } from '../values/patterns.ts';
import { oneOf } from './kinds.ts';
import { list, value } from './option.ts';

/** @param group under which help lists it */
export const checkRow = (group: string) =>
  value(oneOf(CHECKS), {
    group,
    help: 'How answers are compared with the recorded ones',
    more: 'how answers are compared with the recorded ones: by what they say (HTTP status, error code), by their length as well, by their body, or not: [unlike answers](ci.md#answers-unlike-the-recorded-ones)',
    default: 'status',
  });

/** What of bodies is not compared, as an option. @param group under which help lists it */
export const checkIgnoreRow = (group: string) =>
  list(
    { form: 'REGEX', parse: parsePattern, example: '"date":"[^"]*"', hasCommas: true },
    {
      group,
      help: 'What --check body leaves out of bodies; may be given several times',
      more: 'what `--check body` leaves out of bodies, as a JavaScript regular expression: dates, identifiers; may be given several times. What it finds is blanked in the recorded body and in the one that comes, byte for byte as text',
      otherwise: 'nothing is left out',
    },
  );
