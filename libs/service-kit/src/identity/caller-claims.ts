/**
 * Who calls, from the claims of a verified access token: staff as NHS CIS2 says it
 * (https://digital.nhs.uk/services/care-identity-service/applications-and-services/cis2-authentication), patients as NHS
 * login does (https://nhsconnect.github.io/nhslogin/), systems by the client they registered. Pure.
 */
import type { JWTPayload } from 'jose';
import { z } from 'zod';
import { parseScopes, purposes } from '@carelog/access';
import type { Caller } from '@carelog/access';

/** How an issuer writes down who is calling. `carelog`: all facts as claims of our own, as the embedded provider does for systems. */
export const claimShapes = ['cis2', 'nhs-login', 'smart', 'carelog'] as const;
export type ClaimShape = (typeof claimShapes)[number];

/** What an issuer is trusted to say, and what its tokens leave unsaid. */
export interface ClaimRules {
  /** Tried in order; a token of any other shape is refused. */
  readonly shapes: readonly ClaimShape[];
  /** Least assurance of how staff signed in: 3 for a smartcard or a security key. */
  readonly assuranceMin: 1 | 2 | 3;
  /** Care setting of each organisation, by ODS code; `*` for all others. Staff of an organisation without one are refused. */
  readonly careSettings: Readonly<Record<string, string>>;
  /** Organisation and care setting of each system, by client id. */
  readonly clients: Readonly<Record<string, { readonly organisation: string; readonly careSetting: string }>>;
  /** Refuse tokens without SMART scopes, instead of limiting them by nothing. */
  readonly scopesRequired: boolean;
}

export type CallerOutcome =
  | { readonly kind: 'caller'; readonly caller: Caller }
  | { readonly kind: 'refused'; readonly refusal: TokenRefusal };

/** Why a token is not accepted, in the words of RFC 6750 §3.1 and RFC 9470. */
export interface TokenRefusal {
  readonly error:
    'invalid_request' | 'invalid_token' | 'insufficient_scope' | 'insufficient_user_authentication';
  /** What is wrong, for people; never a value out of the token. */
  readonly reason: string;
  /** What to do; absent: get a token as everybody does. */
  readonly remedy?: string;
  /** Authentication context classes that would do. */
  readonly acrValues?: string;
}

/** The caller that `claims` speak of, or why there is none. Believes the claims: they must have been verified. */
export function callerFrom(claims: JWTPayload, rules: ClaimRules): CallerOutcome {
  const shape = rules.shapes.find((candidate) => marks[candidate](claims));
  if (shape === undefined) return refuse(unknownCaller);
  const outcome = readers[shape](claims, rules);
  if (outcome.kind === 'refused') return outcome;
  const extras = contextOf(claims, rules);
  if (extras.kind === 'refused') return extras;
  return { kind: 'caller', caller: { ...outcome.caller, ...extras.context } };
}

/** What tells one shape from another, where an issuer may use several. */
const marks: Readonly<Record<ClaimShape, (claims: JWTPayload) => boolean>> = {
  cis2: (claims) => claims['nhsid_useruid'] !== undefined && claims['kind'] === undefined,
  'nhs-login': (claims) => claims['nhs_number'] !== undefined && claims['kind'] === undefined,
  carelog: (claims) => claims['kind'] !== undefined,
  smart: (claims) => claims['client_id'] !== undefined || claims['azp'] !== undefined,
};

const readers: Readonly<Record<ClaimShape, (claims: JWTPayload, rules: ClaimRules) => CallerOutcome>> = {
  cis2: staffFrom,
  'nhs-login': patientFrom,
  smart: systemFrom,
  carelog: callerAsSaid,
};

const text = z.string().min(1).max(200);
const software = { client_id: text.optional(), azp: text.optional() };
const nhsNumber = z.string().regex(/^\d{10}$/);

const staffClaims = z.object({
  ...software,
  nhsid_useruid: text,
  nhsid_nrbac_roles: z
    .array(
      z.object({
        person_roleid: text,
        role_code: text,
        org_code: text,
        activity_codes: z.array(text).max(500).optional(),
      }),
    )
    .max(500)
    .optional(),
  selected_roleid: text.optional(),
  authentication_assurance_level: z.union([z.string(), z.number()]).optional(),
  acr: z.string().optional(),
});

