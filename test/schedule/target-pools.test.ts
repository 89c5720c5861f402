/** Pools that are there once for each target, both ways, among threads and shares. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseAddress } from '../../src/base/address.ts';
import { parseClients } from '../../src/cli/values/clients.ts';
import { replyFilter } from '../../src/io/filter/reply-filter.ts';
import { AddressPool, type PoolOrder } from '../../src/schedule/address-pool.ts';
import { ClientConnections } from '../../src/schedule/client-connections.ts';
import { connectionOf, usersOfShard } from '../../src/schedule/connections.ts';
import { runConnectionOf, usersOfShare } from '../../src/schedule/run-share.ts';
import {
  ClientTargetPool,
  connectionsByTarget,
  connectionsToOneTarget,
  placesOfShards,
  playsWithin,
  shardAtPlace,
  UserTargetPool,
} from '../../src/schedule/target-pools.ts';
import { packetOf } from '../intercept/packets.ts';
import { runBpf } from '../io/bpf-interpreter.ts';

const cases = fc
  .record({
    targetOf: fc.array(fc.nat(3), { minLength: 1, maxLength: 14 }),
    users: fc.integer({ min: 1, max: 40 }),
    iterations: fc.integer({ min: 1, max: 5 }),
    shards: fc.integer({ min: 1, max: 5 }),
    of: fc.integer({ min: 1, max: 4 }),
    index: fc.nat(3),
    order: fc.constantFrom<PoolOrder>('ip', 'port'),
    addresses: fc.integer({ min: 1, max: 5 }),
    turn: fc.nat(1_000),
  })
  .map((each) => ({ ...each, index: each.index % Math.min(each.of, each.users) }));

type Case = typeof cases extends fc.Arbitrary<infer Each> ? Each : never;

/** A pool that has just room for the most connections of one target. */
function planned(each: Case) {
  const { users, iterations, of, index, order, addresses, turn } = each;
  const share = { index, of, users };
  const turns = { targetOf: Uint16Array.from(each.targetOf), targets: 4 };
  const plan = { turns, share, iterations };
  const most = Math.max(...connectionsByTarget(plan));
  const ports = { first: 2_000, last: 1_999 + Math.ceil(most / addresses) };
  const shape = {
    clients: parseClients(`198.18.0.1-198.18.0.${addresses}`),
    ports,
    order,
    firstPort: ports.first + (turn % (ports.last - ports.first + 1)),
  };
  return { plan, share, shape, turns };
}

/** Every connection of one thread. */
function* connectionsOf(shard: number, shards: number, users: number, iterations: number) {
  for (let iteration = 0; iteration < iterations; iteration++) {
    for (let user = shard; user < users; user += shards) {
      yield connectionOf(user, iteration, users);
    }
  }
}

test('each target has the whole pool, threads have blocks of it, and replies find their connection', () => {
  fc.assert(
    fc.property(cases, (each) => {
      const { plan, share, shape, turns } = planned(each);
      const { iterations, shards } = each;
      const users = usersOfShare(share);
      const places = new AddressPool(shape);
      const starts = placesOfShards(plan, shards);
      const taken = Array.from({ length: turns.targets }, () => new Set<number>());
      for (let shard = 0; shard < shards; shard++) {
        if (usersOfShard({ users, shard, shards }) === 0) continue;
        const pool = new UserTargetPool(shape, plan, { users, shard, shards });
        for (const connection of connectionsOf(shard, shards, users, iterations)) {
          const target = turns.targetOf[runConnectionOf(connection, share) % turns.targetOf.length];
          const [low, port] = [pool.lowBitsOf(connection), pool.portOf(connection)];
          expect(pool.connectionOf(low, port, target)).toBe(connection);
          const place = places.connectionOf(low, port);
          expect(taken[target].has(place)).toBe(false);
          taken[target].add(place);
          expect(shardAtPlace(starts[target], place)).toBe(shard);
        }
      }
      for (const [target, of] of taken.entries()) {
        expect(of.size).toBe(connectionsByTarget(plan)[target]);
        // Side by side from the first place on: what a target has no connection for is free.
        for (let place = 0; place < of.size; place++) expect(of.has(place)).toBe(true);
      }
    }),
    { numRuns: 400 },
  );
});

test("a place that is another thread's, or nobody's, is no connection", () => {
  fc.assert(
    fc.property(cases, (each) => {
      const { plan, share, shape, turns } = planned(each);
      const users = usersOfShare(share);
      const places = new AddressPool(shape);
      const shards = Math.min(each.shards, users);
      const starts = placesOfShards(plan, shards);
      for (let shard = 0; shard < shards; shard++) {
        const pool = new UserTargetPool(shape, plan, { users, shard, shards });
        for (let target = 0; target < turns.targets; target++) {
          for (let place = 0; place < places.capacity; place++) {
            const isOwn = place >= starts[target][shard] && place < starts[target][shard + 1];
            const found = pool.connectionOf(places.lowOf(place), places.portOf(place), target);
            expect(found >= 0).toBe(isOwn);
          }
        }
      }
    }),
    { numRuns: 100 },
  );
});

