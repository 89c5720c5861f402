/** How MySQL and MariaDB have a password proved: by digests of it and of the server's nonce. */
import { constants, createHash, publicEncrypt } from 'node:crypto';
import { Ed25519Proofs } from './ed25519-proof.ts';

const digest = (algorithm: 'sha1' | 'sha256', ...parts: readonly Uint8Array[]): Buffer => {
  const hash = createHash(algorithm);
  for (const part of parts) hash.update(part);
  return hash.digest();
};

function xor(a: Uint8Array, b: Uint8Array): Buffer {
  return Buffer.from(a.map((octet, i) => octet ^ b[i % b.length]));
}

/** How a plugin has a password proved. */
interface ProofMethod {
  /** Octets of the server's nonce. */
  readonly nonceBytes: number;
  /** What proves the password at once. */
  readonly prove: (password: string, nonce: Uint8Array) => Uint8Array;
}

const ed25519 = new Ed25519Proofs();

/** The plugins that are spoken, by name. */
export const PROOFS: ReadonlyMap<string, ProofMethod> = new Map([
  [
    'mysql_native_password',
    {
      nonceBytes: 20,
      prove: (password, nonce) => {
        const once = digest('sha1', Buffer.from(password));
        return xor(once, digest('sha1', nonce, digest('sha1', once)));
      },
    },
  ],
  [
    'caching_sha2_password',
    {
      nonceBytes: 20,
      prove: (password, nonce) => {
        const once = digest('sha256', Buffer.from(password));
        return xor(once, digest('sha256', digest('sha256', once), nonce));
      },
    },
  ],
  [
    'client_ed25519',
    { nonceBytes: 32, prove: (password, nonce) => ed25519.prove(password, nonce) },
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
