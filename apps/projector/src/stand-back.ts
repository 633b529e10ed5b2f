/**
 * Where processors are short, who asks and who records comes first, and the threads of views stand back: what they fall behind
 * by they make good afterwards, in larger batches, which cost less. Where processors are free it makes no difference.
 */
import { readlinkSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';
import { basename } from 'node:path';

/** Readers wait for the record, so it stands back by little: to a third of what a thread gets that does not. */
export const RECORD_NICENESS = 5;
/** A tenth. */
export const CARE_SETTINGS_NICENESS = 10;
/** Of what is built beside a view that serves. */
export const BUILDING_NICENESS = 10;

/** The thread that calls it, from now on, behind the rest of its process. `niceness`: https://man7.org/linux/man-pages/man7/sched.7.html */
export function standBack(niceness: number): void {
  // Elsewhere a priority is that of a whole process.
  if (process.platform !== 'linux') return;
  const thread = Number(basename(readlinkSync('/proc/thread-self')));
  setPriority(thread, Math.min(19, getPriority(thread) + niceness));
}
