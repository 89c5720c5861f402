/** The parts of the HTML report that are text: verdict, figures, tables. */
import { NS_PER_SECOND } from '../../base/time.ts';
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatNumber,
  formatRate,
} from '../../base/units.ts';
import { failedUsers } from '../../measure/ledger.ts';
import type { RunResult } from '../../measure/result.ts';
import { EXPLANATIONS } from '../explanations.ts';
import {
  formatMs,
  nonZero,
  paceText,
  reasonsText,
  shareText,
  targetText,
  words,
} from '../format.ts';
import { latencyMeanings, latencyTable } from '../latency-figures.ts';
import { verdictOf } from '../verdict.ts';
import { captureFact, commandFact, headCard, thresholdTable, timeMarkup } from './head-card.ts';
import { factTable, html, type Markup, table } from './markup.ts';

/** The verdict, in a word or two. */
const WORDS = { good: 'Passed', mixed: 'Look before you trust it', bad: 'Failed' } as const;

/** Verdict, what was played against what, when, and by which command. */
export function headerSection(result: RunResult): Markup {
  const { level, headline, caveat } = verdictOf(result);
  const { capture, plan, startedAt, version, command, faults, generator } = result;
  return headCard({
    level,
    word: WORDS[level],
    headline,
    caveat,
    facts: [
      captureFact(capture.files),
      ['Target', targetText(plan)],
      ['Started', html`${timeMarkup(startedAt)}, ${durationText(result)}`],
      ['Version', version],
      commandFact(command),
    ],
    notes: [...faults, ...generator.warnings],
    notesName: 'Warnings',
  });
}

function durationText({ durationSeconds, wallSeconds, clock }: RunResult): string {
  const duration = formatDuration(durationSeconds * NS_PER_SECOND);
  if (clock === 'real') return `took ${duration}`;
  return `${duration} of virtual time in ${formatDuration(wallSeconds * NS_PER_SECOND)}`;
}

/** The figures that one looks at first, and the thresholds. */
export function figuresSection(result: RunResult): Markup {
  const { users, clients, rates, latency, exchanges, generator } = result;
  const failed = failedUsers(users);
  const who = clients === null ? 'users' : 'connections';
  const ofAnswers = (note: string): string =>
    exchanges.answered === 0 ? 'nothing was answered' : note;
  const cards = [
    ...(clients === null
      ? []
      : [
          card(
            'clients completed',
            formatCount(clients.completed),
            `of ${formatCount(clients.planned)}`,
          ),
        ]),
    card(`${who} completed`, formatCount(users.completed), `of ${formatCount(users.planned)}`),
    card(`${who} failed`, formatCount(failed), shareText(failed, users.planned), failed > 0),
    card(
      'requests answered',
      formatCount(exchanges.answered),
      `${formatRate(rates.achieved)}${rates.recorded === 0 ? '' : `, ${shareText(rates.achieved, rates.recorded)} of the recorded rate`}`,
    ),
    card(
      'response, median',
      formatMs(latency.response.p50),
      ofAnswers('half of the answers were faster'),
    ),
    card('response, p99', formatMs(latency.response.p99), ofAnswers('one of a hundred was slower')),
    card(
      'response, longest',
      formatMs(latency.response.max),
      ofAnswers(`of ${formatCount(latency.response.count)}`),
    ),
    card(
      "generator's lag, p99",
      formatMs(latency.lag.p99),
      generator.fellBehind
        ? 'above its bound: it fell behind'
        : exchanges.sent === 0
          ? 'nothing was sent'
          : 'the generator kept its plan',
      generator.fellBehind,
    ),
  ];
  return html`<section id="figures" aria-labelledby="figures-title" tabindex="-1">
<h2 id="figures-title">Figures</h2>
<ul class="cards">
${cards}</ul>
${thresholdTable(result.thresholds)}</section>`;
}

const card = (name: string, figure: string, note: string, isBad = false): Markup =>
  html`<li class="${isBad ? 'card bad' : 'card'}"><span class="name">${name}</span><strong>${figure}</strong><span class="note">${note}</span></li>
`;

/** Everything else that the result knows, as tables. */
export function tablesSection(result: RunResult): Markup {
  const [head = [], ...rows] = latencyTable(result.latency);
  const meanings = html`<details><summary>From when to when each latency is measured</summary>
<dl>${latencyMeanings(result.latency).map(([name, meaning]) => html`<dt>${name}</dt><dd>${meaning}</dd>`)}</dl>
</details>`;
  return html`<section aria-labelledby="tables">
<h2 id="tables">Tables</h2>
${table('Latency', head, rows)}${meanings}
<div class="pairs">
${table('Users, by how they ended', ['state', 'users', 'share', 'why'], userRows(result), ['why'])}
${table('Answers', ['', 'count', 'share'], answerRows(result))}
${table('Packets lost, repeated or of no use', ['reason', 'packets'], lossRows(result))}
${factTable('Plan', planRows(result))}
${factTable('Environment', environmentRows(result))}
</div>
<details><summary>What the figures mean</summary>
<dl>${EXPLANATIONS.map(({ name, text }) => html`<dt>${name}</dt><dd>${text(result)}</dd>`)}</dl>
</details>
</section>`;
}

