/**
 * A million users as columns and as objects: a random step that reads and writes six variables.
 * `node bench/tcp/user-table.bench.mjs [--rounds N] [--operations N]`.
 */
import '../../test/helpers/typescript.mjs';
import { compare } from '../rounds.mjs';

const { UserTable } = await import('../../src/tcp/user-table.ts');

const USERS = 1_000_000;
/** Coprime to USERS. */
const STRIDE = 618_033;

const walk = (operations, step) => {
  let sum = 0;
  for (let i = 0, user = 0; i < operations; i++, user = (user + STRIDE) % USERS) {
    sum = (sum + step(user, i)) | 0;
  }
  return sum;
};

compare(import.meta.url, 5_000_000, {
  'columns (UserTable)': () => {
    const users = new UserTable(USERS);
    const { state, flags, sndUna, sndNxt, rcvNxt, dueNs } = users;
    return (operations) =>
      walk(operations, (user, i) => {
        if (state[user] === 0) state[user] = 2;
        flags[user] ^= 1;
        sndUna[user] = sndNxt[user];
        sndNxt[user] += 100;
        rcvNxt[user] += 1000;
        dueNs[user] = i * 1000;
        return sndUna[user] + rcvNxt[user];
      });
  },
  objects: () => {
    const users = Array.from({ length: USERS }, () => ({
      state: 0,
      flags: 0,
      sndUna: 0,
      sndNxt: 0,
      rcvNxt: 0,
      dueNs: 0.5,
    }));
    return (operations) =>
      walk(operations, (index, i) => {
        const user = users[index];
        if (user.state === 0) user.state = 2;
        user.flags ^= 1;
        user.sndUna = user.sndNxt;
        user.sndNxt = (user.sndNxt + 100) | 0;
        user.rcvNxt = (user.rcvNxt + 1000) | 0;
        user.dueNs = i * 1000;
        return user.sndUna + user.rcvNxt;
      });
  },
});
