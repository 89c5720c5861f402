/** Options that several commands have. */
import { parseMetrics } from '../values/endpoints.ts';
import { FILE } from './kinds.ts';
import { onOff, value } from './option.ts';

const group = 'Output';

/** What every command has. */
export const COMMON_ROWS = {
  verbose: onOff({
    group,
    help: 'Say the cause of a failure, too',
    isCommandOnly: true,
    isFlagOnly: true,
  }),
};

/** What every command that runs for long has. */
export const CONFIG_ROWS = {
  config: value(FILE, {
    group: 'The run',
    help: 'YAML with options by their names; flags and the environment go first',
    more: 'YAML with [options by their names](#a-config-file); flags and the environment go first',
    isFlagOnly: true,
  }),
};

/** What the summary of a run can have, when it is made and when it is made again. */
export const SUMMARY_ROWS = {
  explain: onOff({
    group,
    help: 'Say below the summary what each of its rows means; with --help: more of each option',
    more: 'say below the summary what each of its rows means; with `--help`, more of each option',
    isCommandOnly: true,
  }),
};

/** The secret between replay and intercept. */
export const tokenFile = (group: string, more: string) =>
  value(FILE, { group, help: 'with the secret; or GRYPHON_TOKEN in the environment', more });

/** Where Prometheus finds the counts. */
export const metrics = (group: string, more: string) =>
  value(
    { form: '[HOST:]PORT', parse: parseMetrics, example: '9100', isNumber: true },
    {
      group,
      help: 'that serves /metrics to Prometheus; 127.0.0.1 without a HOST',
      more: `serves \`/metrics\` to Prometheus${more}; 127.0.0.1 without a HOST`,
    },
  );
