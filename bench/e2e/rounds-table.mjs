/** The sizes that benches of whole replays take, and the table of best and median that they print. */
import { parseArgs } from 'node:util';
import { moved } from '../figures.mjs';
import { describeMachine } from '../machine.mjs';

/** @returns rounds, requestsPerUser and users, as the command line or its `--smoke` has them */
export function readSizes() {
  const { values } = parseArgs({
    options: {
      smoke: { type: 'boolean', default: false },
      rounds: { type: 'string', default: '5' },
      requests: { type: 'string', default: '2000' },
      users: { type: 'string', default: '1000' },
    },
  });
  return {
    rounds: values.smoke ? 1 : Number(values.rounds),
    requestsPerUser: values.smoke ? 10 : Number(values.requests),
    users: values.smoke ? 20 : Number(values.users),
  };
}

/** A round's figures in a phrase. */
export const phrase = ({ perSecond, cpu }) =>
  `${Math.round(perSecond)} requests/s ${cpu.toFixed(2)} µs`;

/**
 * Prints the day, the machine, the sizes (requests are called `what`), and a row for each client.
 * @param measured by client: its rounds, as of page-clients.mjs
 * @param others CPU figures besides the client's: a heading and how to get it from a round, where
 *   null is a dash
 */
export function printTable(
  measured,
  { rounds, requestsPerUser, users, what = 'GETs' },
  others = [],
) {
  const at = describeMachine();
  process.stdout.write(`${new Date().toISOString().slice(0, 10)}, ${at}\n`);
  process.stdout.write(
    `${rounds} rounds, ${users} connections, ${requestsPerUser} ${what} each\n\n`,
  );
  const costs = [{ heading: 'CPU µs/request', pick: ({ cpu }) => cpu }, ...others];
  const headings = costs.flatMap(({ heading }) => [`${heading} best`, 'median']);
  printRow(['client', 'requests/s best', 'median', ...headings]);
  process.stdout.write(`|${'---|'.repeat(3 + headings.length)}\n`);
  for (const [name, runs] of Object.entries(measured)) {
    const rates = runs.map(({ perSecond }) => moved(`${name}: requests/s`, perSecond));
    const figures = [Math.max(...rates), median(rates)];
    const micros = costs.flatMap(({ heading, pick }) =>
      bestAndMedian(runs.map(pick), `${name}: ${heading}`),
    );
    printRow([name, ...figures.map((rate) => Math.round(rate).toLocaleString('en')), ...micros]);
  }
}

/** The middle of some figures, or of the middle two what is between them. */
export function median(figures) {
  const sorted = [...figures].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return (sorted[Math.floor(middle - 0.5)] + sorted[Math.floor(middle)]) / 2;
}

function bestAndMedian(costs, what) {
  if (costs.includes(null)) return ['–', '–'];
  for (const cost of costs) moved(what, cost);
  return [Math.min(...costs), median(costs)].map((cost) => cost.toFixed(2));
}

function printRow(cells) {
  process.stdout.write(`| ${cells.join(' | ')} |\n`);
}
