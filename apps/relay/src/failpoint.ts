/** Where a test can have this process end as with `kill -9`: `CARELOG_FAILPOINT=<name>:<n>` at the nth time it comes there. */
import { setTimeout as delay } from 'node:timers/promises';

export type Failpoint = 'before-send' | 'after-send' | 'after-ack' | 'after-checkpoint';

const [armed, count = '1'] = (process.env['CARELOG_FAILPOINT'] ?? '').split(':');
let left = Number(count);

/** Ends a moment later, so that what was begun before is under way. */
export async function failpoint(name: Failpoint): Promise<void> {
  if (name !== armed || --left > 0) return;
  await delay(30);
  process.kill(process.pid, 'SIGKILL');
}
