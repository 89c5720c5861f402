import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { userInTable, userOfPeer } from '../../src/io/channel/peer-user.ts';

const own = { address: '127.0.0.1', port: 36_524 };
const peer = { address: '127.0.0.1', port: 40_000 };

/** A table with one row. */
const table = (local: string, remote: string, state: string, uid: number, inode: number): string =>
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n' +
  `   0: ${local} ${remote} ${state} 00000000:00000000 00:00000000 00000000  ${uid}        0 ${inode} 1 0\n`;

describe('the user of a connection', () => {
  test.each([
    {
      name: 'is the one of its row',
      row: table('0100007F:9C40', '0100007F:8EAC', '01', 1000, 7),
      uid: 1000,
    },
    { name: 'may be root', row: table('0100007F:9C40', '0100007F:8EAC', '01', 0, 7), uid: 0 },
    {
      name: 'is known of a socket of IPv6 with an address of IPv4',
      row: table(
        '0000000000000000FFFF00000100007F:9C40',
        '0000000000000000FFFF00000100007F:8EAC',
        '01',
        5,
        7,
      ),
      uid: 5,
    },
    // A closed connection shows user 0: it must not pass for root's.
    {
      name: 'is nobody once it is closed',
      row: table('0100007F:9C40', '0100007F:8EAC', '04', 0, 0),
      uid: null,
    },
    {
      name: 'is nobody without a process',
      row: table('0100007F:9C40', '0100007F:8EAC', '01', 0, 0),
      uid: null,
    },
    {
      name: 'is not that of our own end',
      row: table('0100007F:8EAC', '0100007F:9C40', '01', 0, 7),
      uid: null,
    },
    {
      name: 'is not that of another port',
      row: table('0100007F:9C41', '0100007F:8EAC', '01', 0, 7),
      uid: null,
    },
    { name: 'is not in an empty table', row: '', uid: null },
  ])('$name', ({ row, uid }) => expect(userInTable(row, own, peer)).toBe(uid));

  test.each(['127.0.0.1', '::1'])('at %s is ours where we connect ourselves', async (host) => {
    const server = createServer();
    server.listen(0, host);
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const client = connect(port, host);
    const [accepted] = (await once(server, 'connection')) as [Socket];
    const at = { address: accepted.localAddress ?? '', port: accepted.localPort ?? 0 };
    const from = { address: accepted.remoteAddress ?? '', port: accepted.remotePort ?? 0 };
    expect(userOfPeer(at, from)).toBe(process.getuid?.());
    expect(userOfPeer(at, { ...from, port: 1 })).toBeNull();
    client.destroy();
    accepted.destroy();
    server.close();
  });
});
