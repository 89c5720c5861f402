/**
 * Where an answer ends, found the simplest way: with the whole stream at hand, as text, by what the protocols'
 * documents say, and without a state between octets. Framers are held against these twins.
 *
 * A twin is told what the client has asked so far, the request that is answered last (`''`: the server speaks
 * first), and returns the offset behind the answer; null where the stream ends before it does.
 */
export type NaiveEnd = (stream: string, at: number, asked: readonly string[]) => number | null;

/** The stream ends within the answer. */
class Incomplete extends Error {}

const never = (what: string): never => {
  throw new Error(`the twin does not know ${what}`);
};

/** Makes a twin of a function that reads on without asking whether there is more. */
const naive =
  (end: (stream: string, at: number, asked: readonly string[]) => number): NaiveEnd =>
  (stream, at, asked) => {
    try {
      const found = end(stream, at, asked);
      return found > stream.length ? null : found;
    } catch (fault) {
      if (fault instanceof Incomplete) return null;
      throw fault;
    }
  };

/** The line at an offset, and where the next one begins. */
function line(stream: string, at: number): [text: string, next: number] {
  const end = stream.indexOf('\r\n', at);
  if (end < 0) throw new Incomplete();
  return [stream.slice(at, end), end + 2];
}

const lastOf = (asked: readonly string[]): string => asked.at(-1) ?? '';

function number(stream: string, at: number, octets: number, isLittle: boolean): number {
  if (at + octets > stream.length) throw new Incomplete();
  const all = [...stream.slice(at, at + octets)].map((letter) => letter.charCodeAt(0));
  if (isLittle) all.reverse();
  return all.reduce((value, octet) => value * 256 + octet, 0);
}

// ---- Redis -------------------------------------------------------------------------------------

/** A value of RESP and how it begins: the texts of its first element. */
function respValue(stream: string, at: number): [end: number, first: string] {
  const [head, next] = line(stream, at);
  const count = Number(head.slice(1));
  switch (head[0]) {
    case '$':
    case '!':
    case '=':
      if (count < 0) return [next, ''];
      return [next + count + 2, stream.slice(next, next + count)];
    case '|':
      return respValue(stream, respElements(stream, next, 2 * count)[0]);
    case '*':
    case '~':
    case '>':
      return respElements(stream, next, count);
    case '%':
      return respElements(stream, next, 2 * count);
    default:
      return '+-:_,#('.includes(head[0] ?? '') ? [next, head.slice(1)] : never(head);
  }
}

function respElements(stream: string, at: number, count: number): [end: number, first: string] {
  let end = at;
  let first = '';
  for (let i = 0; i < count; i++) {
    const [next, text] = respValue(stream, end);
    if (i === 0) first = text;
    end = next;
  }
  return [end, first];
}

const PUBLISHED = /^[ps]?message$/;
const CONFIRMATION = /^[ps]?(un)?subscribe$/;
const SUBSCRIPTION = /^\*(\d+)\r\n\$\d+\r\n[ps]?(?:un)?subscribe\r\n/i;

const isSubscription = (request: string): boolean => SUBSCRIPTION.test(request);

const redis = naive((stream, from, asked) => {
  const channels = SUBSCRIPTION.exec(lastOf(asked))?.[1];
  let left = channels === undefined ? 1 : Math.max(1, Number(channels) - 1);
  let at = from;
  while (left > 0) {
    const [end, first] = respValue(stream, at);
    const isPush = stream[at] === '>';
    const isReply = channels === undefined ? !isPush : CONFIRMATION.test(first);
    // Of commands for data a subscriber has none in RESP2, where what is published is no push.
    const isSubscriber = /\r\nPING\r\n$/.test(lastOf(asked)) && asked.some(isSubscription);
    if (isReply && !(isSubscriber && PUBLISHED.test(first))) left--;
    at = end;
  }
  return at;
});

// ---- lines -------------------------------------------------------------------------------------

