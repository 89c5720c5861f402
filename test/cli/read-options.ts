import { ReplayError } from '../../src/base/errors.ts';
import { parseCommandLine } from '../../src/cli/command-line.ts';
import { COMMANDS } from '../../src/cli/main.ts';
import { readReplayOptions } from '../../src/cli/replay-options.ts';
import type { ReplayOptions } from '../../src/run/plan/options.ts';
import { fakeContext } from './fake-context.ts';

/** What `gryphon …` would hand to a run; the name `lab` stands for 10.0.0.9. */
export async function readOptions(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<ReplayOptions> {
  const context = fakeContext({ args, env, hosts: { lab: [{ address: '10.0.0.9', family: 4 }] } });
  const line = parseCommandLine(COMMANDS, context);
  if ('output' in line) throw new Error('no command');
  return await readReplayOptions({ ...line, context, parseThreshold });
}

const parseThreshold = (text: string): void => {
  if (text.includes('<')) return;
  const message = `'${text}' is no threshold`;
  throw new ReplayError({ code: 'ERR_TEST', kind: 'usage', message });
};
