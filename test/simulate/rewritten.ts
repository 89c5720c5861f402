/**
 * Sessions some of whose messages a module writes anew: the module, and what the servers have to get by
 * a plain replacement of octets, worked out apart from it.
 */
import { hash32, Prng } from '../../src/base/prng.ts';
import type { ProtocolModule } from '../../src/rewrite/module.ts';
import type { Session } from './scenario.ts';

/** What is written instead of recorded octets is cut from these. */
const OTHERS = Uint8Array.from(
  { length: 1 << 13 },
  (_, i) => (Math.imul(i, 0x85eb_ca6b) >>> 23) ^ 7,
);
const REPLACED_BYTES_MAX = 1_500;

/** So many recorded octets from there on give way to others. */
interface Replacement {
  readonly at: number;
  readonly bytes: number;
  readonly others: Uint8Array;
}

const keyOf = (rewriting: number, session: number, message: number, user: number): number =>
  hash32(hash32(rewriting, session * 64 + message), user);

/** Whether the session's message is written anew: the same for all users. */
const isWritten = (rewriting: number, session: number, message: number): boolean =>
  hash32(rewriting, session * 64 + message) % 3 !== 0;

/** In ascending order; the message is not empty afterwards. */
function replacementsOf(bytes: number, key: number): readonly Replacement[] {
  const prng = new Prng(key);
  const below = (end: number): number => prng.nextUint32() % end;
  const replacements: Replacement[] = [];
  // The first octet stays, so that something does.
  for (let at = 1 + below(bytes); at <= bytes; at += 1 + below(bytes)) {
    const replaced = Math.min(below(40), bytes - at);
    const length = [0, replaced, below(40), below(REPLACED_BYTES_MAX)][below(4)];
    const from = below(OTHERS.length - REPLACED_BYTES_MAX);
    replacements.push({ at, bytes: replaced, others: OTHERS.subarray(from, from + length) });
    at += replaced;
  }
  return replacements;
}

/** The module of a run. @param rewriting what the replacements are drawn with */
export function splicing(rewriting: number): ProtocolModule<number, number, [number, number]> {
  return {
    name: 'splicing',
    plan: ({ session, messages }) => {
      const all = Array.from({ length: messages }, (_, i) => i);
      return {
        plan: session,
        rewrites: all.filter((message) => isWritten(rewriting, session, message)),
        reads: [...all, messages].filter((stage) => (rewriting + stage) % 2 === 0),
      };
    },
    client: ({ client }) => client,
    connection: (client, session) => [session, client],
    onAnswer: () => undefined,
    rewrite: ([session, user], message, out) => {
      const { recorded } = out;
      let at = 0;
      for (const each of replacementsOf(
        recorded.length,
        keyOf(rewriting, session, message, user),
      )) {
        out.copy(at, each.at);
        out.put(each.others);
        at = each.at + each.bytes;
      }
      out.copy(at, recorded.length);
      return 'ready';
    },
  };
}

/** A message as the server has to get it. */
function replaced(recorded: Uint8Array, replacements: readonly Replacement[]): Uint8Array {
  // From the end on, so that places stay what they are.
  return replacements
    .toReversed()
    .reduce<Uint8Array>(
      (text, { at, bytes, others }) =>
        Buffer.concat([text.subarray(0, at), others, text.subarray(at + bytes)]),
      recorded,
    );
}

/**
 * A session as that user plays it, and its client's stream.
 * @param number the session's, @param recorded its client's stream
 */
export function rewrittenSession(
  rewriting: number,
  user: number,
  { number, session, recorded }: { number: number; session: Session; recorded: Uint8Array },
): { readonly session: Session; readonly expected: Uint8Array } {
  const texts: Uint8Array[] = [];
  const ends: { readonly recorded: number; readonly written: number }[] = [];
  let [from, written] = [0, 0];
  for (const { from: who, bytes } of session.messages) {
    if (who !== 'client') continue;
    const octets = recorded.subarray(from, from + bytes);
    const message = texts.length;
    const text = isWritten(rewriting, number, message)
      ? replaced(octets, replacementsOf(bytes, keyOf(rewriting, number, message, user)))
      : octets;
    texts.push(text);
    from += bytes;
    written += text.length;
    ends.push({ recorded: from, written });
  }
  let message = 0;
  const messages = session.messages.map((each) =>
    each.from === 'client'
      ? { ...each, bytes: texts[message++].length }
      : { ...each, awaits: awaitedOf(each.awaits, ends) },
  );
  return { session: { ...session, messages }, expected: Buffer.concat(texts) };
}

/** How much of what is written a server waits for that has waited for so much of what was recorded. */
function awaitedOf(
  awaits: number,
  ends: readonly { readonly recorded: number; readonly written: number }[],
): number {
  const last = ends.findIndex(({ recorded }) => recorded >= awaits);
  if (awaits === 0 || last < 0) return 0;
  const before = ends[last - 1] ?? { recorded: 0, written: 0 };
  const isWhole = awaits === ends[last].recorded;
  const within = Math.min(awaits - before.recorded, ends[last].written - before.written);
  return isWhole ? ends[last].written : before.written + within;
}
