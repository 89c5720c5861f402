/** What the clients of a capture asked for, taken apart by these tests' own means. */

/** One HTTP request: enough to find it again in an access log. */
export interface HttpRequest {
  readonly method: string;
  readonly uri: string;
  /** Request line, headers and body. */
  readonly bytes: number;
  readonly body: Buffer;
}

/** The requests of a client's stream: headers, then as many octets as Content-Length says. */
export function httpRequests(stream: Buffer): HttpRequest[] {
  const requests: HttpRequest[] = [];
  for (let at = 0; at < stream.length; ) {
    const headersEnd = stream.indexOf('\r\n\r\n', at);
    if (headersEnd < 0) throw new Error('a request without an end');
    const head = stream.toString('latin1', at, headersEnd);
    const [method = '', uri = ''] = head.split(' ', 2);
    const bodyStart = headersEnd + 4;
    const end = bodyStart + Number(/^content-length: *(\d+)/im.exec(head)?.at(1) ?? 0);
    requests.push({ method, uri, bytes: end - at, body: stream.subarray(bodyStart, end) });
    at = end;
  }
  return requests;
}

/** The names of a stream's redis commands in order, in lower case: `config|get` with its second word. */
export function redisCommands(stream: Buffer): string[] {
  const commands: string[] = [];
  for (let at = 0; at < stream.length; ) {
    const count = header(stream, at, '*');
    at = count.next;
    const words: string[] = [];
    for (let word = 0; word < count.value; word++) {
      const bytes = header(stream, at, '$');
      words.push(stream.toString('latin1', bytes.next, bytes.next + bytes.value));
      at = bytes.next + bytes.value + 2;
    }
    const [name = '', second = ''] = words.map((word) => word.toLowerCase());
    // INFO commandstats keeps the subcommands of these apart.
    commands.push(['config', 'client', 'command'].includes(name) ? `${name}|${second}` : name);
  }
  return commands;
}

/** The texts of a stream's COM_QUERY packets (MariaDB's client protocol), in order. */
export function mysqlQueries(stream: Buffer): string[] {
  const COM_QUERY = 0x03;
  const queries: string[] = [];
  for (let at = 0; at < stream.length; ) {
    const bytes = stream.readUIntLE(at, 3);
    const sequence = stream[at + 3];
    const start = at + 4;
    // A command is the first packet of its exchange; the login is not.
    if (sequence === 0 && stream[start] === COM_QUERY) {
      queries.push(stream.toString('utf8', start + 1, start + bytes));
    }
    at = start + bytes;
  }
  return queries;
}

function header(stream: Buffer, at: number, kind: string): { value: number; next: number } {
  const end = stream.indexOf('\r\n', at);
  if (end < 0 || stream.toString('latin1', at, at + 1) !== kind) {
    throw new Error(`expected ${kind} at ${at} of a redis stream`);
  }
  return { value: Number(stream.toString('latin1', at + 1, end)), next: end + 2 };
}
