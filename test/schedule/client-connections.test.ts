/** Clients with several connections: their rows, addresses and ports, both ways. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseClients } from '../../src/cli/values/clients.ts';
import { AddressPool, type PoolOrder, type PoolShape } from '../../src/schedule/address-pool.ts';
import { ClientConnections, type ClientPlan } from '../../src/schedule/client-connections.ts';
import { ClientPlaces } from '../../src/schedule/client-places.ts';
import { ClientRows } from '../../src/schedule/client-rows.ts';
import { NO_USER } from '../../src/schedule/connections.ts';
import { usersOfShare } from '../../src/schedule/run-share.ts';

/** Where the connections of recorded clients begin that have so many each. */
const firstOf = (sizes: readonly number[]): Uint32Array => {
  let sum = 0;
  return Uint32Array.from([0, ...sizes.map((size) => (sum += size))]);
};

const planOf = (sizes: readonly number[], iterations: number): ClientPlan => {
  const none = new Float64Array(0);
  const connectionsMax = Math.max(...sizes);
  return {
    firstOf: firstOf(sizes),
    beginNs: none,
    leaveNs: none,
    durationNs: none,
    leftBefore: new Uint32Array(0),
    leaveOrder: new Uint32Array(0),
    connectionsMax,
    portsEach: connectionsMax * iterations,
  };
};

interface Case {
  readonly sizes: readonly number[];
  readonly users: number;
  readonly iterations: number;
  readonly shards: number;
  readonly of: number;
  readonly index: number;
  readonly order: PoolOrder;
  readonly addresses: number;
  readonly spare: number;
}

const cases = fc
  .record({
    sizes: fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 12 }),
    users: fc.integer({ min: 1, max: 40 }),
    iterations: fc.integer({ min: 1, max: 4 }),
    shards: fc.integer({ min: 1, max: 5 }),
    of: fc.integer({ min: 1, max: 4 }),
    index: fc.nat(3),
    order: fc.constantFrom<PoolOrder>('ip', 'port'),
    addresses: fc.integer({ min: 1, max: 40 }),
    spare: fc.nat(30),
  })
  .map((each): Case => ({ ...each, index: each.index % Math.min(each.of, each.users) }));

/** The clients of a share of a run, and a pool that has room for them. */
function shareOf({ sizes, users, iterations, of, index, order, addresses, spare }: Case) {
  const share = { users, of, index };
  const clients = usersOfShare(share);
  const perClient = planOf(sizes, iterations);
  const blocks = Math.ceil(clients / addresses);
  const ports = { first: 2_000, last: 1_999 + blocks * perClient.portsEach + spare };
  const shape: PoolShape = {
    clients: parseClients(`10.0.0.1-10.0.0.${addresses}`),
    ports,
    order,
    firstPort: ports.first + (spare % (ports.last - ports.first + 1)),
  };
  return { share, clients, perClient, pool: new AddressPool(shape) };
}

test('every connection of every play has an address and port of its own, which lead back to it', () => {
  fc.assert(
    fc.property(cases, (drawn) => {
      const { share, clients, perClient, pool } = shareOf(drawn);
      const { shards, iterations, sizes } = drawn;
      const places = new ClientPlaces(pool, clients, perClient.portsEach);
      const seen = new Set<number>();
      const addressOf = new Map<number, number>();
      for (let shard = 0; shard < shards; shard++) {
        const sharing = { users: clients, shard, shards, share, iterations, pool, perClient };
        const connections = new ClientConnections(sharing);
        const { rows } = connections;
        let row = 0;
        for (let client = 0; client < rows.clients; client++) {
          const inShare = client * shards + shard;
          const inRun = inShare * share.of + share.index;
          expect(rows.firstRowOf(client)).toBe(row);
          for (let iteration = 0; iteration < iterations; iteration++) {
            const recorded = (iteration * share.users + inRun) % sizes.length;
            expect(rows.recordedOf(client, iteration)).toBe(recorded);
            expect(rows.rowsOf(client)).toBeGreaterThanOrEqual(sizes[recorded]);
            for (let i = 0; i < sizes[recorded]; i++) {
              connections.connect(row + i, client, iteration);
              const connection = connections.numberOf(row + i);
              expect(connection).toBeLessThan(pool.capacity);
              seen.add(connection);
              // One address through all connections and plays.
              const low = pool.lowOf(connection);
              expect(low).toBe(addressOf.get(inShare) ?? low);
              addressOf.set(inShare, low);
              const back = pool.connectionOf(low, pool.portOf(connection));
              expect(back).toBe(connection);
              expect(connections.userOf(back)).toBe(row + i);
              expect(connections.iterationOf(back)).toBe(iteration);
              expect(places.userOf(back)).toBe(inShare);
              expect(places.shardOf(back, shards)).toBe(shard);
            }
          }
          for (let i = 0; i < rows.rowsOf(client); i++) {
            expect(rows.clientOf(row + i)).toBe(client);
          }
          row += rows.rowsOf(client);
        }
        expect(connections.count).toBe(row);
      }
      const plays = Array.from({ length: clients * iterations }, (_, play) => {
        const user = play % clients;
        const iteration = Math.floor(play / clients);
        return sizes[(iteration * share.users + user * share.of + share.index) % sizes.length];
      });
      expect(seen.size).toBe(plays.reduce((sum, each) => sum + each, 0));
    }),
    { numRuns: 150 },
  );
});