test("the kernel's filter gives each reply to the thread of its connection", () => {
  const address = (text: string) => parseAddress(text) ?? expect.fail(text);
  const targets = [1, 2, 3, 4].map((host) => ({ address: address(`10.0.0.${host}`), port: 80 }));
  fc.assert(
    fc.property(cases, (each) => {
      const { plan, share, shape } = planned(each);
      const { shards } = each;
      const { clients, ports, order, firstPort } = shape;
      const users = usersOfShare(share);
      const starts = placesOfShards(plan, shards);
      const places = new AddressPool(shape);
      const filters = Array.from({ length: shards }, (_, shard) => {
        const blocks = starts.map((of) => ({
          first: of[shard],
          end: shard + 1 < shards ? of[shard + 1] : Number.POSITIVE_INFINITY,
        }));
        const sharding = { order, firstPort, users, shards, shard, blocks };
        return replyFilter({ ranges: clients.ranges, targets, ports, sharding, snapBytes: 99 });
      });
      for (let target = 0; target < targets.length; target++) {
        for (let place = 0; place < places.capacity; place++) {
          const packet = packetOf({
            src: `10.0.0.${target + 1}`,
            dst: places.addressOf(place),
            srcPort: 80,
            dstPort: places.portOf(place),
          });
          const takers = filters.flatMap((filter, shard) =>
            runBpf(filter, packet, 0x0800) === 0 ? [] : [shard],
          );
          const taker = shards === 1 ? 0 : shardAtPlace(starts[target], place);
          expect(takers).toEqual([taker]);
        }
      }
    }),
    { numRuns: 60 },
  );
});

test('users play as often as the target with most connections has places for', () => {
  fc.assert(
    fc.property(cases, fc.integer({ min: 1, max: 200 }), (each, places) => {
      const { plan } = planned(each);
      const plays = playsWithin(plan, places, 20);
      const most = (iterations: number) =>
        Math.max(...connectionsByTarget({ ...plan, iterations }));
      if (plays > 0) expect(most(plays)).toBeLessThanOrEqual(places);
      if (plays < 20) expect(most(plays + 1)).toBeGreaterThan(places);
    }),
  );
});

describe('clients with several connections', () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 6 });

  test('have a port for as many as they have to one target, and replies find their connection', () => {
    fc.assert(
      fc.property(cases, sizes, (each, sizesOf) => {
        const { users, iterations, shards, of, index, order, addresses } = each;
        const share = { index, of, users };
        let sum = 0;
        const firstOf = Uint32Array.from([0, ...sizesOf.map((size) => (sum += size))]);
        const targetOf = Uint16Array.from(
          { length: sum },
          (_, row) => each.targetOf[row % each.targetOf.length],
        );
        const turns = { targetOf, targets: 4 };
        const none = new Float64Array(0);
        const playPorts = connectionsToOneTarget(turns, firstOf);
        const portsEach = iterations * playPorts;
        const perClient = {
          ...{ firstOf, beginNs: none, leaveNs: none, durationNs: none },
          ...{ leftBefore: new Uint32Array(0), leaveOrder: new Uint32Array(0) },
          connectionsMax: Math.max(...sizesOf),
          portsEach,
        };
        const clients = usersOfShare(share);
        const ports = { first: 3_000, last: 2_999 + portsEach * Math.ceil(clients / addresses) };
        const shape = {
          clients: parseClients(`198.18.0.1-198.18.0.${addresses}`),
          ports,
          order,
          firstPort: ports.first,
        };
        const plan = { turns, share, iterations };
        const pool = new ClientTargetPool(shape, plan, perClient);
        const taken = new Set<string>();
        for (let shard = 0; shard < shards; shard++) {
          const sharing = { users: clients, shard, shards };
          const connections = new ClientConnections({
            ...sharing,
            share,
            iterations,
            pool,
            perClient,
          });
          const { rows } = connections;
          for (let client = 0; client < rows.clients; client++) {
            for (let iteration = 0; iteration < iterations; iteration++) {
              const recorded = rows.recordedOf(client, iteration);
              const first = rows.firstRowOf(client);
              for (let at = 0; at < firstOf[recorded + 1] - firstOf[recorded]; at++) {
                connections.connect(first + at, client, iteration);
                const number = connections.numberOf(first + at);
                const [low, port] = [pool.lowBitsOf(number), pool.portOf(number)];
                const target = targetOf[firstOf[recorded] + at];
                expect(pool.connectionOf(low, port, target)).toBe(number);
                expect(connections.userOf(number)).toBe(first + at);
                expect(connections.iterationOf(number)).toBe(iteration);
                const key = `${low}:${port}>${target}`;
                expect(taken.has(key)).toBe(false);
                taken.add(key);
              }
            }
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});

test('two targets share addresses and ports', () => {
  const shape = {
    clients: parseClients('198.18.0.1'),
    ports: { first: 1, last: 9 },
    order: 'ip' as const,
    firstPort: 1,
  };
  const plan = {
    turns: { targetOf: Uint16Array.of(0, 1), targets: 2 },
    share: { index: 0, of: 1, users: 18 },
    iterations: 1,
  };
  const pool = new UserTargetPool(shape, plan, { users: 18, shard: 0, shards: 1 });
  const ports = Array.from({ length: 18 }, (_, user) => pool.portOf(user));
  expect(ports).toEqual([1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9]);
});
