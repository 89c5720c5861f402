/**
 * SCRAM-SHA-256 without channel binding (RFC 5802, RFC 7677): the client's half.
 */
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';

const DIGEST = 'sha256';
const DIGEST_BYTES = 32;
/** Ten times what anybody sets; more would hold all users of the thread up. */
const ITERATIONS_MAX = 1_000_000;
/** Keys that are kept: as many accounts as a table reasonably has. */
const KEYS_MAX = 1 << 16;
/** "n,,": no channel binding, no other authority. */
const GS2_HEADER = 'n,,';

interface ScramKeys {
  readonly clientKey: Buffer;
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
}

const hmac = (key: Uint8Array, text: string): Buffer =>
  createHmac(DIGEST, key).update(text).digest();

/** Keys by password, salt and number of iterations: all of a role's log-ins have the same. */
export class ScramKeyring {
  readonly #keys = new Map<string, ScramKeys>();
  /** How often keys were derived. */
  derivations = 0;

  /** @param salt Base64, as the server has it */
  keysOf(password: string, salt: string, iterations: number): ScramKeys {
    const name = `${iterations},${salt},${password}`;
    const known = this.#keys.get(name);
    if (known !== undefined) return known;
    if (this.#keys.size >= KEYS_MAX) this.#keys.clear();
    this.derivations++;
    const salted = pbkdf2Sync(
      prepared(password),
      Buffer.from(salt, 'base64'),
      iterations,
      DIGEST_BYTES,
      DIGEST,
    );
    const clientKey = hmac(salted, 'Client Key');
    const storedKey = createHash(DIGEST).update(clientKey).digest();
    const keys = { clientKey, storedKey, serverKey: hmac(salted, 'Server Key') };
    this.#keys.set(name, keys);
    return keys;
  }
}

/** One log-in. Faults are thrown, as errors that say what is wrong with what the server says. */
export class ScramLogIn {
  readonly #name: string;
  readonly #password: string;
  readonly #nonce: string;
  readonly #keyring: ScramKeyring;
  #serverSignature = '';

  /**
   * @param name of the user; PostgreSQL knows it from the start-up and heeds none
   * @param nonce printable, without a comma
   */
  constructor(
    { name, password }: { readonly name: string; readonly password: string },
    nonce: string,
    keyring: ScramKeyring,
  ) {
    this.#name = name;
    this.#password = password;
    this.#nonce = nonce;
    this.#keyring = keyring;
  }

  /** What the client says first. */
  first(): string {
    return `${GS2_HEADER}${this.#firstBare()}`;
  }

  #firstBare(): string {
    return `n=${this.#name},r=${this.#nonce}`;
  }

  /** The proof. @param challenge the server's first message @throws Error */
  final(challenge: string): string {
    const { r: nonce = '', s: salt = '', i: count = '' } = attributesOf(challenge);
    const iterations = Number(count);
    if (!nonce.startsWith(this.#nonce) || nonce.length === this.#nonce.length) {
      throw new Error('the server answers with a nonce that is not ours');
    }
    if (salt === '' || !(Number.isInteger(iterations) && iterations > 0)) {
      throw new Error('the server says no salt, or no number of iterations');
    }
    if (iterations > ITERATIONS_MAX) {
      throw new Error(`the server wants ${iterations} iterations of a log-in's digest`);
    }
    const keys = this.#keyring.keysOf(this.#password, salt, iterations);
    const withoutProof = `c=${Buffer.from(GS2_HEADER).toString('base64')},r=${nonce}`;
    const signed = `${this.#firstBare()},${challenge},${withoutProof}`;
    const proof = hmac(keys.storedKey, signed);
    for (let i = 0; i < proof.length; i++) proof[i] ^= keys.clientKey[i];
    this.#serverSignature = hmac(keys.serverKey, signed).toString('base64');
    return `${withoutProof},p=${proof.toString('base64')}`;
  }

  /** The server shows that it knows the password as well. @throws Error where it does not */
  verify(outcome: string): void {
    const { v: signature } = attributesOf(outcome);
    if (this.#serverSignature !== '' && signature === this.#serverSignature) return;
    throw new Error('the server does not know the password itself: its signature is another one');
  }
}

const attributesOf = (message: string): Readonly<Record<string, string | undefined>> =>
  Object.fromEntries(message.split(',').map((each) => [each.slice(0, 1), each.slice(2)]));

/**
 * SASLprep (RFC 4013), as far as it changes something: RFC 3454's tables C.1.2 (spaces) and B.1 (what is
 * dropped), and composed letters.
 */
const prepared = (password: string): string =>
  password
    .replace(/[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/g, ' ')
    .replace(
      /\u00ad|\u034f|\u1806|[\u180b-\u180d]|\u200c|\u200d|\u2060|[\ufe00-\ufe0f]|\ufeff/g,
      '',
    )
    .normalize('NFKC');
