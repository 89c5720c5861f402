/** The tables of `gryphon inspect`. */
import { NS_PER_MS } from '../base/time.ts';
import { formatBytes, formatCount, formatDuration, formatPercentage } from '../base/units.ts';
import { correlationLines } from './correlation-text.ts';
import { nonZero } from './format.ts';
import type {
  ClientReport,
  FileReport,
  InspectDocument,
  ProtocolReport,
  RewritingReport,
  SessionReport,
  Spread,
} from './inspect-document.ts';
import { hanging } from './layout.ts';
import { tables } from './tables.ts';

/** More servers than this are summed up in one line; `--json` has them all. */
const SERVERS_MAX = 20;
/** The same of what was recognised. */
const HINTS_MAX = 10;

/** What the reasons of the document mean; a reason that is not here is shown as it is. */
const SESSION_REASONS: ReadonlyMap<string, string> = new Map([
  ['not-selected', 'left out by the selection'],
  ['no-syn', 'the capture began in their middle'],
  ['server-only', 'only the server was captured: there is nothing to play'],
  ['one-sided', 'only the client was captured: --include one-sided plays it'],
  ['no-syn-ack', 'refused, or never answered'],
  ['no-client-data', 'the client sent nothing'],
  ['ssh', 'encrypted with SSH: cannot be replayed'],
  ['tls', 'encrypted with TLS: cannot be replayed'],
  ['truncated', "the client's payload was cut by the snap length"],
  ['client-hole', "some of the client's bytes were not captured"],
  ['server-hole', "some of the server's bytes were not captured"],
  ['too-long', '4 GiB or more in one direction'],
  ['too-many-servers', 'more servers than a run can hold'],
]);

/** Reasons that say of a packet that it is another protocol's; any other may hide a segment. */
const OTHER_PROTOCOLS: ReadonlySet<string> = new Set([
  'arp',
  'not-ip',
  'udp',
  'icmp',
  'other-protocol',
]);

/**
 * Files, sessions and servers as tables; one more with a row a session when there is a list.
 * @param columns of the terminal that it is for: tables that are wider are shown in parts, one below
 *   the other; `null`: nobody minds
 */
export function inspectText(document: InspectDocument, columns: number | null = null): string {
  const room = columns === null ? Number.POSITIVE_INFINITY : Math.max(columns, COLUMNS_MIN);
  const text = (lines: readonly string[]) => lines.flatMap((line) => fitted(line, room));
  const blocks = [
    text(document.files.flatMap(fileLines)),
    text(sessionLines(document)),
    serverLines(document, room),
    text(hintLines(document.hints ?? [])),
    text(document.rewriting === undefined ? [] : rewritingLines(document.rewriting)),
    document.correlation === undefined ? [] : correlationLines(document.correlation, room),
    document.sessionList === undefined ? [] : listLines(document.sessionList, room),
  ];
  return blocks
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.map((line) => `${line.trimEnd()}\n`).join(''))
    .join('\n');
}

/** Narrower than this nothing is made; the terminal breaks the lines. */
const COLUMNS_MIN = 40;

/** A line broken to the room that there is, below its text where it has a name in front. */
function fitted(line: string, room: number): readonly string[] {
  if (line.length <= room) return [line];
  const [head = ''] = /^(?:! | +\S+ {2,}|\S+ {2,})/.exec(line) ?? [];
  return hanging(head, line.slice(head.length), room);
}

