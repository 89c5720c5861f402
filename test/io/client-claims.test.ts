/** Claims on client addresses: as text among the kernel's sockets, and as the kernel holds them. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { addressOfBytes, type Endpoint } from '../../src/base/address.ts';
import { ReplayError } from '../../src/base/errors.ts';
import { AF_UNIX, SOCK_DGRAM, Socket, unixAddress } from '../../src/io/sys/socket.ts';
import {
  type Claim,
  type ClientClaim,
  claimClients,
  claimNames,
  clash,
  parseClaims,
} from '../../src/io/way/client-claims.ts';
import { portRanges } from '../helpers/port-ranges.ts';
import { rangeOf, targetOf as registered } from '../helpers/raw-client.ts';

const targetOf = (address: string, port: number): Endpoint => ({
  address: addressOfBytes(registered(address, port).address),
  port,
});

const CLAIM: ClientClaim = {
  pid: 4_711,
  ranges: [rangeOf('198.18.0.1', 131_070)],
  ports: { first: 1_024, last: 65_535 },
  targets: [targetOf('10.0.0.1', 80)],
};

/** As the kernel lists the sockets of several claims, among others, in any order. */
function listOf(claims: readonly ClientClaim[], order: (lines: string[]) => string[]): string {
  const names = claims.flatMap((claim, i) => claimNames(claim, `${i}`.padStart(16, '0')));
  const rows = names.map(
    (name) => `000000001f2e3d4c: 00000002 00000000 00000000 0002 01 99 @${name}`,
  );
  const others = ['…: 00000003 00000000 00000000 0001 03 31', '…: 2 0 0 1 1 5 /run/a b'];
  return ['Num RefCount Protocol Flags Type St Inode Path', ...order([...others, ...rows])].join(
    '\n',
  );
}

describe('claims as names of sockets', () => {
  test('each name is one that a socket can have', () => {
    const many = Array.from({ length: 256 }, (_, i) => rangeOf(`10.0.${i}.1`, 9));
    const names = claimNames({ ...CLAIM, ranges: many }, 'f'.repeat(16));
    expect(names.length).toBeGreaterThan(20);
    for (const name of names) expect(name).toMatch(/^\S{1,107}$/);
  });

  test('what was claimed is read again, whatever the order of the list', () => {
    const low = fc.integer({ min: 0, max: 2 ** 32 - 2 ** 16 });
    const address = (family: 4 | 6) => (family === 4 ? '10.9.8.7' : 'fd77::7');
    const claims = fc.constantFrom<4 | 6>(4, 6).chain((family) =>
      fc.record({
        pid: fc.integer({ min: 1, max: 4_194_304 }),
        ranges: fc.array(
          fc.tuple(low, fc.integer({ min: 1, max: 65_535 })).map(([start, count]) => ({
            prefix: rangeOf(address(family), 1).prefix,
            start,
            count,
          })),
          { minLength: 1, maxLength: 60 },
        ),
        ports: portRanges(65_535),
        targets: fc.array(
          fc.nat(65_535).map((port) => targetOf(address(family), port)),
          { minLength: 1, maxLength: 40 },
        ),
      }),
    );
    fc.assert(
      fc.property(fc.array(claims, { maxLength: 3 }), fc.boolean(), (all, isReversed) => {
        const list = listOf(all, (lines) => (isReversed ? lines.reverse() : lines));
        const read = parseClaims(list).sort((a, b) => a.pid - b.pid);
        expect(read).toEqual([...all].sort((a, b) => a.pid - b.pid));
      }),
      { numRuns: 100 },
    );
  });

  test('a claim of which a part is missing, and what somebody else made up, is no claim', () => {
    const ranges = Array.from({ length: 40 }, (_, i) => rangeOf(`10.0.${i}.1`, 9));
    const list = listOf([{ ...CLAIM, ranges }], (lines) => lines.slice(0, -1));
    expect(parseClaims(list)).toEqual([]);
    expect(parseClaims('@gryphon-clients/0123456789abcdef/7/4294967295/1;;a+b')).toEqual([]);
    expect(parseClaims('@gryphon-clients/0123456789abcdef/0/1/nonsense')).toEqual([]);
  });
});

