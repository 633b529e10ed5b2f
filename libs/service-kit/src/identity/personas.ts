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
  /** ODS code; of staff, of the first role. */
  readonly organisation: string;
  readonly careSetting: string;
  /** Staff: SDS user id. */
  readonly userId?: string;
  /** Staff: one to act in at a time. */
  readonly roles?: readonly Role[];
}

/** A role profile in the National RBAC Database's codes. */
export interface Role {
  /** CIS2 `person_roleid`. */
  readonly id: string;
  readonly code: string;
  readonly title: string;
  readonly organisation: string;
  readonly activityCodes: readonly string[];
}

const practitioner = {
  code: 'S8000:G8000:R8000',
  activityCodes: ['B0380', 'B0340', 'B0420', 'B0450', 'B0815', 'B1101', 'B0560', 'B0082'],
};
/** Who meets people in danger has an activity more than others in the same role. */
const safeguarding = <Post extends Pick<Role, 'activityCodes'>>(post: Post): Post => ({
  ...post,
  activityCodes: [...post.activityCodes, 'X0001'],
});
const nurse = {
  code: 'S8000:G8000:R8001',
  activityCodes: ['B0380', 'B0340', 'B0428', 'B0450', 'B0815', 'B1101', 'B0560', 'B0082'],
};
const professional = {
  code: 'S8000:G8000:R8003',
  activityCodes: ['B0380', 'B0825', 'B0428', 'B0815', 'B0082'],
};
const pharmacist = { code: 'S8000:G8000:R8003', activityCodes: ['B0370', 'B0572'] };
const socialWorker = {
  code: 'S8000:G8000:R8014',
  activityCodes: ['B0380', 'B0825', 'B0815', 'B0082', 'X0001'],
};
const privacyOfficer = { code: 'S8002:G8003:R0001', activityCodes: ['B0015', 'B0016', 'B0018'] };

/** Care setting of each organisation, by ODS code. */
export const careSettings: Readonly<Record<string, string>> = {
  Y90001: 'general-practice',
  RZZ: 'urgent-care',
  RZY: 'urgent-care',
  RZX: 'community',
  RZW: 'mental-health',
  '9ZZ': 'social-care',
  FZZ01: 'pharmacy',
  QZZ: 'governance',
};

export const personas: readonly Persona[] = [
  {
    name: 'publisher',
    title: 'Integration engine: records and reads for the whole system',
    kind: 'system',
    organisation: 'QZZ',
    careSetting: 'any',
  },
  staff('gp', 'General practitioner', 1, ['Y90001', practitioner]),
  staff('ed-doctor', 'Emergency department doctor', 2, ['RZZ', safeguarding(practitioner)]),
  staff('paramedic', 'Ambulance paramedic', 3, ['RZY', professional]),
  staff('community-nurse', 'Community nurse', 4, ['RZX', nurse]),
  staff('crisis-worker', 'Mental health crisis worker', 5, ['RZW', safeguarding(professional)]),
  staff('social-worker', 'Social worker', 6, ['9ZZ', socialWorker]),
  staff('pharmacist', 'Community pharmacist', 7, ['FZZ01', pharmacist]),
  staff(
    'locum',
    'Doctor with two roles, at the practice and at the hospital: selects one at sign-in',
    8,
    ['Y90001', practitioner, 'Locum general practitioner'],
    ['RZZ', practitioner, 'Emergency department doctor'],
  ),
  staff('privacy-officer', 'Privacy officer: sees who looked, and follows up broken glass', 9, [
    'QZZ',
    privacyOfficer,
  ]),
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
  number: number,
  ...posts: readonly (readonly [string, Pick<Role, 'code' | 'activityCodes'>, string?])[]
): Persona {
  const digits = String(number).padStart(3, '0');
  const roles = posts.map(([organisation, role, roleTitle = title], index) => ({
    id: index === 0 ? `999100000${digits}` : `99910${index}000${digits}`,
    title: roleTitle,
    organisation,
    ...role,
  }));
  const organisation = roles[0]?.organisation ?? '';
  const careSetting = careSettings[organisation] ?? 'any';
  return { name, title, kind: 'staff', organisation, careSetting, userId: `999000000${digits}`, roles };
}
