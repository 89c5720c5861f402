/** The client's half of proving a password to MySQL or MariaDB, step by step. */

import { octetsOfText, textOf } from '../octet-text.ts';
import type { Credentials } from './accounts.ts';
import { Reply } from './mysql-packets.ts';
import { encryptedPassword, PROOFS } from './mysql-scrambles.ts';

const NATIVE = 'mysql_native_password';
const CACHING = 'caching_sha2_password';
const NUL = '\0';
/** Of caching_sha2_password: what the server says behind MORE, and how it is asked for its key. */
const KNOWN = '\x03';
const UNKNOWN = '\x04';
const ASK_FOR_KEY = '\x02';

/** A proof that is under way. */
export class PasswordProof {
  readonly #password: string;
  #plugin: string;
  #nonce: string;

  constructor(credentials: Credentials, plugin: string, nonce: string) {
    this.#password = credentials.password;
    // Of another default the server says which plugin the account has, and gives what that one takes.
    this.#plugin = PROOFS.get(plugin)?.nonceBytes === nonce.length ? plugin : NATIVE;
    this.#nonce = nonce;
  }

  get plugin(): string {
    return this.#plugin;
  }

  get nonce(): string {
    return this.#nonce;
  }

  /** The proof by the plugin and nonce at hand; empty for an empty password. */
  first(): string {
    if (this.#password === '') return '';
    const method = PROOFS.get(this.#plugin);
    return method === undefined
      ? ''
      : textOf(method.prove(this.#password, octetsOfText(this.#nonce)));
  }

  /**
   * What is said to a packet that asks for more; null: nothing.
   * @throws Error where the server asks for what is not spoken here
   */
  next(body: string): string | null {
    return body.charCodeAt(0) === Reply.SWITCH ? this.#switch(body) : this.#more(body.slice(1));
  }

  #switch(body: string): string {
    const [plugin = ''] = body.slice(1).split(NUL, 1);
    const method = PROOFS.get(plugin);
    if (method === undefined) {
      throw new Error(`the server asks for a log-in by ${plugin || 'mysql_old_password'}`);
    }
    this.#plugin = plugin;
    const at = plugin.length + 2;
    this.#nonce = body.slice(at, at + method.nonceBytes);
    return this.first();
  }

  #more(said: string): string | null {
    if (this.#plugin !== CACHING) throw new Error(`${this.#plugin} is asked for more`);
    if (said === KNOWN) return null;
    if (said === UNKNOWN) return ASK_FOR_KEY;
    return textOf(encryptedPassword(this.#password, octetsOfText(this.#nonce), said));
  }
}
