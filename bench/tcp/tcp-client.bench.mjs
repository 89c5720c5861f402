/**
 * TcpClient's transitions over many users, in an order that no cache foresees:
 * `node bench/tcp/tcp-client.bench.mjs [--rounds N] [--operations N]`.
 */
import '../../test/helpers/typescript.mjs';
import { compare } from '../rounds.mjs';

const { TcpClient } = await import('../../src/tcp/tcp-client.ts');
const { UserTable } = await import('../../src/tcp/user-table.ts');
const { ACK, FIN, PSH, SYN, TcpView } = await import('../../src/wire/tcp.ts');
const { TcpOptions } = await import('../../src/wire/tcp-options.ts');

const USERS = 100_000;
const REQUEST_BYTES = 100;
const ANSWER_BYTES = 1_000;
const ISS = 1_000;
const IRS = 5_000;
/** Coprime to USERS: visits all of them, far apart. */
const STRIDE = 61_803;

class Bench {
  users = new UserTable(USERS);
  limit = new Uint32Array(USERS);
  hash = 0;
  #view = new TcpView();
  #data = new DataView(new ArrayBuffer(64));
  #options = new TcpOptions();
  #settings = {
    synRtoNs: 1e9,
    synRetriesMax: 6,
    // Nobody is given up: only the cost of one transition is wanted.
    dataRetriesMax: 1_000,
    windowBytes: 1 << 20,
    mss: 1460,
    timestamps: false,
  };
  client = new TcpClient(this.users, this, this, this.#settings, 4);

  streamLimit(user) {
    return this.limit[user];
  }

  segmentEnd(user, offset, mss) {
    return Math.min(this.limit[user], offset + mss);
  }

  emitSegment(user, seq, ack, flags, _offset, payloadBytes) {
    this.hash = (Math.imul(this.hash, 31) + user + seq + ack + flags + payloadBytes) | 0;
  }

  emitSack() {
    throw new Error('nobody has offered SACK');
  }

  timestampOf() {
    return Math.floor(this.users.now.ns / 1e6);
  }

  receive(user, seq, ack, flags, payloadBytes) {
    const data = this.#data;
    data.setUint32(4, seq);
    data.setUint32(8, ack);
    data.setUint8(12, 0x50);
    data.setUint8(13, flags);
    data.setUint16(14, 0xffff);
    this.#view.wrap(data, 0, 64);
    this.client.onSegment(user, this.#view, this.#options, payloadBytes);
  }

  open(user) {
    this.client.open(user, ISS);
    this.receive(user, IRS, ISS + 1, SYN | ACK, 0);
    this.client.emit(user);
  }

  /** One request out, its answer in, which acknowledges it. */
  exchange(user) {
    this.limit[user] += REQUEST_BYTES;
    this.client.emit(user);
    const { rcvNxt, sndMax } = this.users;
    this.receive(user, rcvNxt[user], sndMax[user], ACK | PSH, ANSWER_BYTES);
    this.users.now.ns += 100;
  }

  close(user) {
    this.client.finish(user);
    this.client.emit(user);
    const { rcvNxt, sndMax } = this.users;
    this.receive(user, rcvNxt[user], sndMax[user], FIN | ACK, 0);
    this.client.emit(user);
  }
}

const each = (operations, step) => {
  for (let i = 0, user = 0; i < operations; i++, user = (user + STRIDE) % USERS) step(user);
};

compare(import.meta.url, 2_000_000, {
  'request and answer on an open connection': () => {
    const bench = new Bench();
    for (let user = 0; user < USERS; user++) bench.open(user);
    return (operations) => {
      each(operations, (user) => bench.exchange(user));
      return bench.hash;
    };
  },
  'handshake, request, answer, close': () => {
    const bench = new Bench();
    return (operations) => {
      each(operations, (user) => {
        bench.limit[user] = 0;
        bench.open(user);
        bench.exchange(user);
        bench.close(user);
      });
      return bench.hash;
    };
  },
  'a timer that retransmits': () => {
    const bench = new Bench();
    for (let user = 0; user < USERS; user++) {
      bench.open(user);
      bench.limit[user] = REQUEST_BYTES;
      bench.client.emit(user);
    }
    return (operations) => {
      each(operations, (user) => {
        bench.client.onTimeout(user, bench.users.dueNs[user]);
      });
      return bench.hash;
    };
  },
});
