/** SCRAM-SHA-256: the RFC's example, and pg as a second opinion. */
import fc from 'fast-check';
import * as pg from 'pg/lib/crypto/sasl.js';
import { expect, test } from 'vitest';
import { ScramKeyring, ScramLogIn } from '../../../src/rewrite/databases/scram.ts';

test('the example of RFC 7677, section 3', () => {
  const account = { name: 'user', password: 'pencil' };
  const logIn = new ScramLogIn(account, 'rOprNGfwEbeRWgbNEkqO', new ScramKeyring());
  expect(logIn.first()).toBe('n,,n=user,r=rOprNGfwEbeRWgbNEkqO');
  expect(
    logIn.final(
      'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
    ),
  ).toBe(
    'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
  );
  logIn.verify('v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=');
  expect(() => logIn.verify('v=AAAA')).toThrow('does not know the password itself');
  expect(() => logIn.verify('e=invalid-proof')).toThrow('does not know the password itself');
});

test('pg says the same, whatever the password', async () => {
  const keyring = new ScramKeyring();
  await fc.assert(
    fc.asyncProperty(
      fc.string({ minLength: 1, unit: 'grapheme' }),
      fc.uint8Array({ minLength: 1, maxLength: 20 }),
      async (password, salt) => {
        const session = pg.startSession(['SCRAM-SHA-256']);
        const logIn = new ScramLogIn({ name: '*', password }, session.clientNonce, keyring);
        expect(logIn.first()).toBe(session.response);
        const text = Buffer.from(salt).toString('base64');
        const challenge = `r=${session.clientNonce}more,s=${text},i=3`;
        const final = logIn.final(challenge);
        await pg.continueSession(session, password, challenge);
        expect(final).toBe(session.response);
        const outcome = `v=${session.serverSignature}`;
        pg.finalizeSession(session, outcome);
        logIn.verify(outcome);
      },
    ),
    { numRuns: 60 },
  );
});

test('keys are derived once for a password, a salt and a number of iterations', () => {
  const keyring = new ScramKeyring();
  const keys = keyring.keysOf('a', 'AAAA', 2);
  expect(keyring.keysOf('a', 'AAAA', 2)).toBe(keys);
  expect(keyring.derivations).toBe(1);
  keyring.keysOf('b', 'AAAA', 2);
  keyring.keysOf('a', 'AAAB', 2);
  keyring.keysOf('a', 'AAAA', 3);
  expect(keyring.derivations).toBe(4);
});

test.each([
  ['another nonce', 'r=other,s=AAAA,i=1', 'a nonce that is not ours'],
  ['our nonce alone', 'r=ours,s=AAAA,i=1', 'a nonce that is not ours'],
  ['no salt', 'r=ours1,i=1', 'no salt'],
  ['no iterations', 'r=ours1,s=AAAA,i=none', 'no number of iterations'],
  ['work for hours', 'r=ours1,s=AAAA,i=2000000000', 'wants 2000000000 iterations'],
])('a challenge with %s is refused', (_, challenge, reason) => {
  const logIn = new ScramLogIn({ name: '', password: 'x' }, 'ours', new ScramKeyring());
  expect(() => logIn.final(challenge)).toThrow(reason);
});