function fileLines(file: FileReport): string[] {
  const filtered = file.skippedPackets.filtered ?? 0;
  const tcp = `${formatCount(file.tcpPackets)} of ${filtered > 0 ? 'these' : 'them'} TCP`;
  const passed = `${formatCount(file.packets - filtered)} of them pass the filter, `;
  const counts = `${formatCount(file.packets)} packets, ${filtered > 0 ? passed : ''}${tcp}`;
  const packed = file.compression === null ? '' : ` in ${file.compression}`;
  const lines = [`${file.file}: ${file.format}${packed}, ${formatBytes(file.bytes)}, ${counts}`];
  if (file.firstTimestamp !== null && file.lastTimestamp !== null) {
    const span = `${utc(file.firstTimestamp)} to ${utc(file.lastTimestamp)}`;
    const seconds = Number(file.lastTimestamp) - Number(file.firstTimestamp);
    lines.push(`  recorded  ${span} (${formatDuration(Math.max(0, seconds) * 1e9)})`);
  }
  const times = [
    [file.strayTimestamps, 'far from those around them'],
    [file.clockStepsBack, 'steps back of the clock'],
  ] as const;
  const odd = times.filter(([count]) => count > 0);
  if (odd.length > 0) {
    lines.push(
      `  times     ${odd.map(([count, what]) => `${formatCount(count)} ${what}`).join(', ')}`,
    );
  }
  const skipped = nonZero(file.skippedPackets).filter(([reason]) => reason !== 'filtered');
  const reasonsOf = (isOther: boolean): string =>
    skipped
      .filter(([reason]) => OTHER_PROTOCOLS.has(reason) === isOther)
      .map(([reason, count]) => `${reason} ${formatCount(count)}`)
      .join(', ');
  const others = reasonsOf(true);
  const unread = reasonsOf(false);
  if (others !== '') lines.push(`  not TCP   ${others}`);
  if (unread !== '') lines.push(`  not read  ${unread}`);
  if (file.truncatedPackets > 0) {
    lines.push(`  cut       ${formatCount(file.truncatedPackets)} packets by the snap length`);
  }
  if (file.damage !== null) {
    lines.push(`  damaged   at byte ${formatCount(file.damage.offset)}: ${file.damage.reason}`);
  }
  return lines;
}

/** Seconds since 1970 as a date with microseconds. */
function utc(timestamp: string): string {
  const [seconds, fraction = ''] = timestamp.split('.');
  const date = new Date(Number(seconds) * 1000);
  if (Number.isNaN(date.getTime())) return `${timestamp} s`;
  const text = date.toISOString().replace('T', ' ').replace('.000Z', '');
  return `${text}.${fraction.slice(0, 6)} UTC`;
}

function sessionLines({ sessions, servers, clients }: InspectDocument): string[] {
  const { total, replayable } = sessions;
  const share = total === 0 ? '' : ` (${formatPercentage(replayable / total)})`;
  const lines = [
    `Sessions: ${formatCount(total)}, ${formatCount(replayable)} of them replayable${share}`,
  ];
  const payload = servers.reduce(
    (sum, { clientBytes, serverBytes }) => sum + clientBytes + serverBytes,
    0,
  );
  const replayed = servers.reduce((sum, { replayableBytes }) => sum + replayableBytes, 0);
  if (payload > 0) {
    const part = `${formatBytes(replayed)} of ${formatBytes(payload)}`;
    lines.push(
      `Payload:  ${part} in replayable sessions (${formatPercentage(replayed / payload)})`,
    );
  }
  if (clients !== undefined && clients.count > 0) lines.push(`Clients:  ${clientsText(clients)}`);
  const skipped = nonZero(sessions.skipped);
  const width = Math.max(0, ...skipped.map(([, count]) => formatCount(count).length));
  const nameWidth = Math.max(0, ...skipped.map(([reason]) => reason.length));
  for (const [reason, count] of skipped) {
    const meaning = SESSION_REASONS.get(reason) ?? '';
    lines.push(`  ${formatCount(count).padStart(width)} ${reason.padEnd(nameWidth)}  ${meaning}`);
  }
  const isAnySelected = total > (sessions.skipped['not-selected'] ?? 0);
  if (isAnySelected && servers.length === 0) lines.push('  no server was found');
  return lines;
}

