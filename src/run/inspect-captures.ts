/** What `gryphon inspect` shows: reads captures and sends nothing. */
import type { InspectDocument } from '../report/inspect-document.ts';
import { type IndexOptions, indexCaptures } from './index-captures.ts';

export interface InspectOptions extends IndexOptions {
  /** An entry for each session, too. */
  readonly sessions: boolean;
  /** Whether those entries have digests, which reads all payload again; on by default. */
  readonly digests?: boolean;
}

/** @throws ReplayError as `indexCaptures` does */
export async function inspectCaptures(
  paths: readonly string[],
  options: InspectOptions,
): Promise<InspectDocument> {
  const index = await indexCaptures(paths, options);
  try {
    const { files, sessions, servers } = index;
    const document: InspectDocument = { schema: 'gryphon.inspect/1', files, sessions, servers };
    if (!options.sessions) return document;
    const sessionList = [...index.sessionList({ digests: options.digests ?? true })];
    return { ...document, sessionList };
  } finally {
    index.close();
  }
}
