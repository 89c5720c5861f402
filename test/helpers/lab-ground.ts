/** The ground that most tests with real servers stand on: a laboratory, a folder, and nginx on the target. */
import { afterAll, beforeAll } from 'vitest';
import { type Lab, type LabOptions, makeLab, routeClients } from './netns.ts';
import { type Folder, makeFolder, type Nginx, startNginx } from './servers.ts';

export interface LabGround {
  readonly lab: Lab;
  readonly folder: Folder;
}

export interface NginxGround extends LabGround {
  readonly nginx: Nginx;
}

export interface GroundOptions extends LabOptions {
  /** Whether the target has routes for clients that are not on the link; it has none by default. */
  readonly isRouted?: boolean;
}

/**
 * Makes it before the tests of a `describe`, and removes it behind them, also where it was made in part. Hooks
 * that are registered later run on it: their `afterAll` comes first.
 * @param onReady gets it, and prepares what else these tests need
 */
export function onLabGround(
  { isRouted = false, ...options }: GroundOptions,
  onReady: (ground: LabGround) => void | Promise<void>,
): void {
  let lab: Lab | undefined;
  let folder: Folder | undefined;

  beforeAll(async () => {
    lab = await makeLab(options);
    if (isRouted) await routeClients(lab);
    folder = makeFolder('ground');
    await onReady({ lab, folder });
  });

  afterAll(async () => {
    await lab?.close();
    folder?.remove();
  });
}

/** The same with nginx, which has started when it is ready. */
export function onNginxGround(
  options: GroundOptions,
  onReady: (ground: NginxGround) => void | Promise<void>,
): void {
  let nginx: Nginx | undefined;

  onLabGround(options, async (ground) => {
    nginx = await startNginx(ground.lab.target);
    await onReady({ ...ground, nginx });
  });

  afterAll(() => nginx?.stop());
}
