/** Which sessions are meant: how servers, clients, moments, numbers and shares are written. */

import { parseAddress } from '../../base/address.ts';
import type { AddressBlock } from '../../base/address-block.ts';
import { parseDurationNs, parsePercentage } from '../../base/units.ts';
import type { EndpointPattern } from '../../session/reading/session-selection.ts';
import { parseWhole } from './numbers.ts';
import { valueError } from './value-error.ts';

const PORT_MAX = 65_535;

/** `80`, `10.0.0.1:80`, `[fd00::1]:80`, `10.0.0.1`. */
export function parseServer(text: string): EndpointPattern {
  if (/^\d+$/.test(text)) return { address: null, port: parsePort(text) };
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(text) ?? [];
  const address = parseAddress(bracketed ?? plain ?? text.replace(/^\[(.*)\]$/, '$1'));
  if (address === null)
    throw valueError(`'${text}' is not a server`, 'write 80, 10.0.0.1:80 or [fd00::1]:80');
  return { address, port: port === undefined ? null : parsePort(port) };
}

const parsePort = (text: string): number => parseWhole(text, { min: 0, max: PORT_MAX });

/** `10.0.0.1`, `10.0.0.0/8`, `fd00::/16`. */
export function parseClientBlock(text: string): AddressBlock {
  const [name = '', length] = text.split('/');
  const address = parseAddress(name);
  if (address === null)
    throw valueError(`'${text}' is not an address`, 'write 10.0.0.1 or 10.0.0.0/8');
  const max = address.family === 4 ? 32 : 128;
  const prefixBits = length === undefined ? max : parseWhole(length, { min: 0, max });
  return { address, prefixBits };
}

/** A time into the capture, or a point of time in seconds since 1970. */
export type Moment = { readonly afterNs: number } | { readonly seconds: number };

/** A duration counts from the capture's first packet; a date, or seconds since 1970, by itself. */
export function parseMoment(text: string): Moment {
  if (/^\d{9,}(?:\.\d+)?$/.test(text)) return { seconds: Number(text) };
  if (/^\d{4}-\d\d-\d\d/.test(text)) {
    const ms = Date.parse(text);
    if (!Number.isNaN(ms)) return { seconds: ms / 1000 };
    throw valueError(`'${text}' is not a date`, 'write 2026-01-31T12:00:00Z');
  }
  // What begins with a digit was meant as one of the two, and is told what is wrong with it.
  if (/^[\d.]/.test(text)) return { afterNs: parseDurationNs(text) };
  throw valueError(
    `'${text}' is neither a time into the capture nor a date`,
    'write 90s, 5m or 2026-01-31T12:00:00Z',
  );
}

/** `7`, `3-9`; both ends included. */
export function parseIndices(text: string): { readonly first: number; readonly last: number } {
  const [, first, last] = /^(\d+)(?:-(\d+))?$/.exec(text) ?? [];
  const range = { min: 0, max: 2 ** 32 };
  if (first === undefined)
    throw valueError(`'${text}' is not a range of numbers`, 'write 7 or 3-9');
  const from = parseWhole(first, range);
  return { first: from, last: parseWhole(last ?? first, { ...range, min: from }) };
}

/** `10%`, or a number from 0 to 1. */
export function parseFraction(text: string): number {
  const fraction = /^(?:0|1|0?\.\d+|1\.0+)$/.test(text) ? Number(text) : parsePercentage(text);
  if (fraction >= 0 && fraction <= 1) return fraction;
  throw valueError(`'${text}' is not a share`, 'write 10% or 0.1');
}
