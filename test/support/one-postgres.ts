/** Before the first spec of a run: one PostgreSQL for all specs of care settings, each of which has a database of its own there. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { engineOrReason, startPostgres } from '@carelog/engines';
import { NO_POSTGRES, POSTGRES_OF_RUN } from '../../libs/read-models/src/care-settings/scene-engines.ts';

/** Called by Vitest before the first spec; what is given back, after the last. */
export default async function startShared(): Promise<() => Promise<void>> {
  const folder = mkdtempSync(join(tmpdir(), 'carelog-run-'));
  const postgres = await engineOrReason(() =>
    startPostgres({ folder: join(folder, 'postgres'), sync: false }),
  );
  if (typeof postgres === 'string') process.env[NO_POSTGRES] = postgres;
  else process.env[POSTGRES_OF_RUN] = postgres.url();
  return async () => {
    if (typeof postgres !== 'string') await postgres.stop();
    rmSync(folder, { recursive: true, force: true });
  };
}
