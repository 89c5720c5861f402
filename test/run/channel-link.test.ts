/** A replay's connection to an intercept over its losses, in virtual time. */

import { beforeEach, describe, expect, test } from 'vitest';
import { ReplayError } from '../../src/base/errors.ts';
import { createRecordRing } from '../../src/base/record-ring.ts';
import { parseClients } from '../../src/cli/values/clients.ts';
import { InterceptPeer } from '../../src/intercept/intercept-peer.ts';
import { CAPABILITIES, Capability, type Hello, RefusalCode } from '../../src/intercept/protocol.ts';
import type { ChannelStream, StreamEvents } from '../../src/io/channel/channel-socket.ts';
import { ChannelLink, type LinkWorld } from '../../src/run/channel/channel-link.ts';
import { RecordRouter } from '../../src/run/channel/record-router.ts';
import { AddressPool } from '../../src/schedule/address-pool.ts';
import { request } from '../intercept/registrations.ts';

const MS = 1_000_000;
const SECOND = 1_000 * MS;
const ANSWER = { mode: 'sink', interfaces: [], prefixBytes: 128, notes: [] };
const HELLO: Hello = {
  oldest: 1,
  newest: 1,
  offered: CAPABILITIES,
  required: Capability.CLOCK | Capability.STATUS,
  bootId: new Uint8Array(16),
  software: 'gryphon test',
};

interface Timer {
  readonly atNs: number;
  readonly run: () => void;
}

/** Virtual time, and an intercept at the other end of whatever is dialled. */
class World implements LinkWorld {
  ns = 0;
  /** Dials, answered or not. */
  dials = 0;
  /** What the intercept does: nothing listens, a registration is refused for good, or it serves. */
  state: 'absent' | 'refuses' | 'serves' = 'serves';
  /** Nothing comes through, either way, and nobody is told. */
  isSilent = false;
  readonly #offered: number;
  #timers: Timer[] = [];
  #peers: InterceptPeer[] = [];
  #events: StreamEvents[] = [];

  /** @param offered what the intercept can do */
  constructor(offered: number) {
    this.#offered = offered;
  }

  nowNs(): number {
    return this.ns;
  }

  after(ms: number, run: () => void): () => void {
    const timer = { atNs: this.ns + ms * MS, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((each) => each !== timer);
    };
  }

