/** Classes of requests as a result has them, and back. */
import { encodeHistogram } from './histogram-codec.ts';
import { ClassCount, classCountsOf, type RequestClasses } from './request-classes.ts';
import type { ClassReport } from './result.ts';

/** The rows of a result, by name. */
export const classReports = (classes: RequestClasses): readonly ClassReport[] =>
  classes.names.map((name, row) => {
    const counts = classCountsOf(classes.counts, row);
    return {
      name,
      sent: counts[ClassCount.SENT],
      answered: classes.response.count(row),
      mismatched: counts[ClassCount.MISMATCHED],
      response: classes.response.row(row),
      histogram: encodeHistogram(classes.response.sparse(row)),
    };
  });

/** What was counted of the classes of a result (`RequestClasses.counts`). */
export const classCounts = (reports: readonly ClassReport[]): Float64Array =>
  Float64Array.from(reports.flatMap(({ sent, mismatched }) => [sent, mismatched]));
