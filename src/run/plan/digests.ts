/** By what results of the same captures and of the same plan are known. */

import { createHash } from 'node:crypto';
import type { JoinedFile } from '../../base/joined-file.ts';
import { identityOf } from '../../io/files/index-file.ts';
import { moduleText } from './modules.ts';
import type { ReplayOptions } from './options.ts';
import { clientsText } from './options.ts';

/** Hexadecimal digits of SHA-256 that are kept: 128 bits. */
const DIGITS = 32;

/** Of what the captures hold, wherever they lie: the size and both ends of each, unpacked. */
export const captureDigest = (files: readonly JoinedFile[]): string =>
  digestOf(
    files.map(({ path }) => {
      const { bytes, edges } = identityOf(path);
      return { bytes, edges };
    }),
  );

/** Of everything that decides what the users of a run do: of the captures and of `askedOf`. */
export const planDigest = (options: ReplayOptions, capture: string): string =>
  digestOf({ capture, ...decisive(options) });

/** The options that decide what the users of a run do, by name, each as JSON. */
export const askedOf = (options: ReplayOptions): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(decisive(options)).map(([name, value]) => [
      name,
      JSON.stringify(value) ?? 'null',
    ]),
  );

/** Where frames leave, who picks up replies, threads, limits and documents are not part of it. */
function decisive(options: ReplayOptions): object {
  const { target, choice, users, ports, order, seed, accel, ratePerSecond } = options;
  const { per = 'connection', check, checkIgnore = [] } = options;
  const { requestsPerSecond, ramp, iterations, durationNs, pace, maxGapNs, timeoutNs, close } =
    options;
  const { mss, timestamps, sack, windowBytes, realTime } = options;
  const modules = (options.modules ?? []).map(moduleText);
  const protocols = options.protocols?.length ? options.protocols : undefined;
  return {
    // As results have it that are older than these options.
    ...(per === 'connection' ? {} : { per }),
    ...(check === 'status' ? {} : { check }),
    ...(checkIgnore.length === 0 ? {} : { checkIgnore }),
    ...(modules.length === 0 ? {} : { modules }),
    clients: clientsText(options.clients),
    ...{ target, choice, users, ports, order, seed, accel, ratePerSecond },
    ...(requestsPerSecond === null ? {} : { requestsPerSecond }),
    ...{ ramp, iterations, durationNs, pace, maxGapNs, timeoutNs, close },
    ...{ mss, timestamps, sack, windowBytes, realTime, protocols },
  };
}

const digestOf = (document: unknown): string =>
  createHash('sha256').update(JSON.stringify(document)).digest('hex').slice(0, DIGITS);
