/** What a client's message is to whoever answers what a live server says of its own accord; bits. */
export const ReplyMark = {
  /** It ends where the protocol may be spoken on: something else may be said behind it. */
  WHOLE: 1,
  /** It is nothing but answers to what the recorded server said so. */
  REPLY: 2,
  /** It begins and ends so, or with the client's leave, and some of it is such answers. */
  MIXED: 4,
} as const;
