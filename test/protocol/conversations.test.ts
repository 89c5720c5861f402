/**
 * Whole recorded conversations, real ones among them: every request and its answer are found, and
 * both streams are followed to their last octets. What is not so has its reason in the row.
 */
import { expect, test } from 'vitest';
import { inspectCaptures } from '../../src/run/inspect-captures.ts';

interface Row {
  readonly file: string;
  readonly protocol: string;
  readonly sessions: number;
  readonly requests?: number;
  readonly answers?: number;
  readonly followed?: number;
  readonly why?: string;
  /** What else is spoken there. */
  readonly others?: readonly object[];
}

const rows: Row[] = [
  { file: 'http-keepalive.pcap', protocol: 'http1', sessions: 16, requests: 130 },
  { file: 'http-post-20k.pcap', protocol: 'http1', sessions: 5, requests: 5 },
  { file: 'redis.pcap', protocol: 'redis', sessions: 21, requests: 182 },
  { file: 'redis-pipelined.pcap', protocol: 'redis', sessions: 11, requests: 1602 },
  { file: 'mysql.pcap', protocol: 'mysql', sessions: 6, requests: 24 },
  {
    file: 'mysql-compressed.pcap',
    protocol: 'mysql',
    sessions: 3,
    requests: 3,
    followed: 0,
    why: 'behind the log-in packets are compressed',
  },
  { file: 'smtp.pcap', protocol: 'smtp', sessions: 5, requests: 46 },
  { file: 'public/ftp-active-passive.pcap', protocol: 'ftp', sessions: 1, requests: 15 },
  { file: 'public/ftp-ipv6.pcap', protocol: 'ftp', sessions: 1, requests: 22 },
  { file: 'public/http-41conn-null.pcap', protocol: 'http1', sessions: 41, requests: 41 },
  { file: 'public/http-keepalive-bro.pcap', protocol: 'http1', sessions: 7, requests: 25 },
  {
    file: 'public/http-methods-49conn.pcap',
    protocol: 'http1',
    sessions: 49,
    followed: 9,
    requests: 9,
  },
  { file: 'public/http-range-206.pcap', protocol: 'http1', sessions: 2, requests: 34 },
  { file: 'public/mysql-auth-13conn.pcap', protocol: 'mysql', sessions: 10, requests: 11 },
  { file: 'public/mysql-session.pcap', protocol: 'mysql', sessions: 1, requests: 17 },
  { file: 'public/pgsql-cancel-raw.pcap', protocol: 'postgresql', sessions: 2, requests: 4 },
  { file: 'public/pgsql-crud.pcap', protocol: 'postgresql', sessions: 1, requests: 10 },
  { file: 'public/pop3-9conn.pcap', protocol: 'pop3', sessions: 5, requests: 24 },
  { file: 'public/redis-benchmark-sll.pcap', protocol: 'redis', sessions: 14, requests: 14 },
  { file: 'public/smtp-90k-trex.pcap', protocol: 'smtp', sessions: 1, requests: 6 },
  { file: 'public/smtp-bdat-chunked.pcap', protocol: 'smtp', sessions: 1, requests: 31 },
  {
    file: 'public/smtp-time-backwards.pcap',
    protocol: 'smtp',
    sessions: 1,
    requests: 6,
    answers: 5,
    followed: 0,
    why: 'QUIT is not answered',
  },
  {
    file: 'public/websocket-ping-sll.pcap',
    protocol: 'http1',
    sessions: 1,
    requests: 1,
    others: [{ protocol: 'websocket', sessions: 1, requests: 0, answers: 0, followed: 1 }],
    why: 'behind the upgrade there are pings and pongs alone',
  },
  { file: 'public/mqtt-big.pcap', protocol: 'mqtt', sessions: 1, requests: 8 },
  { file: 'public/mqtt-sub-v6.pcap', protocol: 'mqtt', sessions: 1, requests: 2 },
];

test.each(rows)('$file', async ({ file, why: _why, others = [], ...row }) => {
  const path = new URL(`../../fixtures/${file}`, import.meta.url).pathname;
  const document = await inspectCaptures([path], { seed: 1, sessions: false });
  const answers = row.answers ?? row.requests;
  expect(document.protocols?.map(({ address, port, ...use }) => use)).toEqual([
    { answers, followed: row.sessions, ...row },
    ...others,
  ]);
});
