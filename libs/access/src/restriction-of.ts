/** The question "what may this caller do, and to what?", answered before it is known which resources it will be. */
import type { AccessAction } from './actions.ts';
import type { Caller, Scope } from './caller.ts';
import { EVERY_CLASS, maskOf, relationshipBases, type CallerFacts } from './facts.ts';
import { grantOf, type Grant } from './grant.ts';
import { classOf } from './labels-of.ts';
import type { Policy } from './policy.ts';
import { refused, type AccessRefusal } from './refusals.ts';
import type { AccessBasis, Restriction, ScopeLimit, View } from './restriction.ts';

export interface Permission {
  readonly permit: true;
  /** Of the first view, or of what carries no resource. */
  readonly basis: AccessBasis;
  /** Everything that the action may touch or show; nothing outside it. */
  readonly restriction: Restriction;
}

/**
 * What `caller` may do by `action` to resources of `type`, or of any type where none is given, as a restriction that has
 * to become part of the query; or a refusal where that is nothing at all. Whatever it admits, `decideAccess` permits, and
 * the other way round. What comes along with a search (`_include`, `_revinclude`, chained and `_has` targets) is
 * restricted by the permission for `read` without a type. Total; never throws.
 */
export function restrictionOf(
  caller: Caller,
  action: AccessAction,
  type: string | undefined,
  facts: CallerFacts,
  policy: Policy,
): Permission | AccessRefusal {
  const row = policy.callers[caller.kind];
  if (!row.actions.includes(action)) return refusedAction(caller.kind, action);
  const carrying = CARRYING[action];
  if (carrying !== undefined) return { permit: true, basis: carrying, restriction: NOTHING };
  const grant = grantOf(caller, policy);
  if (!grant.permit) return grant;
  const scopes = limitsOf(caller, action, type);
  if (scopes !== undefined && scopes.length === 0) return refused('scope-missing');
  if (action === 'break-glass') {
    if (!grant.mayBreakGlass) return refused('break-glass-not-permitted');
    return { permit: true, basis: 'broken-glass', restriction: NOTHING };
  }

  const registers = caller.kind === 'staff' && action === 'create' && type === 'Patient';
  if (registers && !grant.mayRegister) return refused('register-not-permitted');

  const writes = WRITES.has(action);
  const viewed = viewsOf(caller, grant, writes, facts, policy);
  const views = action === 'create' ? viewed.map(recorded) : viewed;
  const sees = writes ? grant.records : grant.sees;
  const shared = (sees & REFERENCE) === 0 ? undefined : denies(sees, grant.hides);
  const reference = type !== undefined && classOf(type, policy) === 'reference';
  if (caller.kind === 'patient') {
    if (views.length === 0 && !reference) return refused('unregistered');
    const opened = type !== undefined && policy.labelling.openedNotSearched.includes(type);
    if (opened && action === 'search') return refused('not-searchable');
  }
  if (type !== undefined && !mayHold(type, views, shared, policy)) {
    return refused('type-not-permitted');
  }
  const restriction: Restriction = {
    views,
    ...(shared !== undefined && { shared }),
    ...(scopes !== undefined && { scopes }),
    ...(views.some((view) => view.conceals) && { conceal: policy.sFlag }),
  };
  const basis = reference ? 'shared-reference-data' : (views[0]?.basis ?? 'shared-reference-data');
  return { permit: true, basis, restriction };
}

const WRITES: ReadonlySet<AccessAction> = new Set(['create', 'update', 'delete']);
const REFERENCE = maskOf(['reference']);
const AUDIT = maskOf(['audit']);
const NOTHING: Restriction = { views: [] };
/** Answers nothing from the record by itself. */
const CARRYING: Partial<Record<AccessAction, AccessBasis>> = {
  transaction: 'entry-by-entry',
  batch: 'entry-by-entry',
  metadata: 'public',
  status: 'platform-operation',
  rebuild: 'platform-operation',
};

function refusedAction(kind: Caller['kind'], action: AccessAction): AccessRefusal {
  if (action === 'status' || action === 'rebuild') return refused('operators-only');
  if (kind === 'operator') return refused('no-clinical-content');
  return refused(action === 'break-glass' ? 'care-givers-only' : 'reads-only');
}