/** Who had the replayable sessions. */
function clientsText({ count, sessionsMedian, sessionsMax }: ClientReport): string {
  const many = `${formatCount(count)} ${count === 1 ? 'address' : 'addresses'}`;
  if (sessionsMax === 1) return `${many} with one replayable session each`;
  const most = formatCount(sessionsMax);
  const each =
    count === 1
      ? `${most} replayable sessions`
      : `${formatCount(sessionsMedian)} replayable sessions at the median, ${most} at most`;
  return `${many} with ${each}; --per client plays each as one`;
}

function serverLines({ servers, protocols = [] }: InspectDocument, room: number): string[] {
  if (servers.length === 0) return [];
  const rows = servers
    .slice(0, SERVERS_MAX)
    .map((server) => [
      endpoint(server.address, server.port),
      protocolText(protocols, server),
      formatCount(server.sessions),
      formatCount(server.replayable),
      formatCount(server.serverFirst),
      formatCount(server.clientTurns),
      formatBytes(server.clientBytes),
      formatBytes(server.serverBytes),
      formatSpread(server.thinkMs),
      formatSpread(server.latencyMs),
    ]);
  const names = [
    'Server',
    'protocol',
    'sessions',
    'replayable',
    'speaks first',
    'turns',
    'sent',
    'answered',
  ];
  const head = [...names, 'think p50/p90', 'latency p50/p90'];
  const lines = tables(head, rows, 2, room);
  const more = servers.length - SERVERS_MAX;
  if (more > 0) lines.push(`… and ${formatCount(more)} more (--json lists all)`);
  return lines;
}

/** What most of a server's sessions speak; `-` where nobody knows. */
function protocolText(
  protocols: readonly ProtocolReport[],
  { address, port }: { readonly address: string; readonly port: number },
): string {
  const spoken = protocols
    .filter((report) => report.address === address && report.port === port)
    .sort((a, b) => b.sessions - a.sessions);
  const [most, next] = spoken;
  if (most === undefined) return '-';
  if (next === undefined) return most.protocol;
  // A WebSocket's sessions are HTTP's, too.
  const isUpgrade = spoken.length === 2 && next.protocol === 'websocket';
  return `${most.protocol}, ${isUpgrade ? next.protocol : '…'}`;
}

function hintLines(hints: NonNullable<InspectDocument['hints']>): string[] {
  const lines = hints.slice(0, HINTS_MAX).map(({ text }) => `! ${text}`);
  const more = hints.length - HINTS_MAX;
  if (more > 0) lines.push(`… and ${formatCount(more)} more (--json lists all)`);
  return lines;
}

function rewritingLines({ sessions, messages, answers, refused }: RewritingReport): string[] {
  const changed =
    sessions === 0
      ? 'nothing: the rules mean none of these sessions'
      : `sessions that change ${formatCount(sessions)}, messages written anew ${formatCount(messages)}, ` +
        `answers read ${formatCount(answers)}`;
  const left = refused.map(({ reason, sessions: count, client, server }) => {
    const which = `${client} to ${server}`;
    return `! ${formatCount(count)} left out, ${reason} (first: ${which})`;
  });
  return [`Rules:    ${changed}`, ...left];
}

function listLines(sessions: readonly SessionReport[], room: number): string[] {
  const rows = sessions.map((session) => [
    endpoint(session.client, session.clientPort),
    endpoint(session.server, session.serverPort),
    utc(session.start),
    formatDuration(session.durationMs * NS_PER_MS),
    formatCount(session.packets),
    session.first ?? '-',
    formatCount(session.clientTurns),
    formatBytes(session.clientBytes),
    formatBytes(session.serverBytes),
    session.reason ?? 'replayable',
  ]);
  const names = ['Client', 'server', 'start', 'duration', 'packets', 'first'];
  return tables([...names, 'turns', 'sent', 'answered', 'verdict'], rows, 3, room);
}

const formatSpread = (spread: Spread | null | undefined): string =>
  spread === null || spread === undefined
    ? '-'
    : `${formatDuration(spread.p50 * NS_PER_MS)} / ${formatDuration(spread.p90 * NS_PER_MS)}`;

const endpoint = (address: string, port: number): string =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
