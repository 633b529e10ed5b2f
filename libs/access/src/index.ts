export { accessActions, type AccessAction } from './actions.ts';
export { purposes, type Caller, type Purpose, type Scope } from './caller.ts';
export { decideAccess, type AccessDecision } from './decide-access.ts';
export { decideSharing, partiesToSharing, type ConsentChange } from './decide-sharing.ts';
export {
  decisionsIn,
  withheldFrom,
  type PatientDecision,
  type SharingDecision,
  type SharingRule,
} from './decisions-in.ts';
export {
  labels,
  maskOf,
  noCallerFacts,
  recordClasses,
  relationshipBases,
  replacing,
  type CallerFacts,
  type Label,
  type PatientFacts,
  type RecordClass,
  type RelationshipBasis,
  type ResourceFacts,
} from './facts.ts';
export { classOf, labellingDigest, labelsOf } from './labels-of.ts';
export { refusedCounts } from './may-count.ts';
export { partOf, type Json, type Party } from './parties.ts';
export { defaultPolicy, parsePolicy, type Policy, type PolicyOutcome } from './policy.ts';
export { personIn, proxiesIn, type Proxy } from './proxies-in.ts';
export { refused, type AccessRefusal, type RefusalCode } from './refusals.ts';
export { basisNow, endOf, relationshipsIn, type Relationship } from './relationships-in.ts';
export type {
  AccessBasis,
  Concealment,
  Restriction,
  ScopeLimit,
  View,
  ViewedPatients,
} from './restriction.ts';
export { restrictionOf, type Permission } from './restriction-of.ts';
export { parseScopes } from './scopes.ts';
