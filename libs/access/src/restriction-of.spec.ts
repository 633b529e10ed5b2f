import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { accessActions, type AccessAction } from './actions.ts';
import { purposes, type Caller, type Scope } from './caller.ts';
import { decideAccess } from './decide-access.ts';
import {
  labels,
  maskOf,
  recordClasses,
  relationshipBases,
  type CallerFacts,
  type PatientFacts,
  type ResourceFacts,
} from './facts.ts';
import { classOf } from './labels-of.ts';
import { defaultPolicy } from './policy.ts';
import type { Restriction, ScopeLimit, View } from './restriction.ts';
import { restrictionOf } from './restriction-of.ts';

const policy = defaultPolicy();

/** What restriction.ts promises, read once more: the plain filter that a query must come to. */
function within(
  restriction: Restriction,
  resource: ResourceFacts,
  patients: ReadonlyMap<string, PatientFacts>,
): 'hidden' | 'shown' | 'concealed' {
  const { views, shared, scopes, conceal } = restriction;
  const meets = (limit: ScopeLimit): boolean =>
    (limit.type === '*' || limit.type === resource.type) &&
    (limit.patient === undefined || resource.patients.every((id) => id === limit.patient)) &&
    limit.where.every(([name, value]) => (resource.meets ?? []).includes(`${name}=${value}`));
  if (scopes !== undefined && !scopes.some(meets)) return 'hidden';
  if (resource.patients.length === 0) {
    const everybody = views.some(
      (view) => view.patients.kind === 'everybody' && (view.denied & resource.labels) === 0,
    );
    const reference = (resource.labels & maskOf(['reference'])) !== 0;
    return everybody || (reference && shared !== undefined && (shared & resource.labels) === 0)
      ? 'shown'
      : 'hidden';
  }
  const each = resource.patients.map((id) => {
    const facts = patients.get(id);
    const admitting = views.filter((view) => admits(view, id, facts, resource.labels));
    if (admitting.some((view) => !(view.conceals && facts?.sFlag))) return 'shown';
    return admitting.length > 0 && !conceal!.hides.includes(resource.type) ? 'concealed' : 'hidden';
  });
  if (each.includes('hidden')) return 'hidden';
  return each.includes('concealed') ? 'concealed' : 'shown';
}

function admits(view: View, id: string, facts: PatientFacts | undefined, resourceLabels: number): boolean {
  const { patients, heedsWithheld, heedsOptOut, heedsReview, conceals } = view;
  if (
    facts === undefined &&
    (patients.kind === 'related' || heedsWithheld || heedsOptOut || heedsReview || conceals)
  ) {
    return false;
  }
  if (patients.kind === 'these' && !patients.ids.includes(id)) return false;
  if (patients.kind === 'related' && facts!.relationships.length === 0) return false;
  const hidden = view.denied | (heedsWithheld ? facts!.withheld : 0);
  if ((hidden & resourceLabels) !== 0) return false;
  return !(heedsOptOut && facts!.optedOut) && !(heedsReview && facts!.reviewPending);
}

const types = ['Patient', 'RelatedPerson', 'Observation', 'CarePlan', 'MedicationRequest', 'Organization', 'Location', 'Task', 'AuditEvent', 'Consent', 'Group'] as const; // prettier-ignore
const ids = ['p', 'q', 'r'] as const;

const scope = fc.record<Scope>({
  level: fc.constantFrom('patient', 'user', 'system'),
  type: fc.constantFrom('*', ...types),
  actions: fc.subarray([...'cruds'], { minLength: 1 }).map((some) => some.join('')),
  where: fc.oneof(
    { weight: 3, arbitrary: fc.constant([]) },
    { weight: 1, arbitrary: fc.constant([['category', 'lab']] as const) },
  ),
});
const often = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined, freq: 4 });
const seldom = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight: 4, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });
const given = <T extends object>(record: T): T =>
  Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as T;

