/** Options about captures, which every command that reads them has. */
import { INCOMPLETE } from '../choices.ts';
import {
  parseClientBlock,
  parseFraction,
  parseIndices,
  parseMoment,
  parseServer,
} from '../values/selection.ts';
import { EXPRESSION, oneOf, SIZE } from './kinds.ts';
import { list, onOff, type ValueKind, value } from './option.ts';

const group = 'Which sessions';

const MOMENT: ValueKind<ReturnType<typeof parseMoment>> = {
  form: 'T',
  parse: parseMoment,
  example: '90s',
  isNumber: true,
};

/** Rows of packets and sessions; the same ones in each command that has them. */
export const CAPTURE_ROWS = {
  filter: value(EXPRESSION, {
    group,
    letter: 'F',
    help: "in tcpdump's language: only these packets are read",
    more: "only these packets are read, in tcpdump's language (by the system's libpcap)",
  }),
  server: list(
    { form: '[IP:]PORT', parse: parseServer, example: '10.0.0.1:80', isNumber: true },
    {
      group,
      help: 'Only sessions of these servers; they are servers whoever sent the SYN',
    },
  ),
  client: list(
    { form: 'IP[/BITS]', parse: parseClientBlock, example: '10.0.0.0/8' },
    {
      group,
      help: 'Only sessions of these clients',
    },
  ),
  from: value(MOMENT, {
    group,
    help: 'Only sessions that begin then or later: 90s into the capture, or a date',
    more: 'only sessions that begin then or later: `90s` into the capture, or `2026-01-31T12:00:00Z`',
  }),
  until: value(MOMENT, {
    group,
    help: 'Only sessions that begin before: 5m, or a date',
    more: 'only sessions that begin before then',
  }),
  sessionIndex: list(
    { form: 'N,A-B', parse: parseIndices, example: '3-9', isNumber: true },
    {
      group,
      form: 'N,A-B',
      help: 'Only these sessions, numbered from 0 as `inspect --sessions` lists them',
      more: 'only these sessions, numbered from 0 as `inspect --sessions` lists them',
    },
  ),
  minBytes: value(SIZE, {
    group,
    help: 'of payload that a session has at least',
    more: 'of payload that a session has at least, both directions together',
  }),
  maxBytes: value(SIZE, { group, help: 'of payload that a session has at most' }),
  fraction: value(
    { form: 'P%', parse: parseFraction, example: '10%', isNumber: true },
    {
      group,
      help: 'of the sessions, picked by their addresses and ports',
      more: 'a share of the sessions, picked by their addresses and ports: the same ones each time',
    },
  ),
  include: list(oneOf(INCOMPLETE), {
    group,
    form: INCOMPLETE.join(','),
    help: 'Play what there is of sessions that are not whole, too',
    more: 'also what there is of sessions that are not whole',
  }),
  strict: onOff({
    group,
    help: 'A damaged capture is an error, not a warning',
    more: 'a damaged capture, or a file among several that is no capture, is an error (exit 3) instead of a warning',
  }),
  index: onOff({
    group,
    help: 'Keep an index beside the capture, so that the next run starts at once',
    more: 'keep an index beside the capture (`FILE.gryphon-index`), so that the next run starts at once',
  }),
};
