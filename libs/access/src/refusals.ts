/** Why something is refused, in words that are safe to show: they name no patient and repeat no value. */

export interface AccessRefusal {
  readonly permit: false;
  /** For the access record and for tests; does not change with the words. */
  readonly code: RefusalCode;
  readonly reason: string;
  readonly remedy: string;
  /** The answer is to be the one for what was never recorded: even that it exists is not to be told. */
  readonly asUnknown: boolean;
}
export type RefusalCode = keyof typeof refusals;

export function refused(code: RefusalCode): AccessRefusal {
  return built[code];
}

const refusals = {
  'reads-only': [
    'This caller may read, but not record.',
    'Ask the organisation that provides the care to record it, or call with a token of theirs.',
  ],
  'operators-only': ['Only an operator may do this.', 'Call with a token of an operator.'],
  'no-clinical-content': [
    'An operator runs the platform and has no access to clinical content.',
    'Call with a token of somebody who provides the care.',
  ],
  'care-givers-only': [
    'Only somebody who provides care may do this.',
    'Call with a token of a member of staff with a role that permits it.',
  ],
  'no-role': [
    'The token names no role, and what staff may do depends on their role.',
    'Sign in again and choose the role in which you act.',
  ],
  'role-without-activities': [
    'The access policy gives no activity to the role in which you act.',
    'Sign in with another role, or ask the registration authority of your organisation to add the activity you need.',
  ],
  'setting-not-in-policy': [
    'The access policy has no rule for the care setting in which you act.',
    'Ask those who run this service to name the setting of your organisation.',
  ],
  'purpose-not-permitted': [
    'Neither the kind of caller nor the role permits the purpose that was stated.',
    'State a purpose that the access policy permits to this kind of caller, such as direct-care, or act in a role with an activity that permits this one.',
  ],
  'purpose-without-counts': [
    'Counts of many people are for planning, research and audit, and the access policy gives none for the purpose that was stated or understood.',
    'Ask for a token with such a purpose, for example purpose_of_use=planning.',
  ],
  'scope-missing': [
    'The token has no scope for this action on this type of resource.',
    'Ask for a SMART scope that covers it when you sign in, for example user/Observation.rs.',
  ],
  'type-not-permitted': [
    'Your role, your care setting or the purpose does not permit this action on this type of resource.',
    'Sign in with a role that has the activity for it, or ask somebody who has.',
  ],
  'register-not-permitted': [
    'Your role does not permit registering a patient.',
    'Ask somebody with the activity B0340, Register Patients.',
  ],
  'break-glass-not-permitted': [
    'Your role does not permit opening a record without a relationship to the patient.',
    'Ask somebody with the activity B0082, Legal Override of Consent.',
  ],
  unregistered: [
    'No record is held for the person this token was issued to.',
    'Ask your GP practice to check that you are registered under this NHS number.',
  ],
  'not-searchable': [
    'A patient may open this kind of resource, but not search for it.',
    'Read it by the reference that your own record holds.',
  ],
  'location-protected': [
    'Where this patient lives is protected, so your copy is without it, and what is missing there is not meant to be deleted.',
    'Ask somebody with the activity B1611, Access Sensitive(S) Flagged Records, to make the change.',
  ],
  'denies-you': [
    'This would lift a decision of the patient that keeps something from you.',
    'Ask the patient to have it changed by their GP practice, or by the organisation that keeps the Consent.',
  ],
  'proxy-not-permitted': [
    'Who stands for a patient is recorded where the patient is registered, by a role with the activity for it.',
    'Ask the GP practice of the patient; there the activity is B0340, Register Patients.',
  ],
  'own-access-under-review': [
    'Your record is to be looked through by your practice before you can open it here.',
    'Ask your GP practice about online access to your record.',
  ],
  'no-relationship': [
    'Your organisation has no relationship with this patient.',
    'If care cannot wait, break the glass: POST to Patient/<id>/$break-glass with the reason.',
  ],
  'no-relationship-no-glass': [
    'Your organisation has no relationship with this patient.',
    'Ask for a referral, or have the patient registered with you.',
  ],
  'not-own-record': [
    'A patient may see only their own record, and those they are a proxy for.',
    'Ask for resources of your own record; a search without a patient finds them.',
  ],
  'other-launch-patient': [
    'The token is for the record of one patient, and this is of another.',
    'Start the app again for the patient whose record is wanted.',
  ],
  'outside-scope': [
    'The conditions of the token’s scopes leave this resource out.',
    'Ask for a SMART scope that covers it when you sign in.',
  ],
  withheld: [
    'The patient has decided not to share this with you.',
    'Ask the patient, or if care cannot wait, break the glass: POST to Patient/<id>/$break-glass with the reason.',
  ],
  'opted-out': [
    'The patient opted out of uses of their record beyond their own care.',
    'Leave this patient out.',
  ],
  confidential: [
    'This part of the record is more confidential than your role, your care setting or the purpose permits.',
    'Ask somebody whose role permits it.',
  ],
  'about-nobody': [
    'What is tied to no patient and is no reference data is shown to systems only.',
    'Ask for resources of a patient.',
  ],
  'fact-missing': [
    'What is known of the patient is not enough to permit this.',
    'Check that the patient is registered here.',
  ],
} as const;

/** Said of one resource, these would tell that it exists. */
const untold: ReadonlySet<string> = new Set([
  'own-access-under-review',
  'no-relationship',
  'no-relationship-no-glass',
  'not-own-record',
  'other-launch-patient',
  'outside-scope',
  'withheld',
  'opted-out',
  'confidential',
  'about-nobody',
  'fact-missing',
]);

const built = Object.fromEntries(
  Object.entries(refusals).map(([code, [reason, remedy]]) => [
    code,
    { permit: false, code, reason, remedy, asUnknown: untold.has(code) },
  ]),
) as Readonly<Record<RefusalCode, AccessRefusal>>;
