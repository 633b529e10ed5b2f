/** Labels and record class of a resource, from its content. https://hl7.org/fhir/R4/security-labels.html */
import { hash } from 'node:crypto';
import { maskOf, type Label, type RecordClass } from './facts.ts';
import type { Policy } from './policy.ts';
import { wordIn } from './parties.ts';

type Json = Readonly<Record<string, unknown>>;

/**
 * The labels and the record class of a resource (parsed JSON), as `ResourceFacts.labels`: by its security labels, also
 * those of a DocumentReference and the confidentiality of a Composition, and by the codes in it, wherever they stand.
 * `R` on a Patient is the S-flag of PDS and hides nothing by itself (`decisionsIn`). Depends on `policy.labelling` and
 * `policy.breakGlass.alert` only: where `labellingDigest` is another, stored labels are to be made anew.
 */
export function labelsOf(resource: Json, policy: Policy): number {
  const labelling = compiled(policy);
  const type = wordIn(resource['resourceType']);
  let mask = codesIn(resource, labelling.codes);
  if (type === 'Composition') mask |= labelsOfCode(CONFIDENTIALITY, resource['confidentiality'], policy);
  if (type === 'Patient') mask &= ~RESTRICTED;
  if (!isAlert(resource, type, policy)) return mask | maskOf([classOf(type, policy)]);
  return mask | maskOf(['audit', ...policy.breakGlass.alert.labels]);
}

/** The part of a record that resources of this type are; `other` where the policy names none. */
export function classOf(type: string, policy: Policy): RecordClass {
  return compiled(policy).classes.get(type) ?? 'other';
}

/** A number that differs where labels may differ. */
export function labellingDigest({ labelling, breakGlass }: Policy): string {
  return hash('sha256', JSON.stringify([labelling, breakGlass.alert]));
}

/** The labels that a code stands for; 0 where it stands for none. */
export function labelsOfCode(system: unknown, code: unknown, policy: Policy): number {
  return typeof code === 'string' ? bitsOf(system, code, compiled(policy).codes) : 0;
}

const CONFIDENTIALITY = 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality';
const RESTRICTED = maskOf(['restricted']);

interface Labelling {
  /** By code, then by its system: almost every code of a resource is found to be none of them by one look. */
  readonly codes: Codes;
  readonly classes: ReadonlyMap<string, RecordClass>;
}
type Codes = ReadonlyMap<string, ReadonlyMap<unknown, number>>;
const remembered = new WeakMap<Policy, Labelling>();

function compiled(policy: Policy): Labelling {
  let labelling = remembered.get(policy);
  if (labelling === undefined) remembered.set(policy, (labelling = compile(policy)));
  return labelling;
}

function compile({ labelling }: Policy): Labelling {
  const codes = new Map<string, Map<unknown, number>>();
  for (const [label, lists] of [
    ...Object.entries(labelling.security),
    ...Object.entries(labelling.content),
  ]) {
    for (const { system, codes: listed } of lists ?? []) {
      for (const code of listed) {
        const systems = codes.get(code) ?? new Map<unknown, number>();
        codes.set(code, systems.set(system, (systems.get(system) ?? 0) | maskOf([label as Label])));
      }
    }
  }
  const classes = Object.entries(labelling.classes).flatMap(([name, types]) =>
    (types ?? []).map((type) => [type, name as RecordClass] as const),
  );
  return { codes, classes: new Map(classes) };
}

function codesIn(value: object, codes: Codes): number {
  let mask = 0;
  if (Array.isArray(value)) {
    for (const inner of value as unknown[])
      if (typeof inner === 'object' && inner !== null) mask |= codesIn(inner, codes);
    return mask;
  }
  const { system, code } = value as Json;
  if (typeof code === 'string') mask = bitsOf(system, code, codes);
  for (const name in value) {
    const inner = (value as Json)[name];
    if (typeof inner === 'object' && inner !== null) mask |= codesIn(inner, codes);
  }
  return mask;
}

function bitsOf(system: unknown, code: string, codes: Codes): number {
  return codes.get(code)?.get(system) ?? 0;
}

function isAlert(resource: Json, type: string, { breakGlass: { alert } }: Policy): boolean {
  if (type !== alert.type) return false;
  const { coding } = (resource['code'] ?? {}) as { coding?: unknown };
  if (!Array.isArray(coding)) return false;
  return coding.some((it: Json | null) => it?.['system'] === alert.system && it['code'] === alert.code);
}
