/** The channel's shared secret: where it comes from, and the key that TLS is given. */
import { scryptSync } from 'node:crypto';
import { isIP } from 'node:net';
import type { SecureContextOptions } from 'node:tls';
import { ReplayError } from '../../base/errors.ts';

/** Shorter ones can be guessed by whoever plays the intercept to a replay once. */
const TOKEN_BYTES_MIN = 16;
const TOKEN_BYTES_MAX = 4096;
const KEY_BYTES = 32;
/** Who the ends are to each other; there is one secret. */
export const PSK_IDENTITY = 'gryphon-channel-1';

/**
 * Node's TLS takes pre-shared keys up to version 1.2 only. These suites encrypt with keys that are
 * drawn for the connection, so a secret that leaks later does not open what was recorded.
 */
export const PSK_OPTIONS = {
  ciphers: 'ECDHE-PSK-CHACHA20-POLY1305',
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.2',
} as const satisfies SecureContextOptions;

/**
 * The key of a secret: scrypt, so that guessing is slow.
 * @throws ReplayError ERR_CHANNEL_TOKEN (usage) for one that is too short
 */
export function keyOfToken(token: string, where: string): Uint8Array {
  const octets = Buffer.from(token.trim());
  if (octets.length >= TOKEN_BYTES_MIN && octets.length <= TOKEN_BYTES_MAX) {
    return scryptSync(octets, PSK_IDENTITY, KEY_BYTES);
  }
  throw new ReplayError({
    code: 'ERR_CHANNEL_TOKEN',
    kind: 'usage',
    message: `the secret in ${where} has ${octets.length} bytes, at least ${TOKEN_BYTES_MIN} are needed`,
    hint: 'openssl rand -hex 32 > token, and the same file on both machines',
  });
}

/** Whether an address is this machine's own and reached by nobody else. */
export function isLoopback(host: string): boolean {
  if (host === 'localhost' || host === '::1') return true;
  return isIP(host) === 4 && host.startsWith('127.');
}