function viewsOf(
  caller: Caller,
  grant: Grant,
  writes: boolean,
  facts: CallerFacts,
  policy: Policy,
): readonly View[] {
  const { whose, basis } = policy.callers[caller.kind];
  const sees = writes ? grant.records : grant.sees;
  const view: View = {
    basis,
    patients: { kind: 'everybody' },
    denied: denies(sees, grant.hides),
    heedsWithheld: false,
    heedsOptOut: grant.heedsOptOut,
    heedsReview: false,
    conceals: !grant.seesLocation,
  };
  if (whose === 'nobody') return [];
  if (whose === 'everybody') return [view];
  if (whose === 'own') return ownViews({ ...view, heedsReview: true }, facts, policy);
  const everybody = writes ? grant.everybodyRecords : grant.everybodySees;
  const related = { kind: 'related', organisation: caller.organisation, bases: relationshipBases } as const;
  return [
    { ...view, patients: related, heedsWithheld: true },
    ...(grant.mayBreakGlass && facts.brokenGlass.length > 0
      ? [glassView(view, sees, grant, facts, policy)]
      : []),
    ...(everybody === 0
      ? []
      : [{ ...view, basis: 'audit' as const, denied: denies(everybody, grant.hides) }]),
  ];
}

/** Whoever records something knows it: that they may not be shown it by others is no reason to leave it unrecorded. */
function recorded(view: View): View {
  return { ...view, denied: view.denied & EVERY_CLASS, heedsWithheld: false, conceals: false };
}

function glassView(view: View, sees: number, grant: Grant, facts: CallerFacts, policy: Policy): View {
  return {
    ...view,
    basis: 'broken-glass',
    patients: { kind: 'these', ids: facts.brokenGlass },
    denied: denies(sees, grant.hidesBehindGlass),
    heedsWithheld: !policy.breakGlass.overridesWithheld,
  };
}

function ownViews(view: View, { own, proxyFor }: CallerFacts, { proxy }: Policy): readonly View[] {
  const proxied: View = {
    ...view,
    basis: 'proxy',
    patients: { kind: 'these', ids: proxyFor },
    denied: view.denied | maskOf(proxy.hides),
    conceals: !proxy.seesLocation,
  };
  return [
    ...(own.length > 0 ? [{ ...view, patients: { kind: 'these', ids: own } as const }] : []),
    ...(proxyFor.length > 0 ? [proxied] : []),
  ];
}

function denies(sees: number, hides: number): number {
  return (EVERY_CLASS & ~sees) | hides;
}

/** Whether any resource of this type could be shown: else the type is refused, rather than found empty. */
function mayHold(type: string, views: readonly View[], shared: number | undefined, policy: Policy): boolean {
  const name = classOf(type, policy);
  const bits = [maskOf([name]), ...(type === policy.breakGlass.alert.type ? [AUDIT] : [])];
  const seen = (denied: number): boolean => bits.some((bit) => (denied & bit) === 0);
  return (
    views.some((view) => seen(view.denied)) || (name === 'reference' && shared !== undefined && seen(shared))
  );
}

const LETTER: Partial<Record<AccessAction, string>> = {
  read: 'r',
  vread: 'r',
  history: 'r',
  search: 's',
  everything: 's',
  create: 'c',
  update: 'u',
  delete: 'd',
  'break-glass': 'u',
};

/** Undefined where scopes limit nothing here. */
function limitsOf(
  caller: Caller,
  action: AccessAction,
  type: string | undefined,
): readonly ScopeLimit[] | undefined {
  const letter = LETTER[action];
  if (caller.scopes === undefined || letter === undefined) return undefined;
  const limits = caller.scopes
    .filter((scope) => scope.actions.includes(letter) && levelFits(scope, caller))
    .filter((scope) => type === undefined || scope.type === '*' || scope.type === type)
    // Of the patient whom an app was launched for, neither the first recording nor the opening is its business.
    .filter(
      ({ level }) =>
        level !== 'patient' || !(action === 'break-glass' || (action === 'create' && type === 'Patient')),
    )
    .map((scope): ScopeLimit => ({
      type: scope.type,
      where: scope.where,
      ...(scope.level === 'patient' && { patient: caller.launchPatient! }),
    }));
  const unlimited = limits.some(
    (limit) =>
      limit.patient === undefined && limit.where.length === 0 && (limit.type === '*' || type !== undefined),
  );
  return unlimited ? undefined : limits;
}

function levelFits({ level }: Scope, { kind, launchPatient }: Caller): boolean {
  if (kind === 'system') return level === 'system';
  return level === 'user' || (level === 'patient' && launchPatient !== undefined);
}
