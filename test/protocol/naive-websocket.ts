/**
 * WebSocket (RFC 6455, section 5) read the simplest way: with the whole stream at hand, frame by frame, and without a
 * state between octets. Framers are held against this twin.
 */

/** A frame, and what is wrong with it. */
export interface NaiveFrame {
  readonly start: number;
  readonly end: number;
  /** FIN, the reserved bits and the opcode. */
  readonly first: number;
  readonly isMasked: boolean;
  readonly payload: string;
  readonly fault: 'NONE' | 'MALFORMED' | 'BAD_LENGTH';
}

/** A message, or a control frame between messages. */
export interface NaiveMessage {
  readonly frame: NaiveFrame;
  readonly end: number;
  /** `text`, `binary`, `close`, `close 1011`, `control`, or the name of the fault. */
  readonly what: string;
}

/** Who says it, and what has been agreed on. */
export interface NaiveSide {
  readonly isClient: boolean;
  readonly isCompressed: boolean;
}

const MASK_BYTES = 4;
const CONTROL_BYTES_MAX = 125;
const isControl = (first: number): boolean => (first & 0x08) !== 0;

/** The frame at an offset; null where the stream ends within it, unless what is there is wrong already. */
function frameAt(
  stream: string,
  start: number,
  isWithin: boolean,
  { isClient, isCompressed }: NaiveSide,
): NaiveFrame | null {
  const octet = (at: number): number => stream.charCodeAt(at);
  const wrong = (fault: NaiveFrame['fault']): NaiveFrame => ({
    ...{ start, end: start, first: octet(start), isMasked: false, payload: '', fault },
  });
  if (start >= stream.length) return null;
  const first = octet(start);
  const opcode = first % 16;
  const mayCompress = isCompressed && (opcode === 1 || opcode === 2);
  if (![0, 1, 2, 8, 9, 10].includes(opcode)) return wrong('MALFORMED');
  if (first & (mayCompress ? 0x30 : 0x70)) return wrong('MALFORMED');
  if (isControl(first) ? first < 0x80 : (opcode === 0) !== isWithin) return wrong('MALFORMED');
  if (start + 1 >= stream.length) return null;
  const isMasked = octet(start + 1) >= 0x80;
  if (isMasked && !isClient) return wrong('MALFORMED');
  let bytes = octet(start + 1) % 0x80;
  if (bytes > CONTROL_BYTES_MAX && isControl(first)) return wrong('BAD_LENGTH');
  const lengthBytes = bytes === 127 ? 8 : bytes === 126 ? 2 : 0;
  if (lengthBytes > 0) {
    const octets = stream.slice(start + 2, start + 2 + lengthBytes);
    bytes = [...octets].reduce((value, letter) => value * 256 + letter.charCodeAt(0), 0);
    if (bytes > Number.MAX_SAFE_INTEGER) return wrong('BAD_LENGTH');
    if (octets.length < lengthBytes) return null;
  }
  if (opcode === 8 && bytes === 1) return wrong('BAD_LENGTH');
  const dataAt = start + 2 + lengthBytes + (isMasked ? MASK_BYTES : 0);
  const end = dataAt + bytes;
  if (end > stream.length) return null;
  return { start, end, first, isMasked, payload: stream.slice(dataAt, end), fault: 'NONE' };
}

/** What a stream says, up to where it ends within something, or says something wrong: that is the last one then. */
export function naiveMessages(stream: string, side: NaiveSide): NaiveMessage[] {
  const messages: NaiveMessage[] = [];
  let begun: NaiveFrame | null = null;
  for (let at = 0; ; ) {
    const frame = frameAt(stream, at, begun !== null, side);
    if (frame === null) return messages;
    const { first, fault, end } = frame;
    if (fault !== 'NONE') return [...messages, { frame, end: -1, what: fault }];
    at = end;
    if (first % 16 === 8) {
      messages.push({ frame, end, what: closeText(frame) });
      begun = null;
    } else if (isControl(first)) {
      if (begun === null) messages.push({ frame, end, what: 'control' });
    } else {
      begun ??= frame;
      if (first < 0x80) continue;
      messages.push({ frame: begun, end, what: begun.first % 16 === 1 ? 'text' : 'binary' });
      begun = null;
    }
  }
}

/** Codes of clients are masked, and nobody asks for them. */
function closeText({ payload, isMasked }: NaiveFrame): string {
  if (payload === '' || isMasked) return 'close';
  const code = 256 * payload.charCodeAt(0) + payload.charCodeAt(1);
  // Codes below 1000 are none (section 7.4.2); the least are taken for a close without one.
  return code > 8 ? `close ${code}` : 'close';
}

const KIND_OCTETS = [4, 8, 16, 32];

/** Of what kinds a message is, from the general to the particular. */
export function naiveKinds({ first, payload }: NaiveFrame): string[] {
  const head = `${first & 0x4f} `;
  // What is compressed tells nothing, nor does a frame without payload.
  if (first & 0x40 || payload === '') return [head];
  const folded = payload.replace(/[0-9]+/g, '0');
  const kinds = KIND_OCTETS.filter((n) => n <= folded.length).map((n) => head + folded.slice(0, n));
  return [head, ...kinds, ...(folded.length < 32 ? [`${head}${folded} and no more`] : [])];
}
