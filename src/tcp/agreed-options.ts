/** What both sides of a connection have agreed on: RFC 9293, 7323 and 2018. */
import { MSS_DEFAULT, PADDED_TIMESTAMPS_BYTES, type TcpOptions } from '../wire/tcp-options.ts';
import { MIN_SEND_MSS } from './path-mtu.ts';
import type { TcpSettings } from './ports.ts';
import { Count, UserFlag, type UserTable } from './user-table.ts';

/** The SYN-ACK has come with these options. */
export function agreeOptions(
  users: UserTable,
  user: number,
  options: TcpOptions,
  settings: TcpSettings,
  family: 4 | 6,
): void {
  const offered = options.mss === 0 ? MSS_DEFAULT[family] : options.mss;
  let sendMss = Math.max(offered, MIN_SEND_MSS);
  sendMss = Math.min(sendMss, settings.mss);
  if (options.windowScale >= 0) {
    users.setCount(user, Count.WINDOW_SHIFT, options.windowScale);
    users.flags[user] |= UserFlag.SCALED;
  }
  if (settings.timestamps && options.hasTimestamps) {
    users.flags[user] |= UserFlag.TIMESTAMPS;
    users.tsRecent[user] = options.tsVal;
    sendMss -= PADDED_TIMESTAMPS_BYTES;
  }
  if (!options.sackPermitted) users.flags[user] &= ~UserFlag.SACK;
  users.sendMss[user] = sendMss;
}
