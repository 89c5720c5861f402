/** Config files: the published schemas and the program take the same ones. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { loadCommands } from '../../src/cli/commands.ts';
import { parseConfig } from '../../src/cli/config/config-file.ts';
import type { Option } from '../../src/cli/options/option.ts';
import { FaultList, UsageError } from '../../src/cli/usage-error.ts';

const COMMANDS = (await loadCommands()).filter(({ table }) => table.config !== undefined);

/** What somebody may write for an option, right and wrong, by the word for its form. */
function formsOf({ kind }: Option): readonly (readonly [string, unknown])[] {
  const wrong = [
    ['a mapping', { one: 1 }],
    ['nothing', null],
    ['a list in a list', [['x']]],
  ] as const;
  if (kind === null) return [['on', true], ['off', false], ...wrong];
  const { example, isNumber } = kind;
  const isPlain = isNumber === true && Number.isFinite(Number(example));
  return [
    ['a text', example],
    ['a list', [example, example]],
    ...(isPlain ? ([['a number', Number(example)]] as const) : []),
    ['an empty list', []],
    ...wrong,
  ];
}

function isEmpty(faults: FaultList): boolean {
  try {
    faults.throwIfAny();
    return true;
  } catch (error) {
    if (error instanceof UsageError) return false;
    throw error;
  }
}

describe.each(COMMANDS)('a config of gryphon $name', (command) => {
  const path = fileURLToPath(new URL(`../../schema/${command.name}.config.json`, import.meta.url));
  const validate = new Ajv2020({ validateFormats: false }).compile(
    JSON.parse(readFileSync(path, 'utf8')),
  );
  const verdicts = (document: unknown) => {
    const faults = new FaultList();
    parseConfig(stringify(document), 'run.yaml', command, faults);
    return { schema: validate(document), program: isEmpty(faults) };
  };

  test.each(Object.values(command.table))('--$name', (option) => {
    for (const [form, value] of formsOf(option)) {
      const { schema, program } = verdicts({ [option.name]: value });
      expect(program, `${option.name}: ${form}`).toBe(schema);
    }
  });

  test('a key that is none, and captures', () => {
    expect(verdicts({ nothing: 1 })).toEqual({ schema: false, program: false });
    const taken = command.positional !== null;
    expect(verdicts({ captures: ['a.pcap'] })).toEqual({ schema: taken, program: taken });
  });
});
