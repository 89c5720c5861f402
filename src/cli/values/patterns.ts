import { valueError } from './value-error.ts';

/**
 * A regular expression, as JavaScript has them.
 * @throws ReplayError ERR_CLI_VALUE (usage)
 */
export function parsePattern(text: string): string {
  if (text === '') throw valueError('the expression is empty', 'write \'"date":"[^"]*"\'');
  try {
    new RegExp(text, 'g');
  } catch (fault) {
    const why = fault instanceof Error ? fault.message.replace(/^.*: /s, '') : '';
    throw valueError(`'${text}' is no regular expression: ${why}`);
  }
  return text;
}