const replyLines = naive((stream, from) => {
  let at = from;
  for (;;) {
    let [text, next] = line(stream, at);
    const code = /^([1-5]\d\d)([ -]|$)/.exec(text)?.[1] ?? never(text);
    while (!(text === code || text.startsWith(`${code} `))) [text, next] = line(stream, next);
    at = next;
    if (code > '199') return at;
  }
});

const pop3 = naive((stream, from, asked) => {
  const command = lastOf(asked).trimEnd();
  let [text, at] = line(stream, from);
  const isList = /^(RETR|TOP|CAPA)\b/i.test(command) || /^(LIST|UIDL|AUTH)$/i.test(command);
  if (!isList || !text.startsWith('+OK')) return at;
  do [text, at] = line(stream, at);
  while (text !== '.');
  return at;
});

/** A line of IMAP with the literals in it. */
function imapLine(stream: string, at: number): [text: string, next: number] {
  const [text, next] = line(stream, at);
  const literal = /\{(\d+)[+-]?\}$/.exec(text)?.[1];
  if (literal === undefined) return [text, next];
  const [rest, end] = imapLine(stream, next + Number(literal));
  return [`${text} ${rest}`, end];
}

const imap = naive((stream, from, asked) => {
  // What follows a literal's length is no command of its own.
  const commands = asked.filter((_, i) => !/\{\d+\}\r\n$/.test(asked[i - 1] ?? ''));
  const tags = commands.map((text) => /^(\w+) /.exec(text)?.[1]).filter((tag) => tag !== undefined);
  const tag = lastOf(asked) === '' ? '*' : tags.at(-1);
  for (let at = from; ; ) {
    const [text, next] = imapLine(stream, at);
    if (text.startsWith(`${tag} `) || text.startsWith('+ ')) return next;
    at = next;
  }
});

const memcached = naive((stream, from) => {
  for (let at = from; ; ) {
    const [text, next] = line(stream, at);
    const [word, , , bytes] = text.split(' ');
    if (word === 'VA') return next + Number(text.split(' ')[1]) + 2;
    if (word === 'VALUE') at = next + Number(bytes) + 2;
    else if (word === 'STAT' || word === 'ITEM') at = next;
    else return next;
  }
});

// ---- packets -----------------------------------------------------------------------------------

const memcachedBinary = naive((stream, from, asked) => {
  const own = number(lastOf(asked), 12, 4, false);
  for (let at = from; ; ) {
    const bytes = number(stream, at + 8, 4, false);
    const isStatistic = number(stream, at + 1, 1, false) === 0x10 && bytes > 0;
    const isOwn = number(stream, at + 12, 4, false) === own;
    at += 24 + bytes;
    if (isOwn && !isStatistic) return at;
  }
});

const mqtt = naive((stream, from) => {
  for (let at = from; ; ) {
    const type = number(stream, at, 1, false) >> 4;
    let bytes = 0;
    let octet = 0x80;
    at++;
    for (let shift = 0; octet > 0x7f; shift += 7, at++) {
      octet = number(stream, at, 1, false);
      bytes += (octet & 0x7f) << shift;
    }
    at += bytes;
    if (type !== 3 && type !== 6) return at;
  }
});

const STATUS_MORE = 8;
const STATUS_CURSOR = 0x40;

/** The status of an OK packet, behind two numbers of varying length. */
function statusOfOk(payload: string): number {
  let at = 1;
  for (let i = 0; i < 2; i++) {
    const lead = payload.charCodeAt(at);
    at += 1 + (lead < 0xfb ? 0 : ([0, 2, 3, 8][lead - 0xfb] ?? never('a number')));
  }
  return number(payload, at, 2, true);
}

/** Reads packets of MySQL one after the other. */
function mysqlReader(stream: string, from: number) {
  let at = from;
  return {
    end: () => at,
    next: (): string => {
      const bytes = number(stream, at, 3, true);
      const payload = stream.slice(at + 4, at + 4 + bytes);
      at += 4 + bytes;
      if (at > stream.length) throw new Incomplete();
      return payload;
    },
  };
}

const DEPRECATES_EOF = 0x0100_0000;

