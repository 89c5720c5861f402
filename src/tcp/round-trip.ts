/** The round trip, and how long to wait for an acknowledgement: RFC 6298. */
import { NEVER_NS, NS_PER_MS, NS_PER_SECOND, NS_PER_US } from '../base/time.ts';
import { UserFlag, type UserTable } from './user-table.ts';

/** RFC 6298 says one second; Linux has used 200 ms for decades, and so do the recorded clients. */
const RTO_NS_MIN = 200 * NS_PER_MS;
const RTO_NS_INITIAL = NS_PER_SECOND;
const RTO_NS_MAX = 60 * NS_PER_SECOND;
const BACKOFF_SHIFT_MAX = 8;
/** Clock granularity G of RFC 6298. */
const RTT_GRANULARITY_US = 1_000;

/** RFC 6298, section 2, with a sample that began when the timer was last set. */
export function measureRtt(users: UserTable, user: number, rttNs: number): void {
  if (!(rttNs >= 0) || rttNs === NEVER_NS) return;
  const sampleUs = Math.min(Math.round(rttNs / NS_PER_US), 0x7fff_ffff);
  if (!(users.flags[user] & UserFlag.RTT_KNOWN)) {
    users.flags[user] |= UserFlag.RTT_KNOWN;
    users.srttUs[user] = sampleUs;
    users.rttvarUs[user] = sampleUs >>> 1;
    return;
  }
  const srttUs = users.srttUs[user];
  users.rttvarUs[user] += (Math.abs(srttUs - sampleUs) - users.rttvarUs[user]) / 4;
  users.srttUs[user] = srttUs + (sampleUs - srttUs) / 8;
}

export function rtoNs(users: UserTable, user: number): number {
  let rtoNs = RTO_NS_INITIAL;
  if (users.flags[user] & UserFlag.RTT_KNOWN) {
    const variationUs = Math.max(RTT_GRANULARITY_US, 4 * users.rttvarUs[user]);
    rtoNs = Math.max(RTO_NS_MIN, (users.srttUs[user] + variationUs) * NS_PER_US);
  }
  const shift = Math.min(users.retries[user], BACKOFF_SHIFT_MAX);
  return Math.min(rtoNs * 2 ** shift, RTO_NS_MAX);
}
