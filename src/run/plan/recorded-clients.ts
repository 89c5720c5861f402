/** The recorded clients of a plan: which sessions each of them had, in which order and overlap. */
import type { ClientPlan } from '../../schedule/client-connections.ts';
import type { Scripts } from '../../session/script/scripts.ts';

/** Recorded clients, before it is known how many ports each virtual one needs. */
export interface RecordedClients extends Omit<ClientPlan, 'portsEach'> {
  /** Rows of the scripts, client by client: clients by their first sessions, sessions by their start. */
  readonly played: Uint32Array;
  /** When each client's first session began, ascending. */
  readonly startNs: Float64Array;
  /** From its first session's start to its last session's end. */
  readonly durationNs: Float64Array;
}

/**
 * Sorts sessions by the address of their client.
 * @param recorded as recorded; these say who had left whom when
 * @param scripts the same sessions with pauses within them cut, or not
 * @param played rows of the scripts in capture order; not empty
 * @param maxGapNs pauses between a client's sessions, from what was left or else from the start before,
 * are cut to this; null: as recorded
 */
export function recordedClients(
  recorded: Scripts,
  scripts: Scripts,
  played: Uint32Array,
  maxGapNs: number | null,
): RecordedClients {
  const groups = groupByClient(scripts, played);
  const firstOf = new Uint32Array(groups.length + 1);
  for (const [client, rows] of groups.entries())
    firstOf[client + 1] = firstOf[client] + rows.length;
  const sessions = firstOf[groups.length];
  const columns: Columns = {
    beginNs: new Float64Array(sessions),
    leaveNs: new Float64Array(sessions),
    leftBefore: new Uint32Array(sessions),
    leaveOrder: new Uint32Array(sessions),
  };
  const durationNs = new Float64Array(groups.length);
  for (const [client, rows] of groups.entries()) {
    const first = firstOf[client];
    orderOf(recorded, rows, first, columns);
    for (const [index, row] of rows.entries()) {
      columns.beginNs[first + index] =
        maxGapNs === null
          ? recorded.startNs[row] - recorded.startNs[rows[0]]
          : cutBegin(recorded, rows, { first, index, maxGapNs }, columns);
      const beginNs = columns.beginNs[first + index];
      columns.leaveNs[first + index] = beginNs + scripts.client.endOffsetNs[row];
      durationNs[client] = Math.max(durationNs[client], beginNs + scripts.durationNs[row]);
    }
  }
  return {
    played: Uint32Array.from(groups.flat()),
    startNs: Float64Array.from(groups, (rows) => scripts.startNs[rows[0]]),
    durationNs,
    firstOf,
    ...columns,
    connectionsMax: groups.reduce((most, rows) => Math.max(most, rows.length), 0),
  };
}

type Columns = Pick<ClientPlan, 'beginNs' | 'leaveNs' | 'leftBefore' | 'leaveOrder'>;

/** When the client of a session had left it, as recorded. */
const leftNsOf = ({ startNs, client }: Scripts, row: number): number =>
  startNs[row] + client.endOffsetNs[row];

/** In which order a client left its sessions, and how many of them before each one's start. */
function orderOf(recorded: Scripts, rows: readonly number[], first: number, into: Columns): void {
  const leftNs = rows.map((row) => leftNsOf(recorded, row));
  const order = rows.map((_, index) => index).sort((a, b) => leftNs[a] - leftNs[b] || a - b);
  into.leaveOrder.set(order, first);
  let left = 0;
  for (const [index, row] of rows.entries()) {
    while (order[left] < index && leftNs[order[left]] <= recorded.startNs[row]) left++;
    into.leftBefore[first + index] = left;
  }
}

/** When a session begins, from its client's first one, where pauses are cut. */
function cutBegin(
  recorded: Scripts,
  rows: readonly number[],
  at: { readonly first: number; readonly index: number; readonly maxGapNs: number },
  { beginNs, leaveNs, leaveOrder, leftBefore }: Columns,
): number {
  const { first, index, maxGapNs } = at;
  if (index === 0) return 0;
  const startNs = recorded.startNs[rows[index]];
  const beforeNs = beginNs[first + index - 1];
  const left = leaveOrder.subarray(first, first + leftBefore[first + index]);
  if (left.length === 0) {
    return beforeNs + Math.min(startNs - recorded.startNs[rows[index - 1]], maxGapNs);
  }
  const lastNs = left.reduce((latest, each) => Math.max(latest, leaveNs[first + each]), 0);
  const pauseNs = startNs - leftNsOf(recorded, rows[left[left.length - 1]]);
  return Math.max(beforeNs, lastNs + Math.min(pauseNs, maxGapNs));
}

/** Rows by client, in the order in which clients and sessions began. */
function groupByClient({ clientAddress }: Scripts, played: Uint32Array): number[][] {
  const groups = new Map<number, number[]>();
  for (const row of played) {
    const rows = groups.get(clientAddress[row]);
    if (rows === undefined) groups.set(clientAddress[row], [row]);
    else rows.push(row);
  }
  return [...groups.values()];
}