const STATES = ['completed', 'refused', 'reset', 'timedOut', 'aborted', 'live', 'waiting'] as const;

function userRows({ users }: RunResult): string[][] {
  const { completedWithFailures, unackedFin, reasons } = users;
  const why = new Map(
    Object.entries({ ...reasons, completed: { completedWithFailures, unackedFin } }),
  );
  return STATES.filter((state) => state === 'completed' || users[state] > 0).map((state) => [
    words(state),
    formatCount(users[state]),
    shareText(users[state], users.planned),
    reasonsText(why.get(state) ?? {}),
  ]);
}

function answerRows({ exchanges, answerRules }: RunResult): string[][] {
  const { answered, unanswered, unsent, unsolicited, otherLength, failed, statuses } = exchanges;
  const { mismatched, mismatchedBy, unchecked, unfollowed } = exchanges;
  const { pingsAnswered, pushesAnswered } = exchanges;
  const of = (name: string, count: number): string[] => [
    name,
    formatCount(count),
    shareText(count, answered),
  ];
  return [
    ['requests that came due', formatCount(exchanges.intended), ''],
    ['requests sent', formatCount(exchanges.sent), ''],
    ['never sent', formatCount(unsent), ''],
    ['sent and not answered', formatCount(unanswered), ''],
    ['the target spoke unasked', formatCount(unsolicited), ''],
    ...nonZero({
      'its pings that were answered': pingsAnswered,
      'its pushes that were answered': pushesAnswered,
    }).map(([what, count]) => [what, formatCount(count), '']),
    of('answered', answered),
    ...nonZero(statuses).map(([status, count]) => of(`status ${status}`, count)),
    of('of another class of status than recorded', failed),
    of('whole, of another length than recorded', otherLength),
    of('not as their protocol has it, or cut off by the snap length', unfollowed),
    of('unlike the recorded ones', mismatched),
    ...nonZero(mismatchedBy).map(([kind, count]) => of(`unlike in ${kind}`, count)),
    of('that could not be checked', unchecked),
    ...nonZero(answerRules).map(([rule, count]) => of(`end told by: ${rule}`, count)),
  ];
}

function lossRows({ packets }: RunResult): string[][] {
  const { retransmitted, synRetransmitted, dropped } = packets;
  const rows = nonZero({ retransmitted, synRetransmitted, ...dropped });
  return rows.length === 0
    ? [['none', '0']]
    : rows.map(([reason, count]) => [words(reason), formatCount(count)]);
}

function planRows({ plan, capture, users }: RunResult): [string, string][] {
  const { total, replayable, skipped } = capture.sessions;
  return [
    ['sessions in the capture', formatCount(total)],
    ['of them replayable', formatCount(replayable)],
    ...nonZero(skipped).map(([reason, count]): [string, string] => [
      `skipped: ${reason}`,
      formatCount(count),
    ]),
    ['users', formatCount(plan.users)],
    ['plays', formatCount(users.planned)],
    ['clients', plan.clients],
    ['target', plan.target],
    ['replies by', plan.mode],
    ['pace', paceText(plan.pace)],
    ['acceleration', formatNumber(plan.accel)],
    ['arrivals', plan.arrivals],
    ['seed', String(plan.seed)],
  ];
}

function environmentRows({
  generator,
  version,
  wallSeconds,
  ...result
}: RunResult): [string, string][] {
  const busy = wallSeconds > 0 ? formatNumber(generator.cpuSeconds / wallSeconds) : '-';
  return [
    ['gryphon', version],
    ['clock', result.clock],
    ['wall time', formatDuration(wallSeconds * NS_PER_SECOND)],
    ['threads', formatCount(generator.threads)],
    ['cores busy', busy],
    ['memory at most', formatBytes(generator.peakRssBytes)],
    ['state a user', `${result.stateBytesPerUser} bytes`],
    ['payload sent', formatBytes(result.bytes.sent)],
    ['payload received', formatBytes(result.bytes.received)],
    ['packets sent', formatCount(result.packets.sent)],
    ['packets received', formatCount(result.packets.received)],
    ...generator.notes.map((note): [string, string] => ['note', note]),
  ];
}
