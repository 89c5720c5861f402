/**
 * Marks on what a process installs in the kernel, so that what a killed one left behind can be told
 * from what a living one needs: `gryphon:PID:START`, START in clock ticks since the machine's start
 * (proc(5), field 22 of stat), because process ids are used again.
 */
import { readFileSync } from 'node:fs';

/** Fields behind the command's name, which may itself hold blanks: starttime is number 22 - 2. */
const START_FIELD = 19;

/** A mark within a line of text. */
export const MARK_PATTERN = /gryphon:(\d+):(\d+)/;

/** This process's mark. */
export const ownMark = (): string => `gryphon:${process.pid}:${startOf(process.pid) ?? 0}`;

/** Whether the text bears the mark of a process that has ended. */
export function bearsDeadMark(text: string): boolean {
  const [, pid, start] = MARK_PATTERN.exec(text) ?? [];
  return pid !== undefined && startOf(Number(pid)) !== start;
}

/** When a process began; undefined when there is none of this id. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .at(START_FIELD);
  } catch {
    return undefined;
  }
}