  async dial() {
    this.dials++;
    if (this.state === 'absent') {
      throw new ReplayError({
        code: 'ERR_CHANNEL_UNREACHABLE',
        kind: 'unreachable',
        message: 'no',
      });
    }
    let events: StreamEvents | null = null;
    const waiting: Uint8Array[] = [];
    const peer: InterceptPeer = new InterceptPeer(
      {
        hello: { ...HELLO, offered: this.#offered, required: 0 },
        // As octets on a link do, they come later than they were sent.
        send: (octets) => {
          if (!this.isSilent) this.after(1, () => events?.onOctets(octets));
        },
        now: () => ({ seconds: 100, nanoseconds: 0 }),
        register: () => {
          if (this.state === 'refuses') peer.refuse(RefusalCode.OVERLAP, 'another has them');
          else peer.accept(ANSWER, this.ns);
        },
        status: () => ({ forwarded: 5, dropped: 0, kernelDropped: 0 }),
        takeRecords: () => 0,
        end: () => undefined,
      },
      this.ns,
    );
    this.#peers.push(peer);
    const stream: ChannelStream = {
      peer: 'test',
      peerUser: () => null,
      pendingBytes: () => 0,
      send: (octets) => {
        if (this.isSilent) return;
        if (events === null) waiting.push(octets);
        else this.after(1, () => peer.onOctets(octets, this.ns));
      },
      close: () => undefined,
      welcome: () => undefined,
    };
    return {
      stream,
      attach: (given: StreamEvents) => {
        events = given;
        this.#events.push(given);
        for (const octets of waiting) this.after(1, () => peer.onOctets(octets, this.ns));
      },
    };
  }

  /** The intercept's process is gone, and its kernel says so. */
  kill(): void {
    for (const events of this.#events.splice(0)) events.onClosed('ECONNRESET');
  }

  /** Lets time pass; promises are settled in between. */
  async pass(ns: number): Promise<void> {
    const endNs = this.ns + ns;
    for (;;) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      const [next] = [...this.#timers].sort((one, other) => one.atNs - other.atNs);
      if (next === undefined || next.atNs > endNs) break;
      this.#timers = this.#timers.filter((each) => each !== next);
      this.ns = next.atNs;
      next.run();
    }
    this.ns = endNs;
  }
}

let world: World;
let link: ChannelLink;
let warnings: string[];
let gone: ReplayError[];

beforeEach(() => open());

/** @param asked octets of each packet */
async function open(asked = 128, offered: number = CAPABILITIES): Promise<void> {
  world = new World(offered);
  warnings = [];
  gone = [];
  const clients = parseClients('198.18.0.0/24');
  const ports = { first: 1024, last: 65_535 };
  const pool = new AddressPool({ clients, ports, order: 'ip', firstPort: 1024 });
  link = new ChannelLink({
    address: { host: '10.0.0.9', port: 36_524 },
    key: null,
    hello: HELLO,
    request: { ...request('198.18.0.0/24'), prefixBytes: asked },
    followed: 'resp',
    router: new RecordRouter([{ ring: createRecordRing(1 << 12), fd: -1 }], pool, 1),
    world,
    now: () => ({ seconds: 100, nanoseconds: 0 }),
    onWarning: (text) => warnings.push(text),
    onGone: (error) => gone.push(error),
  });
  const opened = link.open();
  await world.pass(SECOND);
  await opened;
}

const closed = async (): Promise<string> => {
  const notes = link.close();
  await world.pass(SECOND);
  return (await notes).join('\n');
};

describe('an intercept that grants', () => {
  test('what is asked for is not mentioned', () => {
    expect(warnings).toEqual([]);
  });

  test('less than that is told with the option that would grant it, and once', async () => {
    await open(2_048);
    world.kill();
    await world.pass(3 * SECOND);
    expect(world.dials).toBe(2);
    expect(warnings.filter((text) => text.includes('octets'))).toEqual([
      'the intercept at 10.0.0.9:36524 hands over 128 octets of each packet: answers of resp are ' +
        'followed as far as that, and this run needs 2,048; give it --prefix-bytes-max 2048 or more',
    ]);
  });

  test('its own number, since it is older, is told to be updated', async () => {
    await open(2_048, Capability.CLOCK | Capability.STATUS);
    expect(warnings.join()).toMatch(/it is older than this replay: update it/);
  });
});

describe('an intercept that is lost', () => {
  test('by silence is connected again, and what was missed is told', async () => {
    world.isSilent = true;
    while (world.ns < 10 * SECOND && warnings.length === 0) await world.pass(10 * MS);
    expect(warnings).toEqual([
      'the intercept at 10.0.0.9:36524 is lost (nothing was heard for 3 s): connecting again',
    ]);
    world.isSilent = false;
    await world.pass(5 * SECOND);
    expect(warnings[1]).toMatch(/is back: replies of \S+ s were missed/);
    expect(world.dials).toBe(2);
    expect(gone).toEqual([]);
    expect(link.silentNs / SECOND).toBeCloseTo(3, 0);
    expect(await closed()).toMatch(/lost once, replies of \S+ s were missed$/m);
  });

  test('by a close is connected again, as often as it takes', async () => {
    world.state = 'absent';
    world.kill();
    await world.pass(5 * SECOND);
    expect(world.dials).toBeGreaterThan(4);
    world.state = 'serves';
    await world.pass(3 * SECOND);
    expect(warnings[0]).toContain('is lost (ECONNRESET)');
    expect(warnings[1]).toContain('is back');
    // The next loss begins with short waits again.
    world.kill();
    await world.pass(0.5 * SECOND);
    expect(warnings.at(-1)).toContain('is back');
    expect(await closed()).toContain('lost 2 times');
  });

  test('and lost again while it is connected again is connected once more', async () => {
    world.isSilent = true;
    // The second connection is made and says nothing either: its registration has ten seconds.
    await world.pass(10 * SECOND);
    expect(world.dials).toBe(2);
    world.isSilent = false;
    await world.pass(10 * SECOND);
    expect(world.dials).toBe(3);
    expect(warnings.at(-1)).toContain('is back');
  });

  test('and does not come back is given up, once', async () => {
    world.state = 'absent';
    world.kill();
    await world.pass(29 * SECOND);
    expect(gone).toEqual([]);
    await world.pass(60 * SECOND);
    expect(gone.map(({ code, kind }) => ({ code, kind }))).toEqual([
      { code: 'ERR_CHANNEL_LOST', kind: 'unreachable' },
    ]);
    expect(gone[0]?.message).toContain('10.0.0.9:36524');
    const { dials } = world;
    await world.pass(60 * SECOND);
    expect(world.dials).toBe(dials);
    expect(await closed()).toContain('did not come back');
  });

  test('and refuses for good is not asked again', async () => {
    world.state = 'refuses';
    world.kill();
    await world.pass(60 * SECOND);
    expect(world.dials).toBe(2);
    expect(gone).toHaveLength(1);
    expect(gone[0]).toMatchObject({ code: 'ERR_CHANNEL_REFUSED', kind: 'unreachable' });
    expect(gone[0]?.message).toContain('another has them');
  });

  test('while the run ends is not connected again', async () => {
    world.state = 'absent';
    world.kill();
    await world.pass(SECOND / 2);
    const { dials } = world;
    expect(await closed()).toContain('lost once');
    await world.pass(60 * SECOND);
    expect(world.dials).toBe(dials);
    expect(gone).toEqual([]);
  });
});

test('an intercept that answers is never taken for lost', async () => {
  await world.pass(600 * SECOND);
  expect(warnings).toEqual([]);
  expect(world.dials).toBe(1);
  expect(link.silentNs).toBe(0);
});
