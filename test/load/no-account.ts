/** In the place of the gateway's `account.ts`: says nothing. */
import type { Answered } from '@carelog/access-log';

const NOTHING: Answered = {
  interaction: '',
  query: '',
  status: 200,
  decision: 'permitted',
  basis: '',
  patients: [],
  shown: '',
  position: 0,
  correlation: '',
};

export const answeredOf = (): Answered => NOTHING;
export const askedOf = (): string => '';