test('whatever is nobody’s connection has no row, and one that is has it on one thread alone', () => {
  fc.assert(
    fc.property(cases, (drawn) => {
      const { share, clients, perClient, pool } = shareOf(drawn);
      const { shards, iterations } = drawn;
      const threads = Array.from(
        { length: shards },
        (_, shard) =>
          new ClientConnections({
            ...{ users: clients, shard, shards, share, iterations, pool, perClient },
          }),
      );
      const places = new ClientPlaces(pool, clients, perClient.portsEach);
      const step = Math.max(1, Math.floor(pool.capacity / 500));
      for (let connection = 0; connection < pool.capacity; connection += step) {
        const owners = threads.filter((each) => each.userOf(connection) !== NO_USER);
        expect(owners.length).toBeLessThanOrEqual(1);
        if (owners.length === 1) {
          expect(places.shardOf(connection, shards)).toBe(threads.indexOf(owners[0]));
        }
        expect(places.shardOf(connection, shards)).toBeLessThan(shards);
      }
    }),
    { numRuns: 60 },
  );
});

describe('as many addresses as clients', () => {
  const pool = (order: PoolOrder) =>
    new AddressPool({
      clients: parseClients('10.0.0.1-10.0.0.9'),
      ports: { first: 1_000, last: 1_099 },
      order,
      firstPort: 1_000,
    });

  test('each client has one of its own, and ports in a row', () => {
    const places = new ClientPlaces(pool('ip'), 9, 20);
    const of = (client: number) =>
      [0, 1, 19].map((port) => {
        const connection = places.connectionOf(client, port);
        return `${pool('ip').addressOf(connection)}:${pool('ip').portOf(connection)}`;
      });
    expect(of(0)).toEqual(['10.0.0.1:1000', '10.0.0.1:1001', '10.0.0.1:1019']);
    expect(of(8)).toEqual(['10.0.0.9:1000', '10.0.0.9:1001', '10.0.0.9:1019']);
  });

  test('with order port clients share an address as long as it has a whole block of ports', () => {
    const places = new ClientPlaces(pool('port'), 9, 30);
    const first = (client: number) => {
      const connection = places.connectionOf(client, 0);
      return `${pool('port').addressOf(connection)}:${pool('port').portOf(connection)}`;
    };
    expect([0, 1, 2, 3].map(first)).toEqual([
      '10.0.0.1:1000',
      '10.0.0.1:1030',
      '10.0.0.1:1060',
      '10.0.0.2:1000',
    ]);
  });
});

test('clients that play once have as many rows as their recorded client has connections', () => {
  const range = { clients: 5, first: 0, step: 1, runClients: 5, repeats: false };
  const rows = new ClientRows(firstOf([6, 1, 20]), range);
  expect([0, 1, 2, 3, 4].map((client) => rows.rowsOf(client))).toEqual([6, 1, 20, 6, 1]);
  expect(rows.count).toBe(34);
});

test('clients that play again have as many rows as the largest of those that they come to', () => {
  const range = { clients: 2, first: 0, step: 1, runClients: 2, repeats: true };
  // The first plays recorded clients 0 and 2, the second 1 and 3, by turns.
  const rows = new ClientRows(firstOf([6, 1, 20, 3]), range);
  expect([rows.rowsOf(0), rows.rowsOf(1)]).toEqual([20, 3]);
});
