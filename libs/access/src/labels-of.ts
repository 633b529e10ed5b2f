/** Labels and record class of a resource, from its content. https://hl7.org/fhir/R4/security-labels.html */
import { hash } from 'node:crypto';
import { maskOf, type Label, type RecordClass } from './facts.ts';
import type { Policy } from './policy.ts';

type Json = Readonly<Record<string, unknown>>;

/**
 * The labels and the record class of a resource (parsed JSON), as `ResourceFacts.labels`: by its security labels, also
 * those of a DocumentReference and the confidentiality of a Composition, and by the codes in it, wherever they stand.
 * `R` on a Patient is the S-flag of PDS and hides nothing by itself (`decisionsIn`). Depends on `policy.labelling` and
 * `policy.breakGlass.alert` only: where `labellingDigest` is another, stored labels are to be made anew.
 */
export function labelsOf(resource: Json, policy: Policy): number {
  const labelling = compiled(policy);
  const type = String(resource['resourceType']);
  let mask = codesIn(resource, labelling.bits);
  if (type === 'Composition')
    mask |= labelling.bits.get(`${CONFIDENTIALITY}|${String(resource['confidentiality'])}`) ?? 0;
  if (type === 'Patient') mask &= ~RESTRICTED;
  const name = isAlert(resource, type, policy) ? 'audit' : classOf(type, policy);
  return mask | maskOf([name]);
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
  return compiled(policy).bits.get(`${String(system)}|${String(code)}`) ?? 0;
}

const CONFIDENTIALITY = 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality';
const RESTRICTED = maskOf(['restricted']);

interface Labelling {
  /** By `system|code`. */
  readonly bits: ReadonlyMap<string, number>;
  readonly classes: ReadonlyMap<string, RecordClass>;
}
const remembered = new WeakMap<Policy, Labelling>();

function compiled(policy: Policy): Labelling {
  let labelling = remembered.get(policy);
  if (labelling === undefined) remembered.set(policy, (labelling = compile(policy)));
  return labelling;
}

function compile({ labelling }: Policy): Labelling {
  const bits = new Map<string, number>();
  for (const lists of [labelling.security, labelling.content]) {
    for (const [label, systems] of Object.entries(lists)) {
      for (const { system, codes } of systems ?? []) {
        for (const code of codes) {
          const key = `${system}|${code}`;
          bits.set(key, (bits.get(key) ?? 0) | maskOf([label as Label]));
        }
      }
    }
  }
  const classes = Object.entries(labelling.classes).flatMap(([name, types]) =>
    (types ?? []).map((type) => [type, name as RecordClass] as const),
  );
  return { bits, classes: new Map(classes) };
}

function codesIn(value: object, bits: ReadonlyMap<string, number>): number {
  let mask = 0;
  const { system, code } = value as Json;
  if (typeof code === 'string' && typeof system === 'string') mask |= bits.get(`${system}|${code}`) ?? 0;
  for (const inner of Array.isArray(value) ? value : Object.values(value)) {
    if (typeof inner === 'object' && inner !== null) mask |= codesIn(inner as object, bits);
  }
  return mask;
}

function isAlert(resource: Json, type: string, { breakGlass: { alert } }: Policy): boolean {
  if (type !== alert.type) return false;
  const { coding } = (resource['code'] ?? {}) as { coding?: unknown };
  if (!Array.isArray(coding)) return false;
  return coding.some((it: Json | null) => it?.['system'] === alert.system && it['code'] === alert.code);
}
