/** Who signs in at the embedded provider, and what its tokens say of them: CIS2's claims of staff, NHS login's of patients. */
import type { Persona, Role } from './personas.ts';

/** A persona, in the role that was selected. */
export interface Account {
  readonly id: string;
  readonly persona: Persona;
  readonly role?: Role;
}

/** The account with this id, `<persona>` or `<persona>:<role profile>`; undefined where there is none. */
export function accountWith(id: string, personas: readonly Persona[]): Account | undefined {
  const [name, roleId] = id.split(':');
  const persona = personas.find((one) => one.name === name && one.kind !== 'system');
  if (persona === undefined) return undefined;
  const roles = persona.roles ?? [];
  if (roles.length === 0) return roleId === undefined ? { id, persona } : undefined;
  const role = roles.find((one) => one.id === roleId);
  return role === undefined ? undefined : { id, persona, role };
}

export type Claims = Readonly<Record<string, unknown>>;

/** The claims of an access token about a persona. `patientNhsNumber`: whom the `patient` persona proved to be. */
export function claimsOf(persona: Persona, patientNhsNumber: string, selectedRole?: string): Claims {
  const { kind, organisation, careSetting } = persona;
  if (kind === 'staff') return staffClaims(persona, selectedRole);
  if (kind === 'patient') {
    return {
      nhs_number: patientNhsNumber,
      identity_proofing_level: 'P9',
      vot: 'P9.Cp.Cd',
      gp_registration_details: { gp_ods_code: organisation },
    };
  }
  return { kind, organisation, care_setting: careSetting };
}

function staffClaims({ userId, roles = [] }: Persona, selectedRole?: string): Claims {
  const selected = selectedRole ?? (roles.length === 1 ? roles[0]?.id : undefined);
  return {
    nhsid_useruid: userId,
    nhsid_nrbac_roles: roles.map(({ id, code, title, organisation, activityCodes }) => ({
      person_roleid: id,
      role_code: code,
      role_name: title,
      org_code: organisation,
      activity_codes: activityCodes,
    })),
    ...(selected === undefined ? {} : { selected_roleid: selected }),
    authentication_assurance_level: '3',
    acr: 'AAL3_ANY',
  };
}
