/**
 * The access policy: who may see and do what, as data. The format is explained in docs/reference/access-policy.md; the
 * policy that is shipped is policy/default.json.
 */
import { z } from 'zod';
import shipped from '../policy/default.json' with { type: 'json' };
import { accessActions } from './actions.ts';
import { purposes } from './caller.ts';
import { labels, recordClasses } from './facts.ts';

/** As in the file, once it was found to be sound. */
export type Policy = z.infer<typeof policyFile>;

export type PolicyOutcome =
  | { readonly kind: 'policy'; readonly policy: Policy }
  /** Each says where in the file, what is wrong there, and what would be right. */
  | { readonly kind: 'unsound'; readonly problems: readonly string[] };

/** Reads a policy from parsed JSON: sound as a whole, or refused with everything that is wrong with it. Never throws. */
export function parsePolicy(json: unknown): PolicyOutcome {
  const parsed = policyFile.safeParse(json);
  if (!parsed.success) {
    const problems = parsed.error.issues.map(
      ({ path, message }) => `${path.join('.') || 'policy'}: ${message}`,
    );
    return { kind: 'unsound', problems };
  }
  const problems = contradictions(parsed.data);
  return problems.length > 0 ? { kind: 'unsound', problems } : { kind: 'policy', policy: parsed.data };
}

let loaded: Policy | undefined;

/** The policy that is shipped. */
export function defaultPolicy(): Policy {
  if (loaded === undefined) {
    const outcome = parsePolicy(shipped);
    if (outcome.kind === 'unsound')
      throw new Error(`The shipped access policy: ${outcome.problems.join(' ')}`);
    loaded = outcome.policy;
  }
  return loaded;
}

const label = z.enum(labels);
const recordClass = z.enum(recordClasses);
const hidden = z.array(z.union([label, recordClass])).readonly();
const text = z.string().min(1);
const typeName = z.string().regex(/^[A-Z][A-Za-z]+$/, 'Not the name of a resource type.');
const days = z.int().min(0).max(36_600);
const codes = z.array(z.strictObject({ system: text, codes: z.array(text).min(1).readonly() })).readonly();
const activity = z.string().regex(/^[A-Z][0-9]{4}$/, 'Not an activity code: a letter and four digits.');
/** `lastsDays` after the end that was recorded; while none is, `openAtMostDays` from the beginning, or without end. */
const lasting = z.strictObject({ title: text, lastsDays: days, openAtMostDays: days.optional() });
const element = z
  .string()
  .regex(
    /^([A-Z][A-Za-z]*|\*)(\.[a-z][A-Za-z]*)*$/,
    'Not the name of an element, such as Encounter.location.',
  );

const caller = z.strictObject({
  title: text,
  actions: z.array(z.enum(accessActions)).readonly(),
  whose: z.enum(['everybody', 'related', 'own', 'nobody']),
  basis: z.enum(['system-to-system', 'direct-care', 'own-record', 'audit', 'platform-operation']),
  sees: z.union([z.enum(['every', 'by-role']), z.array(recordClass).readonly()]),
  records: z.union([z.enum(['every', 'by-role']), z.array(recordClass).readonly()]),
  hides: hidden,
  seesLocation: z.boolean(),
  /** The first is meant where neither token nor request says what for. */
  purposes: z.array(z.enum(purposes)).min(1).readonly(),
});

const policyFile = z.strictObject({
  format: z.literal(1),
  version: text.max(64),
  callers: z.strictObject({
    system: caller,
    staff: caller,
    patient: caller,
    auditor: caller,
    operator: caller,
  }),
  proxy: z.strictObject({ hides: hidden, seesLocation: z.boolean() }),
  roles: z.record(
    z.string().regex(/^R[0-9]{4}$/, 'Not a role code: R and four digits.'),
    z.strictObject({ title: text, activities: z.array(activity).readonly() }),
  ),
  activities: z.record(
    activity,
    z.strictObject({
      title: text,
      includes: z.array(activity).readonly().default([]),
      sees: z.array(recordClass).readonly().default([]),
      records: z.array(recordClass).readonly().default([]),
      everybody: z.array(recordClass).readonly().default([]),
      unlocks: z.array(label).readonly().default([]),
      may: z
        .array(z.enum(['break-glass', 'register', 'name-proxy', 'see-location']))
        .readonly()
        .default([]),
      /** What the record may be used for, besides what all staff may use it for. */
      purposes: z.array(z.enum(purposes)).readonly().default([]),
    }),
  ),
  settings: z.record(text, z.strictObject({ hides: hidden })),
  relationships: z.strictObject({
    registered: lasting,
    referral: lasting,
    'current-encounter': lasting,
    'recent-encounter': lasting,
    caseload: lasting,
    appointment: lasting,
  }),
  purposes: z.record(
    z.enum(purposes),
    z.strictObject({
      hides: hidden,
      heedsOptOut: z.boolean(),
      /** Counts of many people may be had for it; what these labels are on is counted for nobody. */
      counts: z.strictObject({ leavesOut: hidden }).optional(),
    }),
  ),
  breakGlass: z.strictObject({
    hours: z.number().positive().max(168),
    reveals: z.array(label).readonly(),
    overridesWithheld: z.boolean(),
    reasons: z.record(text, text),
    /** What is recorded of it: of the class `audit`, and with these labels. */
    alert: z.strictObject({ type: typeName, system: text, code: text, labels: z.array(label).readonly() }),
  }),
  sFlag: z.strictObject({
    hides: z.array(typeName).readonly(),
    places: z.array(typeName).readonly(),
    datatypes: z.array(typeName).readonly(),
    people: z.array(text).readonly(),
    takesOut: z.array(element).readonly(),
    together: z.array(element).readonly(),
    keeps: z.array(element).readonly(),
  }),
  labelling: z.strictObject({
    security: z.partialRecord(label, codes),
    content: z.partialRecord(label, codes),
    classes: z.partialRecord(recordClass, z.array(typeName).readonly()),
    openedNotSearched: z.array(typeName).readonly(),
  }),
  sharing: z.strictObject({
    alwaysShared: z.array(recordClass).readonly(),
    settingSystem: text,
    optOutScopes: z.array(text).min(1).readonly(),
    purposes: z.record(text, z.enum(purposes)),
  }),
  review: z.strictObject({
    system: text,
    pending: z.array(text).readonly(),
    lifted: z.array(text).readonly(),
  }),
});

function contradictions(policy: Policy): string[] {
  return [...activityProblems(policy), ...classProblems(policy)];
}

function activityProblems({ roles, activities }: Policy): string[] {
  const unknown = (where: string, code: string): string[] =>
    code in activities
      ? []
      : [`${where}: ${code} is not among the activities. Add it there, or leave it out here.`];
  return [
    ...Object.entries(roles).flatMap(([role, row]) =>
      row.activities.flatMap((it) => unknown(`roles.${role}`, it)),
    ),
    ...Object.entries(activities).flatMap(([code, row]) =>
      row.includes.flatMap((it) => unknown(`activities.${code}.includes`, it)),
    ),
  ];
}

function classProblems({ labelling }: Policy): string[] {
  const first = new Map<string, string>();
  return Object.entries(labelling.classes).flatMap(([name, types]) =>
    (types ?? []).flatMap((type) => {
      const before = first.get(type);
      first.set(type, before ?? name);
      const message = `labelling.classes.${name}: ${type} is of the class ${before} already. Leave it in one of them.`;
      return before === undefined ? [] : [message];
    }),
  );
}
