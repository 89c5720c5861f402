/** Rows of `gryphon replay` about what recorded requests say instead. */
import { parseSetHeader } from '../values/headers.ts';
import { FILE, oneOf } from './kinds.ts';
import { CHANGES } from './module-rows.ts';
import { list, value } from './option.ts';

/** What of recorded HTTP requests is written anew. */
export const REWRITE_ROWS = {
  rules: value(
    { ...FILE, example: 'rules.yaml' },
    {
      group: CHANGES,
      help: 'Rules for HTTP: what is learnt from answers, and what requests say instead',
      more: 'rules for HTTP, in YAML: what is learnt from answers, and what requests say instead ([rewriting](rewriting.md))',
    },
  ),
  setHeader: list(
    {
      form: "'NAME: VALUE'",
      parse: parseSetHeader,
      example: 'Host: shop.test',
      hasCommas: true,
    },
    {
      group: CHANGES,
      alias: 'http-set-header',
      help: 'Set a header field of every HTTP request; may be given several times',
      more: 'set this header field of every HTTP request, or add it; may be given several times, and may be a template (`X-Run: {{uuid client}}`). It goes before what the rules say',
    },
  ),
  cookies: value(oneOf(['off', 'auto'] as const), {
    group: CHANGES,
    help: 'auto: cookies are those that the live server sets',
    more: '`auto`: each client keeps the cookies that the live server sets, and sends those; `off`: cookies are as recorded',
    otherwise: 'as the rules say, else off',
  }),
};
