/** In a job of GitHub Actions a run tells the job what came of it. */
import type { RunResult } from '../measure/result.ts';
import type { Context } from './context.ts';

/**
 * Appends the summary to the file that `GITHUB_STEP_SUMMARY` names, and writes annotations to stderr,
 * where the runner looks for them, too. Neither decides how a run ends: where it cannot be done, a line
 * says so.
 */
export async function tellGithubJob(
  result: RunResult,
  { env, files, log }: Pick<Context, 'env' | 'files' | 'log'>,
): Promise<void> {
  const summaryPath = env.GITHUB_STEP_SUMMARY ?? '';
  if (env.GITHUB_ACTIONS !== 'true' && summaryPath === '') return;
  const { githubAnnotations, SUMMARY_BYTES_MAX } = await import('../report/github.ts');
  if (env.GITHUB_ACTIONS === 'true') {
    for (const annotation of githubAnnotations(result)) log(`${annotation}\n`);
  }
  if (summaryPath === '') return;
  const { markdownReport } = await import('../report/markdown.ts');
  const summary = markdownReport(result);
  if (new TextEncoder().encode(summary).length > SUMMARY_BYTES_MAX) return;
  await files.append(summaryPath, `${summary}\n`).catch((error: unknown) => {
    log(`gryphon: the job's summary: ${error instanceof Error ? error.message : String(error)}\n`);
  });
}