const caller: fc.Arbitrary<Caller> = fc
  .record({
    subject: fc.constant('subject'),
    kind: fc.constantFrom('system', 'staff', 'staff', 'staff', 'patient', 'patient', 'auditor', 'operator'),
    organisation: fc.constant('Y90001'),
    system: fc.constant('test'),
    careSetting: fc.constantFrom('general-practice', 'urgent-care', 'pharmacy', 'social-care', 'any'),
    roleCode: often(fc.constantFrom(...Object.keys(policy.roles))),
    activityCodes: seldom(fc.subarray(Object.keys(policy.activities), { maxLength: 3 })),
    purpose: seldom(fc.constantFrom(...purposes)),
    scopes: seldom(fc.array(scope, { maxLength: 4 })),
    launchPatient: often(fc.constantFrom(...ids)),
  })
  .map((made) => given(made) as Caller);

const someLabels = fc.oneof(
  { weight: 2, arbitrary: fc.constant([] as (typeof labels)[number][]) },
  { weight: 1, arbitrary: fc.subarray([...labels], { minLength: 1, maxLength: 2 }) },
);
const resource: fc.Arbitrary<ResourceFacts> = fc
  .record({
    type: fc.constantFrom(...types),
    patients: fc.oneof(
      { weight: 1, arbitrary: fc.constant([]) },
      { weight: 5, arbitrary: fc.subarray([...ids], { minLength: 1, maxLength: 1 }) },
      { weight: 1, arbitrary: fc.subarray([...ids], { minLength: 2 }) },
    ),
    audit: fc.boolean(),
    named: someLabels,
    meets: seldom(fc.constant(['category=lab'])),
    hasPlaces: seldom(fc.constant(false)),
  })
  .map(({ type, patients, audit, named, meets, hasPlaces }) => {
    const name = type === 'Task' && audit ? 'audit' : classOf(type, policy);
    return given({ type, patients, labels: maskOf([name, ...named]), meets, hasPlaces }) as ResourceFacts;
  });

const facts: fc.Arbitrary<PatientFacts> = fc
  .record({
    relationships: fc.oneof(fc.constant([]), fc.subarray([...relationshipBases], { minLength: 1 })),
    sFlag: fc.oneof(
      { weight: 3, arbitrary: fc.constant(false) },
      { weight: 1, arbitrary: fc.constant(true) },
    ),
    withheld: fc.oneof(
      { weight: 3, arbitrary: fc.constant(0) },
      { weight: 1, arbitrary: fc.subarray([...labels, ...recordClasses]).map(maskOf) },
    ),
    ownOrProxy: fc.constantFrom('own' as const, 'proxy' as const, undefined),
    reviewPending: fc.oneof(
      { weight: 4, arbitrary: fc.constant(false) },
      { weight: 1, arbitrary: fc.constant(true) },
    ),
    brokenGlass: seldom(fc.constant(true)),
    optedOut: fc.boolean(),
  })
  .map((made) => given(made) as PatientFacts);

const patients: fc.Arbitrary<ReadonlyMap<string, PatientFacts>> = fc
  .tuple(...ids.map(() => often(facts)))
  .map(
    (each) => new Map(each.flatMap((it, place) => (it === undefined ? [] : [[ids[place]!, it] as const]))),
  );

/** What the gateway knows of the caller as a whole, from what is known patient by patient. */
function callerFacts(known: ReadonlyMap<string, PatientFacts>): CallerFacts {
  const those = (which: (it: PatientFacts) => boolean): string[] =>
    [...known].filter(([, it]) => which(it)).map(([id]) => id);
  return {
    own: those(({ ownOrProxy }) => ownOrProxy === 'own'),
    proxyFor: those(({ ownOrProxy }) => ownOrProxy === 'proxy'),
    brokenGlass: those(({ brokenGlass }) => brokenGlass === true),
  };
}

const aboutResources = accessActions.filter(
  (action) => !['transaction', 'batch', 'metadata', 'break-glass', 'status', 'rebuild'].includes(action),
);
const reading = ['read', 'vread', 'search', 'history', 'everything'] as const;

