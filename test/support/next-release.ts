/**
 * Loaded into a process before anything else, makes it one of another release: a care setting and the population are of another
 * version, so that all settings and the population lie in other schemas, which that release builds. What is in them is the same.
 */
import { careSettingNamed, population } from '@carelog/read-models';

export const CHANGED = 'acute';

for (const it of [careSettingNamed(CHANGED)!, population]) (it as { version: number }).version += 1;
