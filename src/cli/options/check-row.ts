/** How answers are compared with the recorded ones, as an option. */
import { CHECKS } from '../choices.ts';
import { oneOf } from './kinds.ts';
import { value } from './option.ts';

/** @param group under which help lists it */
export const checkRow = (group: string) =>
  value(oneOf(CHECKS), {
    group,
    help: 'How answers are compared with the recorded ones',
    more: 'how answers are compared with the recorded ones: by what they say (HTTP status, error code), by their length as well, by their body, or not: [unlike answers](ci.md#answers-unlike-the-recorded-ones)',
    default: 'status',
  });
