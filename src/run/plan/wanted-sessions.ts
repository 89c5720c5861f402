/** Which recorded sessions a run will play at most, as far as its options alone tell. */
import { addressBytes, parseAddress } from '../../base/address.ts';
import type { RecordedEndpoint } from '../../session/reading/session-facts.ts';
import type { WantedScripts } from '../../session/script/wanted-scripts.ts';
import type { ReplayOptions, Route } from './options.ts';

/**
 * The first so many sessions that go to a target, where each user plays a known number of them. null:
 * all; also where something is found out from what the others say: clients and shares, requests a
 * second, pauses that are cut, modules.
 */
export function wantedBy(options: ReplayOptions): WantedScripts | null {
  const { users, target, modules = [] } = options;
  const plays = options.iterations ?? (options.durationNs === null ? 1 : null);
  const isWhole =
    options.per === 'client' ||
    (options.share?.of ?? 1) > 1 ||
    (options.requestsPerSecond ?? null) !== null ||
    options.maxGapNs !== null ||
    modules.length > 0;
  if (users === null || plays === null || isWhole) return null;
  const routes = target.kind === 'network' ? target.routes : null;
  return {
    sessionsMax: users * plays,
    isWanted: (server) => routes === null || routeOf(server, routes) !== undefined,
  };
}

/** The route that a recorded server's sessions take. */
export const routeOf = (
  { address, port }: RecordedEndpoint,
  routes: readonly Route[],
): Route | undefined =>
  routes.find(
    ({ recordedAddress, recordedPort }) =>
      (recordedAddress === null || isSameText(recordedAddress, address)) &&
      (recordedPort === null || recordedPort === port),
  );

const isSameText = (a: string, b: string): boolean => {
  const left = parseAddress(a);
  const right = parseAddress(b);
  if (left === null || right === null) return a === b;
  return Buffer.compare(addressBytes(left), addressBytes(right)) === 0;
};