function staffFrom(claims: JWTPayload, { assuranceMin, careSettings }: ClaimRules): CallerOutcome {
  const parsed = staffClaims.safeParse(claims);
  if (!parsed.success) return refuse(unknownCaller);
  const { nhsid_nrbac_roles: roles = [], selected_roleid: selected, nhsid_useruid: subject } = parsed.data;
  const system = softwareOf(parsed.data);
  if (system === undefined) return refuse(unknownCaller);
  if (!(assuranceOf(parsed.data) >= assuranceMin)) return refuse(signedInTooWeakly(assuranceMin));
  if (roles.length === 0) return refuse(noRole);
  if (selected === undefined && roles.length > 1) return refuse(noRoleSelected);
  const role = selected === undefined ? roles[0] : roles.find((one) => one.person_roleid === selected);
  if (role === undefined) return refuse(selectedRoleNotHeld);
  const careSetting = careSettings[role.org_code] ?? careSettings['*'];
  if (careSetting === undefined) return refuse(foreignOrganisation);
  const caller = {
    subject,
    kind: 'staff',
    organisation: role.org_code,
    system,
    careSetting,
    roleProfile: role.person_roleid,
    roleCode: role.role_code,
    activityCodes: role.activity_codes ?? [],
  } as const;
  return { kind: 'caller', caller };
}

/** The level as a number, from the claim for it or from a class like `AAL3_ANY`; of `AAL2_OR_AAL3_ANY` only 2 is sure. NaN where nothing says. */
function assuranceOf(claims: z.infer<typeof staffClaims>): number {
  const level = claims.authentication_assurance_level;
  if (level !== undefined) return /^[123]$/.test(String(level)) ? Number(level) : NaN;
  const levels = [...(claims.acr ?? '').matchAll(/AAL([123])/g)].map(([, digit]) => Number(digit));
  return levels.length === 0 ? NaN : Math.min(...levels);
}

const patientClaims = z.object({
  ...software,
  sub: text,
  nhs_number: nhsNumber,
  identity_proofing_level: z.string().optional(),
  gp_registration_details: z.object({ gp_ods_code: text.optional() }).optional(),
});

/** Who runs NHS login, for a patient whose practice it does not name. */
const nhsEngland = 'X26';

function patientFrom(claims: JWTPayload): CallerOutcome {
  const parsed = patientClaims.safeParse(claims);
  if (!parsed.success) return refuse(unknownCaller);
  const { sub, nhs_number: number, identity_proofing_level: proofing, gp_registration_details } = parsed.data;
  const system = softwareOf(parsed.data);
  if (system === undefined || sub.includes(number)) return refuse(unknownCaller);
  if (proofing !== 'P9') return refuse(identityNotProved);
  const organisation = gp_registration_details?.gp_ods_code ?? nhsEngland;
  const caller = {
    subject: sub,
    kind: 'patient',
    organisation,
    system,
    careSetting: 'any',
    nhsNumber: number,
  };
  return { kind: 'caller', caller: caller as Caller };
}

/** SMART Backend Services: https://hl7.org/fhir/smart-app-launch/backend-services.html */
function systemFrom(claims: JWTPayload, { clients }: ClaimRules): CallerOutcome {
  const parsed = z.object({ ...software, sub: text }).safeParse(claims);
  const system = parsed.success ? softwareOf(parsed.data) : undefined;
  if (!parsed.success || system === undefined) return refuse(unknownCaller);
  const registered = Object.hasOwn(clients, system) ? clients[system] : undefined;
  if (registered === undefined) return refuse(unknownSystem);
  return { kind: 'caller', caller: { subject: parsed.data.sub, kind: 'system', system, ...registered } };
}

const ownClaims = z.object({
  sub: text,
  client_id: text,
  kind: z.enum(['system', 'staff', 'patient', 'auditor', 'operator']),
  organisation: text,
  care_setting: text,
  nhsid_useruid: text.optional(),
  selected_roleid: text.optional(),
  nhs_number: nhsNumber.optional(),
});

function callerAsSaid(claims: JWTPayload): CallerOutcome {
  const parsed = ownClaims.safeParse(claims);
  if (!parsed.success) return refuse(unknownCaller);
  const said = parsed.data;
  const caller: Caller = {
    subject: said.nhsid_useruid ?? said.sub,
    kind: said.kind,
    organisation: said.organisation,
    system: said.client_id,
    careSetting: said.care_setting,
    ...(said.selected_roleid === undefined ? {} : { roleProfile: said.selected_roleid }),
    ...(said.kind === 'patient' && said.nhs_number !== undefined ? { nhsNumber: said.nhs_number } : {}),
  };
  return { kind: 'caller', caller };
}

