/** How many replayable sessions each recorded client has. */
import type { SessionCatalog } from '../../session/reading/session-catalog.ts';
import { SessionFlag, SessionWord } from '../../session/reading/session-records.ts';

/** Addresses are sorted by so many bits at a time. */
const DIGIT_BITS = 11;
const DIGITS = 1 << DIGIT_BITS;
const ADDRESS_BITS = 32;

/** A count a client, in no particular order. */
export function clientCounts(
  catalog: Pick<SessionCatalog, 'replayable' | 'serverSideOf' | 'word' | 'hasFlag'>,
): Uint32Array {
  const { replayable } = catalog;
  const ofIpv4 = new Uint32Array(replayable.length);
  const ofIpv6 = new Uint32Array(replayable.length);
  let ipv4 = 0;
  let ipv6 = 0;
  for (let i = 0; i < replayable.length; i++) {
    const session = replayable[i];
    const client = 1 - catalog.serverSideOf(session);
    const number = catalog.word(session, SessionWord.ADDRESS + client);
    if (catalog.hasFlag(session, SessionFlag.IPV6)) ofIpv6[ipv6++] = number;
    else ofIpv4[ipv4++] = number;
  }
  const counts = new Uint32Array(replayable.length);
  const clients = countRuns(sorted(ofIpv4.subarray(0, ipv4)), counts, 0);
  return counts.subarray(0, countRuns(sorted(ofIpv6.subarray(0, ipv6)), counts, clients));
}

/** Writes how often each number comes to `counts`, from `at` on. @returns where that ends */
function countRuns(numbers: Uint32Array, counts: Uint32Array, at: number): number {
  let end = at;
  for (let i = 0; i < numbers.length; i++) {
    if (i === 0 || numbers[i] !== numbers[i - 1]) end++;
    counts[end - 1]++;
  }
  return end;
}

/** By their lowest bits first (Knuth, TAOCP 5.2.5): typed arrays' own sort takes several times as long. */
function sorted(numbers: Uint32Array): Uint32Array {
  let from = numbers;
  let to: Uint32Array = new Uint32Array(numbers.length);
  const places = new Uint32Array(DIGITS);
  for (let shift = 0; shift < ADDRESS_BITS; shift += DIGIT_BITS) {
    places.fill(0);
    for (let i = 0; i < from.length; i++) places[(from[i] >>> shift) & (DIGITS - 1)]++;
    let place = 0;
    for (let digit = 0; digit < DIGITS; digit++) {
      const count = places[digit];
      places[digit] = place;
      place += count;
    }
    for (let i = 0; i < from.length; i++)
      to[places[(from[i] >>> shift) & (DIGITS - 1)]++] = from[i];
    [from, to] = [to, from];
  }
  return from;
}
