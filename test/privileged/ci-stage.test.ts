/** The CI stage as a job runs it: the action's own script, a service in a network of its own, a baseline. */
import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { parseResult } from '../../src/report/json.ts';
import { makeNamespaces } from '../helpers/netns.ts';
import { canRun } from '../helpers/privilege.ts';
import { FIRST_OF_ALL, type Finished, must, run } from '../helpers/process.ts';
import { type Folder, makeFolder } from '../helpers/servers.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const SLOW_HTTP = join(ROOT, 'test/privileged/servers/slow-http.mjs');

interface Action {
  readonly inputs: Readonly<Record<string, { readonly default?: string }>>;
  readonly runs: {
    readonly steps: readonly { readonly run?: string; readonly env?: Record<string, string> }[];
  };
}

const ACTION = parse(readFileSync(join(ROOT, 'action.yml'), 'utf8')) as Action;

describe.runIf(canRun('the CI stage', ['ip', 'chrt']))('the CI stage', () => {
  let runner: string;
  let folder: Folder;
  let close: () => void;

  beforeAll(async () => {
    const made = await makeNamespaces(1);
    [runner] = made.names;
    close = made.close;
    await must(['ip', '-n', runner, 'link', 'set', 'lo', 'up']);
    folder = makeFolder('ci-stage');
    // The test is root already, and a runner's sudo is not there.
    const sudo = '#!/bin/bash\n[[ $1 == --preserve-env=* ]] && shift\nexec "$@"\n';
    writeFileSync(join(folder.path, 'sudo'), sudo, { mode: 0o755 });
  });
  afterAll(() => {
    close?.();
    folder?.remove();
  });

  /** The action's step that plays, with its inputs, as the runner would run it. */
  async function stage(inputs: Record<string, string>, env: NodeJS.ProcessEnv): Promise<Finished> {
    const step = ACTION.runs.steps.find((each) => each.env !== undefined);
    const value = (expression: string): string => {
      const [, input] = /^\$\{\{ inputs\.(\w+) \}\}$/.exec(expression) ?? [];
      if (input !== undefined) return inputs[input] ?? ACTION.inputs[input]?.default ?? '';
      expect(expression).toContain('github.action_path');
      return ROOT;
    };
    const given = Object.entries(step?.env ?? {}).map(([name, text]) => [name, value(text)]);
    // Its thresholds judge times: those of the generator and of the service.
    const shell = [...FIRST_OF_ALL, 'bash', '-e', '-o', 'pipefail', '-c', step?.run ?? ''];
    return await run(['ip', 'netns', 'exec', runner, ...shell], {
      cwd: folder.path,
      timeoutMs: 60_000,
      env: {
        ...process.env,
        PATH: `${folder.path}:${process.env.PATH}`,
        ...Object.fromEntries(given),
        ...env,
      },
    });
  }

  const served = (delayMs: number): Record<string, string> => ({
    capture: join(ROOT, 'fixtures/http-short.pcap'),
    service: `exec ${process.execPath} ${SLOW_HTTP} 80 ${delayMs}`,
    options: '--users 40 --rate 40/s --clients 10.20.64.0/24 --threshold response:p(99)<2s --quiet',
    baseline: 'baseline.json',
    tolerance: '100%',
  });

  test('passes, keeps a baseline, and fails with 99 when the service becomes 50 ms slower', async () => {
    const summary = join(folder.path, 'summary.md');
    const first = await stage(served(25), {});
    expect(`${first.code} ${first.stdout}${first.stderr}`).toMatch(/^0 /);
    const report = (name: string) => join(folder.path, 'report', name);
    copyFileSync(report('result.json'), join(folder.path, 'baseline.json'));

    const same = await stage(served(25), {});
    expect(`${same.code} ${same.stdout}${same.stderr}`).toMatch(/^0 /);
    expect(existsSync(report('comparison.html'))).toBe(true);

    const job = { GITHUB_ACTIONS: 'true', GITHUB_STEP_SUMMARY: summary };
    const slower = await stage(served(75), job);
    expect(slower.code).toBe(99);
    expect(slower.stderr).toMatch(
      /^::error title=response%3Ap\(50\)<\+100%25::found [\d.]+ ms \(limit/m,
    );
    expect(readFileSync(summary, 'utf8')).toMatch(
      /^## ❌ gryphon: \d of 4 thresholds did not hold/,
    );
    expect(readFileSync(report('comparison.md'), 'utf8')).toContain('response:p(50)');
    expect(readFileSync(report('junit.xml'), 'utf8')).toContain(
      '<testcase name="response:p(50)&lt;+100%"',
    );
    const { users, latency } = await parseResult(
      readFileSync(report('result.json'), 'utf8'),
      'result.json',
    );
    expect(users.completed).toBe(40);
    const p50Ms = latency.response.p50 ?? 0;
    expect(p50Ms).toBeGreaterThanOrEqual(75);
    const metrics = readFileSync(report('metrics.txt'), 'utf8');
    const [, seconds] = /^gryphon_response_p50_seconds (\S+)/m.exec(metrics) ?? [];
    expect(Number(seconds)).toBeCloseTo(p50Ms / 1_000, 6);
    // The service's network went with it.
    expect(await must(['ip', '-n', runner, '-o', 'link'])).not.toContain('load');
  });

  test('says so when the service does not come, and leaves nothing behind', async () => {
    const { code, stderr } = await stage({ ...served(0), service: 'exec sleep 60' }, { WAIT: '1' });
    expect(code).toBe(5);
    expect(stderr).toContain('nothing listens at 10.20.0.5:80 after 1 s: exec sleep 60');
    expect(await must(['ip', '-n', runner, '-o', 'link'])).not.toContain('load');
  });
});
