/** How often each of some texts occurs: what was sent against what arrived. */
export type Tally = Map<string, number>;

/** Counts equal texts. */
export function tally(texts: Iterable<string>): Tally {
  const counts: Tally = new Map();
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1);
  return counts;
}

/**
 * What `users` users bring when they play these sessions in turn: user 0 the first, user 1 the
 * second, and from the beginning again after the last.
 */
export function playedInTurn<Session>(sessions: readonly Session[], users: number): Session[] {
  return Array.from({ length: users }, (_, user) => {
    const session = sessions[user % sessions.length];
    if (session === undefined) throw new Error('there are no sessions to play');
    return session;
  });
}
