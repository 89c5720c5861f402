/** What figures are of. */
import { cpus, release } from 'node:os';

/** The machine and Node, as a figure's heading says them. */
export const describeMachine = () =>
  `${cpus().length} × ${cpus()[0]?.model.trim()}, Linux ${release()}, Node ${process.version}`;
