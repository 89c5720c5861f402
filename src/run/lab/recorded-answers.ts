/**
 * What a recorded server would say next, asked by octets alone: any client message of the capture is
 * recognised, and followed by the answer that was recorded behind it. So whoever plays a capture to a
 * socket needs no plan that says which connection plays which session.
 */
import { type Scripts, StreamEnd } from '../../session/script/scripts.ts';
import type { StreamView } from '../../session/script/stream-view.ts';

/** Octets by which a message is known, beside its length. */
const KEY_BYTES_MAX = 1_024;

/** A client message of the capture; `message` is its row in the client's columns. */
interface Place {
  readonly session: number;
  readonly message: number;
}

/** The client messages of a capture by their octets. */
export class RecordedAnswers {
  readonly scripts: Scripts;
  readonly client: StreamView;
  readonly server: StreamView;
  /** The first session in which the server speaks first, or null. */
  readonly greeting: number | null;
  /** By length and first octets; of equal messages the first one. */
  readonly #places = new Map<string, Place>();
  /** Lengths that there are, the longest first. */
  readonly #lengths: readonly number[];

  constructor(
    scripts: Scripts,
    views: { readonly client: StreamView; readonly server: StreamView },
  ) {
    this.scripts = scripts;
    this.client = views.client;
    this.server = views.server;
    this.greeting = findGreeting(scripts);
    const lengths = new Set<number>();
    const { firstMessage, messageEnd } = scripts.client;
    for (let session = 0; session < scripts.sessions; session++) {
      for (let message = firstMessage[session]; message < firstMessage[session + 1]; message++) {
        const start = this.startOf({ session, message });
        const length = messageEnd[message] - start;
        const octets = Buffer.alloc(Math.min(length, KEY_BYTES_MAX));
        this.client.read(session, start, octets);
        const key = keyOf(octets, length);
        if (!this.#places.has(key)) this.#places.set(key, { session, message });
        lengths.add(length);
      }
    }
    this.#lengths = [...lengths].sort((a, b) => b - a);
  }

  /** The longest message that `octets` begin with; null: none does. */
  find(octets: Buffer): Place | null {
    for (const length of this.#lengths) {
      if (length > octets.length) continue;
      const place = this.#places.get(keyOf(octets, length));
      if (place !== undefined) return place;
    }
    return null;
  }

  /** Stream offset of a message's first octet. */
  startOf({ session, message }: Place): number {
    const { firstMessage, messageEnd } = this.scripts.client;
    return message === firstMessage[session] ? 0 : messageEnd[message - 1];
  }
}

function findGreeting({ sessions, server }: Scripts): number | null {
  for (let session = 0; session < sessions; session++) {
    const first = server.firstMessage[session];
    const isThere = first < server.firstMessage[session + 1];
    if (isThere && server.messageAwait[first] === 0) return session;
  }
  return null;
}

const keyOf = (octets: Buffer, length: number): string =>
  `${length}:${octets.toString('latin1', 0, Math.min(length, KEY_BYTES_MAX))}`;

/** How the recorded server's side of a connection stands. */
export type RecordedEnd = 'open' | 'fin' | 'rst';

/** One connection to the recorded server; sans-IO. */
export class RecordedConversation {
  readonly #answers: RecordedAnswers;
  /** What came and belongs to no message yet. */
  #held: Buffer[] = [];
  #heldBytes = 0;
  /** With fewer octets than this nothing new can be said. */
  #wantedBytes = 0;
  /** The message that is expected next; null before the first one is known. */
  #next: Place | null = null;
  /** Row of the server's message that is next. */
  #serverMessage = 0;
  /** Octets of the session's client stream that have come. */
  #taken = 0;

  constructor(answers: RecordedAnswers) {
    this.#answers = answers;
  }

  /** A connection has been made. @returns what a server says that speaks first */
  onOpen(): Buffer[] {
    const { greeting, scripts } = this.#answers;
    if (greeting === null) return [];
    this.#next = { session: greeting, message: scripts.client.firstMessage[greeting] };
    this.#serverMessage = scripts.server.firstMessage[greeting];
    return this.#due();
  }

