/** Puts the options of a config file behind those of the command line; the parser is loaded for one only. */
import { ReplayError } from '../../base/errors.ts';
import type { Command } from '../command-line.ts';
import type { Files } from '../files.ts';
import type { GivenOptions } from '../given-options.ts';
import { ofOption } from '../intercept-addresses.ts';
import type { FaultList } from '../usage-error.ts';

/**
 * The options as given, with those of the file that `--config` (or GRYPHON_CONFIG) names behind them.
 * @param line.faults gets what is wrong with the file's keys
 * @throws ReplayError ERR_CLI_INPUT when the file cannot be read, ERR_CLI_CONFIG when it is no config
 */
export async function withConfig(
  line: {
    readonly command: Command;
    readonly given: GivenOptions;
    readonly faults: FaultList;
  },
  files: Pick<Files, 'read'>,
): Promise<GivenOptions> {
  const { command, given, faults } = line;
  const file = command.table.config === undefined ? null : given.text('config');
  if (file === null) return given;
  const { CONFIG_BYTES_MAX, parseConfig } = await import('./config-file.ts');
  const text = await files.read(file.text, CONFIG_BYTES_MAX).catch((fault: unknown) => {
    throw fault instanceof ReplayError ? ofOption(file.label, fault) : fault;
  });
  return given.withFile(parseConfig(text, file.text, command, faults));
}
