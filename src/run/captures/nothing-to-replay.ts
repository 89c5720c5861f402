/** The error of captures of which nothing can be played. */
import { ReplayError } from '../../base/errors.ts';
import type { PlayedCaptures } from './index-captures.ts';

const chosenOf = (total: number): string => {
  if (total === 0) return '';
  return total === 1 ? 'its session is not selected: ' : `none of ${total} sessions is selected: `;
};

/** Why nothing of the captures can be played. */
export function nothingToReplay(index: PlayedCaptures, captures: readonly string[]): ReplayError {
  const { sessions } = index;
  const unselected = index.whyNone();
  if (unselected !== null) {
    return new ReplayError({
      code: 'ERR_RUN_NOTHING_TO_REPLAY',
      kind: 'capture',
      message: `${captures.join(', ')}: ${chosenOf(sessions.total)}${unselected}`,
      hint: 'gryphon inspect CAPTURE --sessions lists them',
    });
  }
  const reasons = Object.entries(sessions.skipped);
  const counts = reasons.map(([reason, count]) => `${count} ${reason}`).join(', ');
  const none =
    sessions.total === 1
      ? `its session cannot be replayed (${reasons.map(([reason]) => reason).join()})`
      : `none of ${sessions.total} sessions can be replayed (${counts})`;
  return new ReplayError({
    code: 'ERR_RUN_NOTHING_TO_REPLAY',
    kind: 'capture',
    message:
      sessions.total === 0
        ? `${captures.join(', ')}: there is no TCP session in it`
        : `${captures.join(', ')}: ${none}`,
    hint:
      sessions.skipped['one-sided'] === undefined
        ? 'gryphon inspect CAPTURE shows what it holds and why'
        : '--include one-sided plays sessions of which only the client was captured',
  });
}