  /** Octets of the client, in order. @returns what is to be sent, in pieces */
  onOctets(octets: Buffer): Buffer[] {
    this.#held.push(octets);
    this.#heldBytes += octets.length;
    const pieces: Buffer[] = [];
    while (this.#heldBytes > 0 && this.#heldBytes >= this.#wantedBytes && this.#take()) {
      pieces.push(...this.#due());
    }
    return pieces;
  }

  /** How the server's stream stands, after what was due has been sent. */
  endOf(hasClientEnded: boolean): RecordedEnd {
    const next = this.#next;
    if (next === null) return hasClientEnded ? 'fin' : 'open';
    const { server } = this.#answers.scripts;
    const { session } = next;
    const isSaid = this.#serverMessage >= server.firstMessage[session + 1];
    const isReady =
      isSaid &&
      this.#taken >= server.endAwait[session] &&
      (server.endAfterPeer[session] === 0 || hasClientEnded);
    if (isReady && server.end[session] === StreamEnd.RST) return 'rst';
    if (isReady && server.end[session] === StreamEnd.FIN) return 'fin';
    // A server reads the end of its input and closes.
    return hasClientEnded ? 'fin' : 'open';
  }

  /** Forgets what came and is no message of the capture, where it looks like this. @returns whether */
  forgetUnknown(pattern: RegExp): boolean {
    if (!pattern.test(this.#joined().toString('latin1', 0, KEY_BYTES_MAX))) return false;
    this.#hold(Buffer.alloc(0));
    return true;
  }

  #joined(): Buffer {
    const all = Buffer.concat(this.#held);
    this.#held = [all];
    return all;
  }

  #hold(rest: Buffer): void {
    this.#held = rest.length === 0 ? [] : [rest];
    this.#heldBytes = rest.length;
    this.#wantedBytes = 0;
  }

  /** Takes the message that what is held begins with; false: there is none yet. */
  #take(): boolean {
    const held = this.#joined();
    const expected = this.#expectedBytes(held);
    if (expected > held.length) {
      this.#wantedBytes = expected;
      return false;
    }
    if (expected === 0) {
      const place = this.#answers.find(held);
      if (place === null) return false;
      this.#goTo(place);
    }
    const next = this.#next;
    if (next === null) return false;
    const end = this.#answers.scripts.client.messageEnd[next.message];
    this.#hold(held.subarray(end - this.#answers.startOf(next)));
    this.#taken = end;
    this.#next = { session: next.session, message: next.message + 1 };
    return true;
  }

  /** Length of the session's next message where what is held begins like it; 0 where it does not. */
  #expectedBytes(held: Buffer): number {
    const next = this.#next;
    const { client, scripts } = this.#answers;
    if (next === null || next.message >= scripts.client.firstMessage[next.session + 1]) return 0;
    const start = this.#answers.startOf(next);
    const length = scripts.client.messageEnd[next.message] - start;
    const recorded = Buffer.alloc(Math.min(length, held.length));
    client.read(next.session, start, recorded);
    return recorded.equals(held.subarray(0, recorded.length)) ? length : 0;
  }

  /** Goes to a message, wherever in the capture: what came before it in its session counts as said. */
  #goTo(place: Place): void {
    const { server } = this.#answers.scripts;
    const before = this.#answers.startOf(place);
    const isGreeted = this.#next !== null && this.#taken === 0;
    const last = server.firstMessage[place.session + 1];
    let row = server.firstMessage[place.session];
    // A session that the server begins is played from its beginning only where nothing was said yet.
    const said = before === 0 && !isGreeted ? -1 : before;
    while (row < last && server.messageAwait[row] <= said) row++;
    this.#next = place;
    this.#serverMessage = row;
    this.#taken = before;
  }

  /** The server's messages that waited for what has been taken, as octets. */
  #due(): Buffer[] {
    const next = this.#next;
    if (next === null) return [];
    const { scripts, server } = this.#answers;
    const { firstMessage, messageAwait, messageEnd } = scripts.server;
    const from = this.#serverMessage;
    const last = firstMessage[next.session + 1];
    let row = from;
    while (row < last && messageAwait[row] <= this.#taken) row++;
    this.#serverMessage = row;
    if (row === from) return [];
    const start = from === firstMessage[next.session] ? 0 : messageEnd[from - 1];
    const octets = Buffer.alloc(messageEnd[row - 1] - start);
    server.read(next.session, start, octets);
    return [octets];
  }
}
