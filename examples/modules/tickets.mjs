// A module for a protocol in lines: logs in by a digest, and names tickets as the target does. See README.md.
/** @import { ProtocolModule } from 'gryphon/module' */
import { createHmac } from 'node:crypto';

const text = (octets) => Buffer.from(octets ?? []).toString('latin1');
const octets = (line) => Buffer.from(`${line}\n`, 'latin1');

/** @type {(options: { key: string }) => ProtocolModule} */
export default ({ key }) => ({
  name: 'tickets',
  // Step 1, before the run: which messages are written anew, which answers tell what they need.
  plan(session) {
    const messages = Array.from({ length: session.messages }, (_, i) => text(session.message(i)));
    if (!messages[0]?.startsWith('LOGIN ')) return undefined;
    const toldIn = new Map();
    const needs = new Map();
    for (const [i, message] of messages.entries()) {
      const told = /^TICKET (\d+)\n/.exec(text(session.stage(i)))?.[1];
      if (told !== undefined) toldIn.set(told, i);
      const stage = toldIn.get(/^CLOSE (\d+)\n/.exec(message)?.[1]);
      if (stage !== undefined) needs.set(i, stage);
    }
    const reads = [...new Set(needs.values())].sort((a, b) => a - b);
    return { plan: needs, rewrites: [...needs.keys()], reads, dialogueBefore: 1 };
  },
  // Step 2: what is kept for a client, and for each of its connections.
  client: ({ client }) => `load${client}`,
  connection: (name, needs) => ({ name, needs, tickets: new Map() }),
  // Step 3: the log-in, since its digest hangs on what the target says. Lines may come in pieces.
  dialogue({ name }, heard) {
    const [line, ...rest] = text(heard).split('\n');
    if (rest.length === 0) return { taken: 0 };
    const taken = line.length + 1;
    const [word, nonce] = line.split(' ');
    if (word === 'OK') return { taken, resumeAt: 1 };
    if (word !== 'HELLO') return { taken, fail: `the server says: ${line}` };
    const digest = createHmac('sha256', key).update(`${name} ${nonce}`).digest('hex');
    return { taken, send: octets(`LOGIN ${name} ${digest}`) };
  },
  // Step 4: an answer that was asked for.
  onAnswer({ tickets }, stage, answer) {
    tickets.set(stage, /^TICKET (\d+)\n/.exec(text(answer))?.[1]);
  },
  // Step 5: a request that is due. What is not known yet is waited for; what never will be is left out.
  rewrite({ needs, tickets }, message, out) {
    const stage = needs.get(message);
    if (!tickets.has(stage)) return out.isLate ? 'fail' : 'wait';
    if (tickets.get(stage) === undefined) return 'skip';
    out.put(octets(`CLOSE ${tickets.get(stage)}`));
    return 'ready';
  },
  // Step 6: where an answer ends, which nobody else knows of this protocol.
  answerEnd: (_needs, _message, heard) => heard.indexOf(0x0a) + 1 || undefined,
});
