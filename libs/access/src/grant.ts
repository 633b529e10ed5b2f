/** What a caller's kind, role, care setting and purpose add up to, whoever the patient is. */
import type { Caller, Purpose } from './caller.ts';
import { EVERY_CLASS, EVERY_LABEL, maskOf } from './facts.ts';
import type { Policy } from './policy.ts';
import { refused, type AccessRefusal } from './refusals.ts';

/** Labels and record classes as bits. */
export interface Grant {
  readonly permit: true;
  /** Classes shown, and classes that may be recorded. */
  readonly sees: number;
  readonly records: number;
  /** Classes shown and recorded whoever the patient is, relationship or not. */
  readonly everybodySees: number;
  readonly everybodyRecords: number;
  /** Labels, and classes of a setting, that are not shown; and which of them a broken glass does not bring out either. */
  readonly hides: number;
  readonly hidesBehindGlass: number;
  readonly heedsOptOut: boolean;
  readonly seesLocation: boolean;
  readonly mayRegister: boolean;
  readonly mayBreakGlass: boolean;
  /** May record who stands for a patient of their own organisation. */
  readonly mayNameProxy: boolean;
}

const remembered = new WeakMap<Policy, WeakMap<Caller, Grant | AccessRefusal>>();

/** The same for the same caller and policy; remembered, as a caller makes many requests with one token. */
export function grantOf(caller: Caller, policy: Policy): Grant | AccessRefusal {
  let ofPolicy = remembered.get(policy);
  if (ofPolicy === undefined) remembered.set(policy, (ofPolicy = new WeakMap()));
  let grant = ofPolicy.get(caller);
  if (grant === undefined) ofPolicy.set(caller, (grant = grantFor(caller, policy)));
  return grant;
}

function grantFor(caller: Caller, policy: Policy): Grant | AccessRefusal {
  const row = policy.callers[caller.kind];
  const purpose = caller.purpose ?? row.purposes[0]!;
  const role = caller.kind === 'staff' ? roleOf(caller, policy) : NO_ROLE;
  if ('permit' in role) return role;
  if (!row.purposes.includes(purpose) && !role.purposes.has(purpose)) return refused('purpose-not-permitted');
  const { hides: purposeHides, heedsOptOut } = policy.purposes[purpose];
  const forbidden = maskOf(purposeHides);
  const hides = (maskOf(row.hides) & ~role.unlocks) | role.settingHides;
  const classes = (of: typeof row.sees, byRole: number): number =>
    of === 'every' ? EVERY_CLASS : of === 'by-role' ? byRole : maskOf(of);
  return {
    permit: true,
    sees: classes(row.sees, role.sees),
    records: classes(row.records, role.records & ~role.everybody),
    everybodySees: role.everybody,
    everybodyRecords: role.everybody & role.records,
    hides: hides | forbidden,
    hidesBehindGlass: (hides & ~maskOf(policy.breakGlass.reveals)) | forbidden,
    heedsOptOut,
    seesLocation: row.seesLocation || role.may.has('see-location'),
    mayRegister: role.may.has('register'),
    mayBreakGlass: role.may.has('break-glass'),
    mayNameProxy: role.may.has('name-proxy'),
  };
}

interface Role {
  readonly sees: number;
  readonly records: number;
  readonly everybody: number;
  readonly unlocks: number;
  readonly settingHides: number;
  readonly may: ReadonlySet<string>;
  readonly purposes: ReadonlySet<Purpose>;
}
const NO_ROLE: Role = { sees: 0, records: 0, everybody: 0, unlocks: 0, settingHides: 0, may: new Set(), purposes: new Set() }; // prettier-ignore

/** The activities that the policy gives the role, and those that the token adds; the last part of a role code is the job role. */
function roleOf(caller: Caller, policy: Policy): Role | AccessRefusal {
  if (caller.roleCode === undefined) return refused('no-role');
  const baseline = own(policy.roles, caller.roleCode.split(':').at(-1) ?? '')?.activities ?? [];
  const held = [...heldActivities([...baseline, ...(caller.activityCodes ?? [])], policy)];
  if (held.length === 0) return refused('role-without-activities');
  const setting = own(policy.settings, caller.careSetting);
  if (setting === undefined) return refused('setting-not-in-policy');
  return {
    sees: maskOf(held.flatMap((it) => it.sees)),
    records: maskOf(held.flatMap((it) => it.records)),
    everybody: maskOf(held.flatMap((it) => it.everybody)),
    unlocks: maskOf(held.flatMap((it) => it.unlocks)) & EVERY_LABEL,
    settingHides: maskOf(setting.hides),
    may: new Set(held.flatMap((it) => it.may)),
    purposes: new Set(held.flatMap((it) => it.purposes)),
  };
}

type Activity = Policy['activities'][string];

/** With those that they include, and those include; what the policy does not know gives nothing. */
function heldActivities(codes: readonly string[], { activities }: Policy): Set<Activity> {
  const held = new Set<Activity>();
  const open = [...codes];
  for (let code = open.pop(); code !== undefined; code = open.pop()) {
    const activity = own(activities, code);
    if (activity === undefined || held.has(activity)) continue;
    held.add(activity);
    open.push(...activity.includes);
  }
  return held;
}

/** Never what every object has, such as `constructor`: the key comes from a token. */
function own<V>(rows: Readonly<Record<string, V>>, key: string): V | undefined {
  return Object.hasOwn(rows, key) ? rows[key] : undefined;
}