describe('two claims cannot both hold', () => {
  test.each<[string, Partial<ClientClaim>, boolean]>([
    ['the same', {}, true],
    ['a part of the addresses', { ranges: [rangeOf('198.19.255.254', 9)] }, true],
    ['addresses behind', { ranges: [rangeOf('198.20.0.0', 9)] }, false],
    ['addresses before', { ranges: [rangeOf('198.18.0.0', 1)] }, false],
    ['one port in common', { ports: { first: 65_535, last: 65_535 } }, true],
    ['other ports', { ports: { first: 1, last: 1_023 } }, false],
    [
      'ports on both sides of its own',
      { ports: { first: 1, last: 65_536, without: [{ first: 1_024, last: 65_535 }] } },
      false,
    ],
    ['another target', { targets: [targetOf('10.0.0.2', 80)] }, false],
    ['another port of the target', { targets: [targetOf('10.0.0.1', 81)] }, false],
    [
      'the target among others',
      { targets: [targetOf('10.0.0.2', 1), targetOf('10.0.0.1', 80)] },
      true,
    ],
  ])('%s', (_, other, isClash) => {
    expect(clash(CLAIM, { ...CLAIM, ...other }) !== null).toBe(isClash);
    expect(clash({ ...CLAIM, ...other }, CLAIM) !== null).toBe(isClash);
  });

  test('addresses of other IPv6 prefixes are not the same', () => {
    const targets = [targetOf('fd77::1', 80)];
    const one = { ...CLAIM, targets, ranges: [rangeOf('2001:2::1', 9)] };
    expect(clash(one, { ...one, ranges: [rangeOf('2001:2::1:0:0:1', 9)] })).toBeNull();
    expect(clash(one, { ...one, ranges: [rangeOf('2001:2::9', 9)] })?.ranges).toEqual([
      rangeOf('2001:2::9', 1),
    ]);
  });
});

describe('held by the kernel', () => {
  const held: { close: () => void }[] = [];
  /** Addresses of this process alone, since tests share the machine's namespace. */
  const own = (claim: Partial<ClientClaim> = {}): ClientClaim => ({
    ...CLAIM,
    pid: process.pid,
    ranges: [rangeOf(`10.${process.pid % 256}.${(process.pid >> 8) % 256}.1`, 200)],
    ...claim,
  });
  const hold = async (claim: ClientClaim): Promise<Claim> => {
    const one = await claimClients(claim);
    held.push(one);
    return one;
  };

  afterEach(() => {
    for (const one of held.splice(0)) one.close();
  });

  test('the second one is refused by name until the first is closed', async () => {
    const first = await hold(own());
    const fault = await hold(own()).catch((error: unknown) => error);
    expect(fault).toBeInstanceOf(ReplayError);
    const { code, kind, message } = fault as ReplayError;
    expect([code, kind]).toEqual(['ERR_IO_CLIENTS_CLAIMED', 'environment']);
    expect(message).toContain(`process ${process.pid}, plays from 10.`);
    expect(message).toContain('(ports 1024-65535) to 10.0.0.1:80');
    await hold(own({ targets: [targetOf('10.0.0.1', 81)] }));
    first.close();
    await hold(own());
  });

  test('of many that begin at once just one holds', async () => {
    const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => hold(own())));
    expect(outcomes.filter(({ status }) => status === 'fulfilled').length).toBe(1);
  });

  test('a refused one leaves nothing behind', async () => {
    await hold(own());
    const count = () =>
      readFileSync('/proc/self/net/unix', 'utf8').split('@gryphon-clients/').length;
    const before = count();
    await hold(own()).catch(() => undefined);
    expect(count()).toBe(before);
  });

  test('a lock that somebody keeps holds nobody up for long', async () => {
    const stuck = new Socket(AF_UNIX, SOCK_DGRAM, 0);
    held.push(stuck);
    expect(stuck.tryBind(unixAddress('gryphon-clients/lock'))).toBe(true);
    await hold(own());
  });
});
