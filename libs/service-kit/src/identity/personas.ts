/**
 * The people and systems that the embedded identity provider vouches for. Each is an OAuth client of its own; the
 * organisations are those of the synthetic population, none of which exists.
 */
import type { Caller } from '@carelog/access';

export interface Persona {
  /** Client id, and what is typed after `carelog token`. */
  readonly name: string;
  /** One line for people. */
  readonly title: string;
  readonly kind: Caller['kind'];
  /** ODS code. */
  readonly organisation: string;
  readonly careSetting: string;
  /** Staff: SDS user id, and the id of the role profile selected at sign-in. */
  readonly userId?: string;
  readonly roleProfile?: string;
}

export const personas: readonly Persona[] = [
  {
    name: 'publisher',
    title: 'Integration engine: records and reads for the whole system',
    kind: 'system',
    organisation: 'QZZ',
    careSetting: 'any',
  },
  staff('gp', 'General practitioner', 'Y90001', 'general-practice', 1),
  staff('ed-doctor', 'Emergency department doctor', 'RZZ', 'urgent-care', 2),
  staff('paramedic', 'Ambulance paramedic', 'RZY', 'urgent-care', 3),
  staff('community-nurse', 'Community nurse', 'RZX', 'community', 4),
  staff('crisis-worker', 'Mental health crisis worker', 'RZW', 'mental-health', 5),
  staff('social-worker', 'Social worker', '9ZZ', 'social-care', 6),
  staff('pharmacist', 'Community pharmacist', 'FZZ01', 'pharmacy', 7),
  {
    name: 'patient',
    title: 'A patient: reads their own record only',
    kind: 'patient',
    organisation: 'Y90001',
    careSetting: 'any',
  },
  {
    name: 'auditor',
    title: 'Auditor: reads, never records',
    kind: 'auditor',
    organisation: 'QZZ',
    careSetting: 'any',
  },
  {
    name: 'operator',
    title: 'Operator: status and rebuild, no clinical content',
    kind: 'operator',
    organisation: 'QZZ',
    careSetting: 'any',
  },
];

/** SDS ids are twelve digits; these lie outside the ranges that are issued. */
function staff(
  name: string,
  title: string,
  organisation: string,
  careSetting: string,
  number: number,
): Persona {
  const digits = String(number).padStart(3, '0');
  const userId = `999000000${digits}`;
  return { name, title, kind: 'staff', organisation, careSetting, userId, roleProfile: `999100000${digits}` };
}
