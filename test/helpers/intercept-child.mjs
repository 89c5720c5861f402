/**
 * A source in a process of its own, to be killed: `node intercept-child.mjs MODE OPTIONS RANGES`,
 * the last two as JSON; RANGES are pairs of a first address and a count, with a target each.
 * It says `ready` when they are registered, and takes packets until it is ended.
 */
import './typescript.mjs';

const { openSource } = await import('../../src/io/intercept/intercept-source.ts');
const { rangeOf, registrationOf, targetOf } = await import('./raw-client.ts');

const [mode, options, registrations] = process.argv.slice(2);
const source = openSource(mode, JSON.parse(options));
source.setRegistrations(
  JSON.parse(registrations).map(({ first, count, target, port }, id) =>
    registrationOf(id, [rangeOf(first, count)], [targetOf(target, port)]),
  ),
);
let taken = 0;
setInterval(() => {
  taken += source.receive(1_024, { onPacket: () => undefined });
}, 5);
process.once('SIGTERM', () => {
  source.close();
  process.stdout.write(`closed after ${taken}\n`);
  process.exit(0);
});
process.stdout.write(`ready\n${source.describe().join('\n')}\n`);
