/** Values that are written as JSON. */
import { valueError } from './value-error.ts';

/** Any JSON value, where somebody else says what is in it. */
export interface JsonValue {
  readonly value: unknown;
}

/** @throws ReplayError (usage) with what is wrong where */
export function parseJson(text: string): JsonValue {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw valueError(`'${text}' is not JSON: ${why}`);
  }
}
