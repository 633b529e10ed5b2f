/** The activity writer by itself, of one caller who may record everything. */
import type { Caller } from '@carelog/access';
import { createRecordActivity, type WriterOptions } from '@carelog/activity-writer';

export const caller: Caller = { subject: 'bench', kind: 'system', careSetting: 'acute', organisation: 'RXX01', system: 'bench' }; // prettier-ignore

/** Nobody is known, and there is always room. */
export const writerOn = (ground: Pick<WriterOptions, 'store' | 'keyring'>) =>
  createRecordActivity({
    ...ground,
    match: async () => ({ kind: 'matched', ids: [] }),
    accessFacts: () => undefined,
    hasRoom: () => true,
  });
