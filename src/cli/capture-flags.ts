/** Options about captures, which every command that reads them has. */
import { INCOMPLETE } from './choices.ts';
import type { OptionSpec } from './given-options.ts';

const GROUP = 'Which sessions:';

const flag = (
  takes: OptionSpec['takes'],
  spec: Omit<OptionSpec, 'takes' | 'group'>,
): OptionSpec => ({
  ...spec,
  takes,
  group: GROUP,
});

export const CAPTURE_FLAGS: readonly OptionSpec[] = [
  flag('value', {
    name: 'filter',
    letter: 'F',
    describe: "EXPR in tcpdump's language: only these packets are read",
  }),
  flag('list', {
    name: 'server',
    describe: '[IP:]PORT,… Only sessions of these servers; they are servers whoever sent the SYN',
  }),
  flag('list', { name: 'client', describe: 'IP[/BITS],… Only sessions of these clients' }),
  flag('value', {
    name: 'from',
    describe: 'T Only sessions that begin then or later: 90s into the capture, or a date',
  }),
  flag('value', { name: 'until', describe: 'T Only sessions that begin before: 5m, or a date' }),
  flag('list', {
    name: 'session-index',
    describe: 'N,A-B Only these sessions, numbered from 0 as `inspect --sessions` lists them',
  }),
  flag('value', { name: 'min-bytes', describe: 'SIZE of payload that a session has at least' }),
  flag('value', { name: 'max-bytes', describe: 'SIZE of payload that a session has at most' }),
  flag('value', {
    name: 'fraction',
    describe: 'P% of the sessions, picked by their addresses and ports',
  }),
  flag('list', {
    name: 'include',
    choices: INCOMPLETE,
    describe: 'mid-stream,holed,one-sided: play what there is of sessions that are not whole',
  }),
  flag('switch', { name: 'strict', describe: 'A damaged capture is an error, not a warning' }),
  flag('switch', {
    name: 'index',
    describe: 'Keep an index beside the capture, so that the next run starts at once',
  }),
];