describe('a restriction', () => {
  const askBoth = (
    who: Caller,
    action: AccessAction,
    type: string | undefined,
    what: ResourceFacts,
    known: ReadonlyMap<string, PatientFacts>,
  ): { asQuery: string; oneByOne: string } => {
    const permission = restrictionOf(who, action, type, callerFacts(known), policy);
    const decision = decideAccess(who, action, what, known, policy);
    const asked = permission.permit ? within(permission.restriction, what, known) : 'hidden';
    const wouldLose =
      asked === 'concealed' && ['update', 'delete'].includes(action) && what.hasPlaces !== false;
    return {
      asQuery: wouldLose ? 'hidden' : asked,
      oneByOne: !decision.permit ? 'hidden' : decision.conceals ? 'concealed' : 'shown',
    };
  };

  it('of a type admits what is permitted one by one, and nothing else', () => {
    const counted = { hidden: 0, shown: 0, concealed: 0 };
    fc.assert(
      fc.property(
        caller,
        fc.constantFrom(...aboutResources),
        resource,
        patients,
        (who, action, what, known) => {
          // A patient without an id cannot be found by a query: to register is not to look.
          fc.pre(!(action === 'create' && what.type === 'Patient' && what.patients.length === 0));
          const { asQuery, oneByOne } = askBoth(who, action, what.type, what, known);
          expect(asQuery).toBe(oneByOne);
          counted[oneByOne as keyof typeof counted] += 1;
        },
      ),
      { numRuns: 8_000 },
    );
    // Whatever is drawn, all three come up often enough for the comparison to mean something.
    expect(Math.min(counted.hidden, counted.shown)).toBeGreaterThan(500);
    expect(counted.concealed).toBeGreaterThan(5);
  });

  it('of all types admits no more and no less than those of each type together', () => {
    fc.assert(
      fc.property(caller, fc.constantFrom(...reading), resource, patients, (who, action, what, known) => {
        // What may be opened but not searched is refused by its type.
        fc.pre(!(who.kind === 'patient' && action === 'search' && what.type === 'Location'));
        const ofAll = restrictionOf(who, action, undefined, callerFacts(known), policy);
        const decision = decideAccess(who, action, what, known, policy);
        // A patient without any record is told so before all else.
        fc.pre(ofAll.permit || ofAll.code !== 'unregistered');
        const shown = ofAll.permit && within(ofAll.restriction, what, known) !== 'hidden';
        expect(shown).toBe(decision.permit);
      }),
      { numRuns: 4_000 },
    );
  });

  it('admits nothing by a fact that is missing', () => {
    const nothing = new Map<string, PatientFacts>();
    fc.assert(
      fc.property(caller, fc.constantFrom(...aboutResources), resource, (who, action, what) => {
        const decision = decideAccess(who, action, what, nothing, policy);
        if (!decision.permit || what.patients.length === 0) return;
        // Only those who see everybody's need to know nothing of one: of the whole record, or of what is for their eyes.
        const everybodys =
          policy.callers[who.kind].whose === 'everybody' || (what.labels & maskOf(['audit'])) !== 0;
        expect(everybodys).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  it('only narrows: less relationship, more labels, more decisions, more scopes never show more', () => {
    fc.assert(
      fc.property(
        caller,
        fc.constantFrom(...reading),
        resource,
        patients,
        fc.array(scope),
        fc.subarray([...labels]),
        (who, action, what, known, scopes, more) => {
          const shown = (by: Caller, it: ResourceFacts, of: ReadonlyMap<string, PatientFacts>): boolean =>
            decideAccess(by, action, it, of, policy).permit;
          const before = shown(who, what, known);
          const less = new Map(
            [...known].map(([id, it]) => [
              id,
              { ...it, relationships: [], withheld: -1, optedOut: true, reviewPending: true, sFlag: true },
            ]),
          );
          const after = [
            shown(who, what, less),
            shown(who, { ...what, labels: what.labels | maskOf(more) }, known),
            shown({ ...who, scopes: who.scopes === undefined ? scopes : who.scopes.slice(1) }, what, known),
          ];
          for (const it of after) expect(before || !it).toBe(true);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('holds data only, so that it can go into a query and into another thread', () => {
    fc.assert(
      fc.property(
        caller,
        fc.constantFrom(...aboutResources),
        fc.constantFrom(...types),
        patients,
        (who, action, type, known) => {
          const permission = restrictionOf(who, action, type, callerFacts(known), policy);
          expect(JSON.parse(JSON.stringify(permission))).toEqual(permission);
        },
      ),
    );
  });
});
