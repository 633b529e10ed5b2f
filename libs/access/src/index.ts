export type { Caller } from './caller.ts';
export { accessActions, decideAccess } from './decide-access.ts';
export type { AccessAction, AccessBasis, AccessDecision, AccessFacts } from './decide-access.ts';
