/** Proofs of passwords, with mysql2 and mariadb as second opinions. */
import {
  constants,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  privateDecrypt,
  sign,
  verify,
} from 'node:crypto';
import { createRequire } from 'node:module';
import fc from 'fast-check';
import { authPlugins } from 'mysql2';
import { describe, expect, test } from 'vitest';
import { PasswordProof } from '../../../src/rewrite/databases/mysql-proofs.ts';
import { onlyReads } from '../../../src/rewrite/databases/mysql-statements.ts';

type Plugin = (options?: object) => (of: object) => (data: Buffer) => Buffer;

const PLUGINS = authPlugins as unknown as Readonly<Record<string, Plugin>>;
const require = createRequire(import.meta.url);
/** mariadb exports its client alone. */
const AUTH = require.resolve('mariadb').replace(/dist\/[^/]+$/, 'lib/cmd/handshake/auth/');
type Proves = Readonly<Record<string, (password: string, nonce: Buffer) => Buffer>>;
const mariadbs = async (file: string): Promise<Proves> =>
  (await import(`${AUTH}${file}-password-auth.js`)).default;
const NATIVE = await mariadbs('native');
const SHA_256 = await mariadbs('sha256');
const ED25519 = await mariadbs('ed25519');

const latin1 = (octets: Uint8Array): string => Buffer.from(octets).toString('latin1');

/** mysql2's half of a log-in. */
const theirs = (plugin: string, password: string) =>
  PLUGINS[plugin]({ password })({ connection: { config: { password } }, command: {} });

const proofOf = (password: string, plugin: string, nonce: string) =>
  new PasswordProof({ user: 'al', password }, plugin, nonce);

const nonces = fc.uint8Array({ minLength: 20, maxLength: 20 });

test.each(['mysql_native_password', 'caching_sha2_password'])('%s', (plugin) => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), nonces, (password, nonce) => {
      const proof = proofOf(password, plugin, latin1(nonce));
      expect(proof.plugin).toBe(plugin);
      expect(proof.first()).toBe(latin1(theirs(plugin, password)(Buffer.from(nonce))));
      const mariadbsProof =
        plugin === 'mysql_native_password'
          ? NATIVE.encryptSha1Password
          : SHA_256.encryptSha256Password;
      expect(proof.first()).toBe(latin1(mariadbsProof(password, Buffer.from(nonce))));
    }),
  );
});

describe('client_ed25519', () => {
  const PLUGIN = 'client_ed25519';
  const switched = (password: string, nonce: Uint8Array) =>
    proofOf(password, 'mysql_native_password', 'x'.repeat(20)).next(
      `\xfe${PLUGIN}\0${latin1(nonce)}`,
    );

  test('signs the nonce as mariadb does, with a password of any length', () => {
    const nonceOf32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 100 }), nonceOf32, (password, nonce) => {
        const signed = ED25519.encryptPassword(password, Buffer.from(nonce));
        expect(switched(password, nonce)).toBe(latin1(signed));
      }),
    );
  });

  test('signs as everybody does where the password has as many octets as a key', () => {
    const password = 'a key of two and thirty letters.';
    const nonce = Buffer.from('0123456789abcdef0123456789abcdef');
    const der = Buffer.concat([
      Buffer.from('302e020100300506032b657004220420', 'hex'),
      Buffer.from(password),
    ]);
    const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
    const signature = Buffer.from(switched(password, nonce) ?? '', 'latin1');
    expect(verify(null, nonce, createPublicKey(key), signature)).toBe(true);
    expect(signature).toEqual(sign(null, nonce, key));
  });

  test('is not begun with by the nonce of another plugin', () => {
    expect(proofOf('x', PLUGIN, 'x'.repeat(20)).plugin).toBe('mysql_native_password');
  });
});

describe('caching_sha2_password', () => {
  const nonce = '0123456789abcdefghij';
  const password = 'a much longer password than the nonce, with ü';

  test('is done when the server has the password in its cache', () => {
    expect(proofOf(password, 'caching_sha2_password', nonce).next('\x01\x03')).toBeNull();
  });

  test('asks for the server’s key else, and encrypts the password as mysql2 does', () => {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const key = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    const other = theirs('caching_sha2_password', password);
    const proof = proofOf(password, 'caching_sha2_password', nonce);
    other(Buffer.from(nonce));
    proof.first();
    expect(proof.next('\x01\x04')).toBe(latin1(other(Buffer.from([4]))));
    const padding = constants.RSA_PKCS1_OAEP_PADDING;
    const opened = (octets: Buffer) =>
      privateDecrypt({ key: privateKey, padding, oaepHash: 'sha1' }, octets);
    const encrypted = Buffer.from(proof.next(`\x01${key}`) ?? '', 'latin1');
    expect(opened(encrypted)).toEqual(opened(other(Buffer.from(key))));
    expect(() => proof.next('\x01no key')).toThrow();
  });
});

test.each([
  ['mysql_clear_password', '\xfemysql_clear_password\0'],
  ['sha256_password', `\xfesha256_password\0${'x'.repeat(20)}\0`],
  ['mysql_old_password', '\xfe'],
])('%s is not spoken, and said not to be', (plugin, asked) => {
  const proof = proofOf('x', 'mysql_native_password', 'x'.repeat(20));
  expect(() => proof.next(asked)).toThrow(`the server asks for a log-in by ${plugin}`);
});

test('where the default is unknown the server is left to say which plugin the account has', () => {
  const proof = proofOf('x', 'sha256_password', 'x'.repeat(20));
  expect(proof.plugin).toBe('mysql_native_password');
  expect(proof.next(`\xfecaching_sha2_password\0${'y'.repeat(20)}\0`)).toBe(
    latin1(theirs('caching_sha2_password', 'x')(Buffer.from('y'.repeat(20)))),
  );
});

describe('which statements only read', () => {
  test.each([
    'select 1',
    ' ( SELECT a from b ) union select 2 ;',
    '/* by the shop */ select 1',
    '-- why\nselect 1',
    '/*!40101 SET NAMES utf8 */',
    'set autocommit=0; begin; commit',
    'with a as (select 1) select * from a',
    'show tables',
    '',
  ])('%j does', (text) => expect(onlyReads(text)).toBe(true));

  test.each([
    'insert into a values (1)',
    'select 1; delete from a',
    "select 1 into outfile '/tmp/x'",
    'with a as (select 1) delete from b',
    'set global max_connections = 1',
    '/*!50000 drop table a */',
    'call p()',
    'selected',
  ])('%j does not', (text) => expect(onlyReads(text)).toBe(false));
});
