/** What both sides of a connection have agreed on: RFC 9293, 7323 and 2018. */
import type { TcpOptions } from '../wire/tcp-options.ts';
import { MIN_SEND_MSS, TIMESTAMP_OPTION_BYTES } from './path-mtu.ts';
import type { TcpSettings } from './ports.ts';
import { Count, UserFlag, type UserTable } from './user-table.ts';

/** RFC 9293, section 3.7.1: assumed when the peer's SYN has no MSS option. */
const DEFAULT_SEND_MSS = 536;
const DEFAULT_SEND_MSS_IPV6 = 1220;
/** RFC 7323, section 2.3. */
const WINDOW_SHIFT_MAX = 14;

/** The SYN-ACK has come with these options. */
export function agreeOptions(
  users: UserTable,
  user: number,
  options: TcpOptions,
  settings: TcpSettings,
  family: 4 | 6,
): void {
  const fallback = family === 4 ? DEFAULT_SEND_MSS : DEFAULT_SEND_MSS_IPV6;
  let sendMss = Math.max(options.mss === 0 ? fallback : options.mss, MIN_SEND_MSS);
  sendMss = Math.min(sendMss, settings.mss);
  if (options.windowScale >= 0) {
    users.setCount(user, Count.WINDOW_SHIFT, Math.min(options.windowScale, WINDOW_SHIFT_MAX));
    users.flags[user] |= UserFlag.SCALED;
  }
  if (settings.timestamps && options.hasTimestamps) {
    users.flags[user] |= UserFlag.TIMESTAMPS;
    users.tsRecent[user] = options.tsVal;
    sendMss -= TIMESTAMP_OPTION_BYTES;
  }
  if (!options.sackPermitted) users.flags[user] &= ~UserFlag.SACK;
  users.sendMss[user] = sendMss;
}
