import { isHttpRules } from '../../rewrite/http/rules.ts';
import type { DocumentFault } from '../../rewrite/http/shape.ts';
import { valueError } from './value-error.ts';

/** A header field that is set. */
export interface SetHeader {
  readonly name: string;
  /** A template. */
  readonly value: string;
}

/**
 * `Host: shop.test`
 * @throws ReplayError ERR_CLI_VALUE
 */
export function parseSetHeader(text: string): SetHeader {
  const match = /^([^:]*):\s*(.*?)\s*$/s.exec(text.trim());
  if (match === null) throw valueError(`'${text}' has no colon`, "write 'Host: shop.test'");
  const [, name = '', value = ''] = match;
  const faults: DocumentFault[] = [];
  isHttpRules({ send: [{ headers: { [name]: value } }] }, faults);
  const [fault] = faults;
  if (fault === undefined) return { name, value };
  throw valueError(`'${fault.isKey === true ? name : value}' ${fault.what}`);
}
