/** The stages and exchanges of recorded sessions, found before anybody plays them. */
import { ClassMarks } from './class-marks.ts';
import { type ExchangeColumns, ExchangeColumnsBuilder } from './exchange-columns.ts';
import { ExchangeFinder } from './exchange-finder.ts';
import type { FindPlan } from './replay-plan.ts';
import type { SessionStreams } from './session-streams.ts';
import { createStageColumns, type StageColumns } from './stage-columns.ts';
import { StageMarks } from './stage-marks.ts';

/** Finds them session by session; sessions come in ascending order. */
export class RecordedExchanges {
  readonly #stages: StageColumns;
  readonly #marks: StageMarks;
  readonly #exchanges: ExchangeColumnsBuilder;
  readonly #classes: ClassMarks;
  readonly #finder: ExchangeFinder;

  /** @param streams are opened at each session that is found */
  constructor(plan: FindPlan, streams: SessionStreams) {
    const { scripts } = plan;
    const stages = createStageColumns(scripts);
    const exchanges = new ExchangeColumnsBuilder(
      scripts.sessions,
      stages.marks.length,
      stages.waitNs.length,
    );
    const classes = new ClassMarks(streams);
    this.#stages = stages;
    this.#marks = new StageMarks(scripts, stages);
    this.#exchanges = exchanges;
    this.#classes = classes;
    this.#finder = new ExchangeFinder(plan, stages.marks, exchanges, classes, streams);
  }

  /** Finds those of one session. */
  find(session: number): void {
    this.#marks.mark(session);
    this.#finder.find(session);
  }

  /** What was found, in shared memory. */
  finish(): { readonly stages: StageColumns; readonly exchanges: ExchangeColumns } {
    const more = { ...this.#classes.finish(), ...this.#finder.finish() };
    return { stages: this.#stages, exchanges: this.#exchanges.finish(more) };
  }
}
