/**
 * MariaDB's `client_ed25519`: an Ed25519 signature (RFC 8032, 5.1.6) of the server's nonce, but for the secret:
 * that is the password itself, of any length, where the standard has 32 octets. So no signing of node's own
 * does it, and its arithmetic is that of @noble/curves.
 */
import { createHash } from 'node:crypto';
import { ed25519 } from '@noble/curves/ed25519.js';

const { BASE, Fn } = ed25519.Point;
const SCALAR_BYTES = 32;
/** Keys that are kept: as many accounts as a table reasonably has. */
const KEYS_MAX = 1 << 16;

/** What is made of a password, whatever the nonce. */
interface SigningKey {
  readonly scalar: bigint;
  /** What the signature's own random number is made of. */
  readonly prefix: Uint8Array;
  readonly publicKey: Uint8Array;
}

/** Keys of the passwords that were asked for: half of the work of a proof. */
export class Ed25519Proofs {
  readonly #keys = new Map<string, SigningKey>();

  /** The signature, 64 octets. @param nonce 32 octets */
  prove(password: string, nonce: Uint8Array): Uint8Array {
    const { scalar, prefix, publicKey } = this.#keyOf(password);
    const r = Fn.create(numberOf(digest(prefix, nonce)));
    const point = BASE.multiply(r).toBytes();
    const k = Fn.create(numberOf(digest(point, publicKey, nonce)));
    const s = Fn.create(r + k * scalar);
    return Buffer.concat([point, Fn.toBytes(s)]);
  }

  #keyOf(password: string): SigningKey {
    const known = this.#keys.get(password);
    if (known !== undefined) return known;
    const hash = digest(Buffer.from(password));
    const prefix = hash.subarray(SCALAR_BYTES);
    const half = hash.subarray(0, SCALAR_BYTES);
    half[0] &= 0xf8;
    half[SCALAR_BYTES - 1] = (half[SCALAR_BYTES - 1] & 0x7f) | 0x40;
    const scalar = Fn.create(numberOf(half));
    const key = { scalar, prefix, publicKey: BASE.multiply(scalar).toBytes() };
    if (this.#keys.size >= KEYS_MAX) this.#keys.clear();
    this.#keys.set(password, key);
    return key;
  }
}

function digest(...parts: readonly Uint8Array[]): Buffer {
  const hash = createHash('sha512');
  for (const part of parts) hash.update(part);
  return hash.digest();
}

/** Of octets of which the first counts least. */
const numberOf = (octets: Uint8Array): bigint =>
  BigInt(`0x${Buffer.from(octets).reverse().toString('hex')}`);
