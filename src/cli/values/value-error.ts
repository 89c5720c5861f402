import { ReplayError } from '../../base/errors.ts';

/** A usage error about a value; whoever knows the option puts its name before it. */
export const valueError = (message: string, hint?: string): ReplayError =>
  new ReplayError({
    code: 'ERR_CLI_VALUE',
    kind: 'usage',
    message,
    ...(hint === undefined ? {} : { hint }),
  });