const mysql = naive((stream, from, asked) => {
  const hasEof = asked.length < 1 || !(number(asked[0] ?? '', 4, 4, true) & DEPRECATES_EOF);
  const packets = mysqlReader(stream, from);
  const request = lastOf(asked);
  const first = packets.next();
  const isCommand = request !== '' && request.charCodeAt(3) === 0;
  const command = isCommand ? request.charCodeAt(4) : null;
  if (command === 0x16) mysqlPrepared(first, packets.next, hasEof);
  else if (command === 0x03 || command === 0x17) mysqlResults(first, packets.next, hasEof);
  else if (command === 0x04 || command === 0x1c) mysqlRows(first, packets.next, hasEof);
  else if (!isCommand && asked.length > 1) {
    // Of a log-in: the server knows the password, and says OK next.
    if (first === '\x01\x03') packets.next();
  }
  return packets.end();
});

function mysqlPrepared(first: string, next: () => string, hasEof: boolean): void {
  if (first[0] === '\xff') return;
  for (const at of [5, 7]) {
    const definitions = number(first, at, 2, true);
    for (let i = 0; i < definitions; i++) next();
    if (definitions > 0 && hasEof) next();
  }
}

function mysqlResults(head: string, next: () => string, hasEof: boolean): void {
  for (let first = head; ; first = next()) {
    if (first[0] === '\xff' || first[0] === '\xfb') return;
    if (first[0] === '\x00') {
      if (!(statusOfOk(first) & STATUS_MORE)) return;
      continue;
    }
    const columns = first[0] === '\xfc' ? number(first, 1, 2, true) : first.charCodeAt(0);
    for (let i = 0; i < columns; i++) next();
    if (hasEof && number(next(), 3, 2, true) & STATUS_CURSOR) return;
    if (!(mysqlRows(next(), next, hasEof) & STATUS_MORE)) return;
  }
}

/** Rows up to their end. @returns the status that it has; 0 of an error */
function mysqlRows(first: string, next: () => string, hasEof: boolean): number {
  for (let row = first; ; row = next()) {
    if (row[0] === '\xff') return 0;
    if (row[0] !== '\xfe') continue;
    if (!hasEof) return statusOfOk(row);
    if (row.length < 8) return number(row, 3, 2, true);
  }
}

const STEP_ENDS = '123CInsT';

const postgresql = naive((stream, from, asked) => {
  const request = lastOf(asked);
  const isEncryption = request.startsWith('\0') && number(request, 4, 4, false) % 65_536 >= 5_679;
  if (isEncryption && stream[from] !== 'E') return from + 1;
  const isLogIn = request.startsWith('\0') || request.startsWith('p');
  const flushed = stepsBeforeFlush(request);
  let left = flushed;
  for (let at = from; ; ) {
    const type = stream[at] ?? '';
    const end = at + 1 + number(stream, at + 1, 4, false);
    if (end > stream.length) throw new Incomplete();
    const code = type === 'R' ? number(stream, at + 5, 4, false) : 0;
    at = end;
    if (type === 'Z' || type === 'G' || type === 'W') return at;
    if (type === 'E' && (isLogIn || flushed > 0)) return at;
    if (code !== 0 && code !== 12) return at;
    if (flushed > 0 && STEP_ENDS.includes(type) && --left === 0) return at;
  }
});

/** Of a request that ends with a Flush: messages that are answered by steps; 0 of others. */
function stepsBeforeFlush(request: string): number {
  let steps = 0;
  let type = '';
  if (request.startsWith('\0')) return 0;
  for (let at = 0; at < request.length; at += 1 + number(request, at + 1, 4, false)) {
    type = request[at] ?? '';
    if ('PBDEC'.includes(type)) steps++;
  }
  return type === 'H' ? steps : 0;
}

/** By the names of `FOLLOWED_PROTOCOLS`; HTTP has a grammar and a twin of its own. */
export const NAIVE_ENDS: Readonly<Record<string, NaiveEnd>> = {
  redis,
  smtp: replyLines,
  ftp: replyLines,
  pop3,
  imap,
  memcached,
  'memcached-binary': memcachedBinary,
  mqtt,
  mysql,
  postgresql,
};
