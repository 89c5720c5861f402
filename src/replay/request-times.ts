/** When recorded requests are due in an open loop: what a steady rate of requests is planned by. */
import { Float64Column, Uint32Column } from '../base/columns.ts';
import type { RequestTimes } from '../schedule/request-rate.ts';
import type { ReadOctets } from '../session/script/stream-view.ts';
import { RecordedExchanges } from './recorded-exchanges.ts';
import type { FindPlan, ReplayPlan } from './replay-plan.ts';
import { SessionStreams } from './session-streams.ts';
import { Stages } from './stages.ts';

/** What of a plan decides when requests are due. */
export type RequestTimesPlan = FindPlan & Pick<ReplayPlan, 'played' | 'accel'>;

/** Reads the requests of the plan's sessions; row i of the result is session `played[i]`. */
export function requestTimes(plan: RequestTimesPlan, read: ReadOctets): RequestTimes {
  const { played, accel } = plan;
  const stages = stagesOf(plan, read);
  const first = new Uint32Column();
  const offsetNs = new Float64Column();
  const requests = new Uint32Column();
  for (const session of played) {
    first.push(offsetNs.count);
    const begin = stages.first(session);
    // Never back: as the steps are played (Pacer).
    let atNs = stages.offsetNs(session, begin);
    for (let message = begin; message < stages.end(session); message++) {
      const count = stages.exchangesOfMessage(message);
      if (count > 0) {
        offsetNs.push(atNs / accel);
        requests.push(count);
      }
      const gapNs = stages.offsetNs(session, message + 1) - stages.offsetNs(session, message);
      atNs += Math.max(0, gapNs);
    }
  }
  first.push(offsetNs.count);
  return {
    first: first.toShared(),
    offsetNs: offsetNs.toShared(),
    requests: requests.toShared(),
  };
}

function stagesOf(plan: RequestTimesPlan, read: ReadOctets): Stages {
  const found = new RecordedExchanges(plan, new SessionStreams(plan, read));
  for (const session of plan.played) found.find(session);
  const { stages, exchanges } = found.finish();
  return new Stages(plan, stages, exchanges);
}
