/** FHIR interactions (https://hl7.org/fhir/R4/http.html), operations, and what operators do to the platform. */
export const accessActions = [
  'read',
  'vread',
  'search',
  'history',
  'everything',
  'create',
  'update',
  'delete',
  'transaction',
  'batch',
  'metadata',
  'break-glass',
  'status',
  'rebuild',
] as const;
export type AccessAction = (typeof accessActions)[number];
