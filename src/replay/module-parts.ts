/** What the modules of a thread are given to do their work with, and whoever else writes during the run. */
import type { ProtocolModule } from '../rewrite/module.ts';
import type { ClientConnections } from '../schedule/client-connections.ts';
import type { UserConnections } from '../schedule/connections.ts';
import { CaptureBlocks, SPARSE_BLOCKS } from '../session/script/capture-blocks.ts';
import { MessageArena } from '../transport/message-arena.ts';
import type { CaptureBytes } from '../transport/ports.ts';
import type { RecordedStream } from '../transport/recorded-stream.ts';
import { RewrittenStream } from '../transport/rewritten-stream.ts';
import type { PlannedRewrites } from '../transport/room-bytes.ts';
import type { RewritingEnds } from './conversations.ts';
import type { PushColumns } from './exchange-columns.ts';
import { ModuleClients } from './module-clients.ts';
import { ModuleHost } from './module-host.ts';
import type { PlayTable } from './play-table.ts';
import { RecordedTexts } from './recorded-text.ts';
import type { ReplayPlan } from './replay-plan.ts';
import { noRewrites, surveyAll } from './rewrite-columns.ts';

/** The modules of a run, in this thread, and where they write. */
export interface ModuleParts {
  /** In the order of the plan's columns; none where nobody but WebSockets' users writes. */
  readonly modules: readonly ProtocolModule[];
  /** The sender's arena. */
  readonly arena: Uint8Array;
  /** Wall clock in ms since 1970. */
  nowMs(): number;
}

/** The rewriting ends of one thread's conversations. */
export function rewritingOf(
  plan: ReplayPlan,
  given: {
    readonly modules: ModuleParts;
    readonly recorded: RecordedStream;
    readonly plays: PlayTable;
    readonly connections: UserConnections | ClientConnections;
    readonly capture: CaptureBytes;
    readonly counters: Float64Array;
    readonly pushed: PushColumns | null;
  },
): RewritingEnds {
  const { rewriting, scripts } = plan;
  const { modules, recorded, plays, connections, capture, counters, pushed } = given;
  const columns = rewriting?.columns ?? noRewrites(scripts);
  const planned = pushed === null ? columns : withReplies(columns, pushed);
  const arena = new MessageArena(modules.arena);
  const users = plays.session.length;
  const stream = new RewrittenStream(users, recorded, scripts.client, planned, arena);
  // Sessions are read message by message, each a system call else.
  const blocks = new CaptureBlocks(
    scripts.files,
    (offset, into) => capture.read(offset, into),
    SPARSE_BLOCKS,
  );
  const texts = new RecordedTexts(scripts, (offset, into) => blocks.read(offset, into));
  surveyAll(modules.modules, columns.surveyed, texts);
  const host = new ModuleHost(columns, {
    modules: modules.modules,
    plays,
    texts,
    firstMessage: scripts.client.firstMessage,
    clients: new ModuleClients(plan, connections, () => modules.nowMs()),
    stream,
    arenaBytes: arena.octets.length,
    counters,
  });
  const { bindTimeoutNs = 0, answerBytesMax = 0 } = rewriting ?? {};
  return { host, stream, arena, texts, bindTimeoutNs, answerBytesMax, pushed };
}

/** Who becomes a WebSocket may have to say something besides the recording, for which no room is kept. */
const withReplies = (columns: PlannedRewrites, { from }: PushColumns): PlannedRewrites => ({
  ...columns,
  module: columns.module.map((module, session) => module || Math.min(1, from[session])),
});