function softwareOf({ client_id, azp }: { client_id?: string | undefined; azp?: string | undefined }) {
  return client_id ?? azp;
}

type Context = Pick<Caller, 'scopes' | 'launchPatient' | 'purpose'>;
type ContextOutcome =
  | { readonly kind: 'context'; readonly context: Context }
  | Extract<CallerOutcome, { readonly kind: 'refused' }>;

const contextClaims = z.object({
  scope: z.string().max(8_000).optional(),
  patient: z
    .string()
    .regex(/^(Patient\/)?[A-Za-z0-9.-]{1,64}$/)
    .optional(),
  purpose_of_use: z.enum(purposes).optional(),
});

/** What limits any caller: scopes, the launch's patient, the purpose. */
function contextOf(claims: JWTPayload, { scopesRequired }: ClaimRules): ContextOutcome {
  const parsed = contextClaims.safeParse(claims);
  if (!parsed.success) return refuse(unknownContext);
  const { scope, patient, purpose_of_use: purpose } = parsed.data;
  const scopes = scope === undefined ? undefined : parseScopes(scope);
  if (scopes === undefined && scopesRequired) return refuse(noScopes);
  const context = {
    ...(scopes === undefined ? {} : { scopes }),
    ...(patient === undefined ? {} : { launchPatient: patient.replace('Patient/', '') }),
    ...(purpose === undefined ? {} : { purpose }),
  };
  return { kind: 'context', context };
}

function refuse(refusal: TokenRefusal): Extract<CallerOutcome, { readonly kind: 'refused' }> {
  return { kind: 'refused', refusal };
}

const unknownCaller: TokenRefusal = {
  error: 'invalid_token',
  reason: 'The access token does not say who is calling in claims that this server knows from its issuer.',
};
const unknownContext: TokenRefusal = {
  error: 'invalid_token',
  reason: 'The claims "scope", "patient" or "purpose_of_use" of the access token are not well formed.',
};
const noRole: TokenRefusal = {
  error: 'insufficient_scope',
  reason: 'You have no role in any organisation, so there is nothing that you may do here.',
  remedy: 'Ask the registration authority of your organisation to give you a role, then sign in again.',
};
const noRoleSelected: TokenRefusal = {
  error: 'insufficient_user_authentication',
  reason: 'You have several roles, and the access token does not say in which you act.',
  remedy:
    'Select one at sign-in, so that the token has the claim "selected_roleid"; for a persona: npx carelog token <persona> --role <role profile id>.',
};
const selectedRoleNotHeld: TokenRefusal = {
  error: 'insufficient_user_authentication',
  reason: 'The role that was selected at sign-in is not among the roles that the access token lists.',
  remedy: 'Sign in again, and select a role that you hold.',
};
const foreignOrganisation: TokenRefusal = {
  error: 'insufficient_scope',
  reason: 'The organisation of the selected role does not take part in this record.',
  remedy:
    'Select a role in an organisation that does, or ask who runs this server to add it to "careSettings" of the issuer.',
};
const identityNotProved: TokenRefusal = {
  error: 'insufficient_user_authentication',
  reason: 'Your identity is not proved to the level P9 of NHS login, which a health record needs.',
  remedy: 'Prove your identity in your NHS login settings, then sign in again.',
  acrValues: 'P9.Cp.Cd P9.Cp.Ck P9.Cm',
};
const unknownSystem: TokenRefusal = {
  error: 'invalid_token',
  reason: 'The system that the access token was issued to is not registered with this server.',
  remedy: 'Ask who runs this server to add its client id to "clients" of the issuer.',
};
const noScopes: TokenRefusal = {
  error: 'insufficient_scope',
  reason: 'The access token has no SMART scope, so nothing may be done with it.',
  remedy: 'Ask the issuer for scopes like "user/Patient.rs" or "system/Observation.rs".',
};

function signedInTooWeakly(assuranceMin: number): TokenRefusal {
  return {
    error: 'insufficient_user_authentication',
    reason: `You signed in less surely than this server asks for: authenticator assurance level ${assuranceMin}.`,
    remedy: 'Sign in again with a smartcard, a security key or another means of that level.',
    acrValues: assuranceMin === 3 ? 'AAL3_ANY' : 'AAL2_OR_AAL3_ANY',
  };
}
