/** The module of the rewriting bench: puts `slots` values of the client's own into each request. */
export default ({ slots }) => ({
  name: `${slots} slots`,
  plan({ messages }) {
    if (slots === 0) return undefined;
    return { plan: null, rewrites: Array.from({ length: messages }, (_, i) => i), reads: [] };
  },
  client: ({ client }) => Buffer.from(`${client}`.padStart(8, '0')),
  connection: (value) => value,
  rewrite(value, _message, out) {
    // Behind the request line, in a header that is there already.
    const at = out.recorded.length - 4;
    out.copy(0, at);
    for (let slot = 0; slot < slots; slot++) out.put(value);
    out.copy(at, out.recorded.length);
    return 'ready';
  },
});
