import { parseCommandLine } from '../../src/cli/command-line.ts';
import { loadCommands } from '../../src/cli/commands.ts';
import { REPLAY_TABLE } from '../../src/cli/options/replay-table.ts';
import { readReplayOptions } from '../../src/cli/replay-options.ts';
import type { ReplayOptions } from '../../src/run/plan/options.ts';
import { fakeContext } from './fake-context.ts';

const COMMANDS = await loadCommands();

/** What `gryphon …` would hand to a run; the name `lab` stands for 10.0.0.9. */
export async function readOptions(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<ReplayOptions> {
  const context = fakeContext({ args, env, hosts: { lab: [{ address: '10.0.0.9', family: 4 }] } });
  const line = parseCommandLine(COMMANDS, context);
  if ('output' in line) throw new Error('no command');
  const values = line.given.read(REPLAY_TABLE);
  return await readReplayOptions({ ...line, values, context });
}
