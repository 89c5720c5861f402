/** MQTT's first packet, CONNECT (3.1.1 and 5.0, section 3.1; 3.1 is alike), as text of a character an octet. */

const CONNECT = 0x10;
const NAME = /^MQ(?:TT|Isdp)$/;
/** From this level on packets have properties. */
export const MQTT_VERSION_5 = 5;
const WILL = 0x04;
const USER = 0x80;
const PASSWORD = 0x40;
/** Authentication goes on with packets of its own (5.0, section 4.12). */
const AUTHENTICATION_METHOD = 0x15;

/** A CONNECT packet. What stands behind its beginning is whole only where all of it is there. */
export interface MqttConnect {
  /** Octets of the packet; more than there are where it was cut. */
  readonly bytes: number;
  /** 3: MQTT 3.1, 4: 3.1.1, 5: 5.0. */
  readonly level: number;
  readonly flags: number;
  /** Name and level of the protocol. */
  readonly head: string;
  /** Keep-alive and properties, as they stand between flags and client id. */
  readonly settings: string;
  /** Empty where the server is to make one up. */
  readonly clientId: string;
  /** The will, with its properties and lengths; empty without one. */
  readonly will: string;
  /** Null where there is none. */
  readonly user: string | null;
  /** Whether something else than name and password proves who it is: the method. */
  readonly method: string | null;
}

/** Whether a text may begin with the packet, by its first octet. */
export const beginsConnect = (text: string): boolean => text.charCodeAt(0) === CONNECT;

/** @param text begins with the packet. @returns null where that is none */
export function readConnect(text: string): MqttConnect | null {
  if (!beginsConnect(text)) return null;
  const reader = new Reader(text, 1);
  const length = reader.number();
  const start = reader.at;
  const name = reader.string();
  if (!NAME.test(name)) return null;
  const level = reader.octet();
  const head = text.slice(start, reader.at);
  const flags = reader.octet();
  const settingsAt = reader.at;
  reader.at += 2;
  const isNew = level >= MQTT_VERSION_5;
  const properties = isNew ? reader.properties() : NONE;
  const settings = text.slice(settingsAt, reader.at);
  const clientId = reader.string();
  const willAt = reader.at;
  if (flags & WILL) {
    if (isNew) reader.properties();
    reader.string();
    reader.string();
  }
  const will = text.slice(willAt, reader.at);
  const user = flags & USER ? reader.string() : null;
  const method = properties.get(AUTHENTICATION_METHOD) ?? null;
  return { bytes: start + length, level, flags, head, settings, clientId, will, user, method };
}

/** The packet again, as another client. @param password null: none */
export function writeConnect(
  { head, flags, settings, will }: MqttConnect,
  clientId: string,
  user: string | null,
  password: string | null,
): string {
  const rest = flags & ~(USER | PASSWORD);
  const all = rest | (user === null ? 0 : USER) | (password === null ? 0 : PASSWORD);
  const proofs = [user, password].map((each) => (each === null ? '' : lengthFirst(each)));
  const body = [head, String.fromCharCode(all), settings, lengthFirst(clientId), will, ...proofs];
  const said = body.join('');
  return String.fromCharCode(CONNECT) + variableLength(said.length) + said;
}

const CONNACK = 0x20;
const REASON_STRING = 0x1f;
/** From here on a code of 5.0 is a refusal. */
const REFUSALS = 0x80;

/** The server's answer. */
export interface MqttConnack {
  readonly code: number;
  /** Whether the client is let in. */
  readonly isAccepted: boolean;
  /** The server's own words; null where it has none. */
  readonly reason: string | null;
}

/** @param text begins with the packet. @returns null where it is none, or not whole */
export function readConnack(text: string, level: number): MqttConnack | null {
  if (text.charCodeAt(0) !== CONNACK) return null;
  const reader = new Reader(text, 1);
  const length = reader.number();
  if (reader.at + length > text.length || length < 2) return null;
  const end = reader.at + length;
  reader.octet();
  const code = reader.octet();
  const hasProperties = level >= MQTT_VERSION_5 && reader.at < end;
  const properties = hasProperties ? reader.properties() : NONE;
  const isAccepted = level >= MQTT_VERSION_5 ? code < REFUSALS : code === 0;
  return { code, isAccepted, reason: properties.get(REASON_STRING) ?? null };
}

const NONE: ReadonlyMap<number, string> = new Map();
/** Octets of properties' values by identifier (5.0, section 2.2.2); those that are not here are texts with a length. */
const VALUE_BYTES: ReadonlyMap<number, number> = new Map([
  ...[0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2a].map((id) => [id, 1] as const),
  ...[0x13, 0x21, 0x22, 0x23].map((id) => [id, 2] as const),
  ...[0x02, 0x11, 0x18, 0x27].map((id) => [id, 4] as const),
]);
const USER_PROPERTY = 0x26;

/** Reads one thing after another; behind the text's end there is nothing. */
class Reader {
  at: number;
  readonly #text: string;

  constructor(text: string, at: number) {
    this.#text = text;
    this.at = at;
  }

  /** 0 where nothing is left. */
  octet(): number {
    return this.#text.charCodeAt(this.at++) || 0;
  }

  /** Seven bits an octet, the lowest first; at most four octets. */
  number(): number {
    let value = 0;
    for (let i = 0; i < 4; i++) {
      const octet = this.octet();
      value += (octet & 0x7f) * 128 ** i;
      if (octet < 0x80) break;
    }
    return value;
  }

  /** A text, or binary data, behind its length. */
  string(): string {
    const bytes = this.octet() * 256 + this.octet();
    const from = this.at;
    this.at += bytes;
    return this.#text.slice(from, this.at);
  }

  /** Texts by their identifiers; of other values nothing is kept. */
  properties(): ReadonlyMap<number, string> {
    const found = new Map<number, string>();
    const length = this.number();
    const end = this.at + length;
    while (this.at < Math.min(end, this.#text.length)) {
      const id = this.octet();
      const bytes = VALUE_BYTES.get(id);
      if (bytes !== undefined) this.at += bytes;
      else found.set(id, this.string());
      if (id === USER_PROPERTY) this.string();
    }
    this.at = end;
    return found;
  }
}

function variableLength(length: number): string {
  let text = '';
  for (let rest = length; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return text + String.fromCharCode(rest);
    text += String.fromCharCode((rest % 128) | 0x80);
  }
}

function lengthFirst(text: string): string {
  if (text.length > 0xffff) throw new RangeError('a text of MQTT has at most 65,535 octets');
  return String.fromCharCode(text.length >> 8, text.length & 0xff) + text;
}
