/** How MySQL and MariaDB have a password proved: by digests of it and of the server's nonce. */
import { constants, createHash, publicEncrypt } from 'node:crypto';

const digest = (algorithm: 'sha1' | 'sha256', ...parts: readonly Uint8Array[]): Buffer => {
  const hash = createHash(algorithm);
  for (const part of parts) hash.update(part);
  return hash.digest();
};

function xor(a: Uint8Array, b: Uint8Array): Buffer {
  return Buffer.from(a.map((octet, i) => octet ^ b[i % b.length]));
}

/** The plugins that are spoken, by name: what proves the password at once. @param nonce 20 octets */
export const PROOFS: ReadonlyMap<string, (password: string, nonce: Uint8Array) => Uint8Array> =
  new Map([
    [
      'mysql_native_password',
      (password, nonce) => {
        const once = digest('sha1', Buffer.from(password));
        return xor(once, digest('sha1', nonce, digest('sha1', once)));
      },
    ],
    [
      'caching_sha2_password',
      (password, nonce) => {
        const once = digest('sha256', Buffer.from(password));
        return xor(once, digest('sha256', digest('sha256', once), nonce));
      },
    ],
  ]);

/**
 * The password for a server that has to see it (caching_sha2_password, not in its cache yet).
 * @param key the server's, in PEM
 * @throws Error where it is none
 */
export function encryptedPassword(password: string, nonce: Uint8Array, key: string): Uint8Array {
  const masked = xor(Buffer.from(`${password}\0`), nonce);
  return publicEncrypt(
    { key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' },
    masked,
  );
}
