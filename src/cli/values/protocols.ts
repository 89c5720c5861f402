/** What sessions speak, as a user says it: `8080=http`, `length:offset=0,bytes=4`, `7000=line`. */
import type { Framing, LengthField } from '../../protocol/declared-framing.ts';
import { FOLLOWED_NAMES, HTTP1_NAME } from '../../protocol/registry.ts';
import type { ProtocolOfPort } from '../../replay/replay-plan.ts';
import { parseWhole } from './numbers.ts';
import { valueError } from './value-error.ts';
import { parseChoice } from './words.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const HTTP = 'http';
const NONE = 'none';
/** Names of protocols, and `none`. */
const NAMES = [...FOLLOWED_NAMES.map((name) => (name === HTTP1_NAME ? HTTP : name)), NONE];

const PORT = { min: 1, max: 65_535 } as const;
const LENGTH_BYTES = new Set([1, 2, 3, 4, 8]);
const OFFSET_MAX = 255;
const ADD_MAX = 65_535;

/**
 * `PORT=NAME`: what sessions to a recorded port speak.
 * @throws ReplayError ERR_CLI_VALUE (usage)
 */
export function parseProtocol(text: string): ProtocolOfPort {
  const [port, name, ...rest] = text.trim().split('=');
  if (name === undefined || rest.length > 0) {
    throw valueError(`'${text}' is not PORT=NAME`, 'write 8080=http');
  }
  const protocol = parseChoice(name, NAMES);
  return { port: parseWhole(port, PORT), protocol: protocol === HTTP ? HTTP1_NAME : protocol };
}

/**
 * `[PORT=]FRAMING`: how messages of sessions to a recorded port are told apart; of all whose protocol is
 * not recognised, without a port.
 * @throws ReplayError ERR_CLI_VALUE (usage)
 */
export function parseFraming(text: string): ProtocolOfPort {
  const match = /^(?:(\d+)=)?(.*)$/s.exec(text.trim());
  const port = match?.[1] === undefined ? null : parseWhole(match[1], PORT);
  return { port, protocol: framingOf(match?.[2] ?? '') };
}

function framingOf(text: string): Framing {
  if (text === 'line' || text === NONE) return text;
  if (!/^length(:|$)/.test(text)) {
    throw valueError(
      `'${text}' is no framing`,
      'write line, none or length:offset=0,bytes=4,endian=big,add=4; for one port alone 7000=line',
    );
  }
  const field: Mutable<LengthField> = { offset: 0, bytes: 4, endian: 'big', add: 0 };
  for (const part of text.slice('length:'.length).split(',')) {
    const [key, value = ''] = part.split('=');
    if (key === 'offset') field.offset = parseWhole(value, { min: 0, max: OFFSET_MAX });
    else if (key === 'bytes') field.bytes = parseWhole(value, { min: 1, max: 8 });
    else if (key === 'endian') field.endian = parseChoice(value, ['big', 'little']);
    else if (key === 'add') field.add = addOf(value);
    else if (part !== '') throw valueError(`'${part}' in '${text}' is unknown`, HINT);
  }
  if (!LENGTH_BYTES.has(field.bytes)) {
    throw valueError(`a length of ${field.bytes} bytes is unknown`, 'it has 1, 2, 3, 4 or 8');
  }
  return field;
}

const HINT = 'it has offset=N, bytes=N, endian=big|little and add=N';

/** Octets that a message is longer than its length says: `4`, `-2`. */
function addOf(text: string): number {
  const isNegative = text.startsWith('-');
  const octets = parseWhole(isNegative ? text.slice(1) : text, { min: 0, max: ADD_MAX });
  return isNegative ? -octets : octets;
}
