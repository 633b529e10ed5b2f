/** What decisions about access rest on, as a resource tells of it, and the rows that it is kept in. */
import {
  classOf,
  decisionsIn,
  endOf,
  labellingDigest,
  labelsOf,
  maskOf,
  partOf,
  proxiesIn,
  relationshipsIn,
  type Party,
  type PatientDecision,
  type Policy,
  type Proxy,
  type Relationship,
} from '@carelog/access';
import { hash } from 'node:crypto';
import type { IndexRow } from './index-rows.ts';
import type { Interning } from './interning.ts';
import { BASIS, DECISION, NEVER } from './tables.ts';

export interface AccessFacts {
  /** Labels and record class. */
  readonly labels: number;
  /** Each with the moment from which it is no more. */
  readonly relationships: readonly (Relationship & { readonly ends: number })[];
  readonly decisions: readonly PatientDecision[];
  readonly proxies: readonly Proxy[];
  /** What the resource itself, as a party, is a part of. */
  readonly wholes: readonly Party[];
}

/** Relationships that were over at `recordedAt` (milliseconds UTC) are left out: nobody will ask of a time before. */
export function accessFactsOf(
  resource: Readonly<Record<string, unknown>>,
  policy: Policy,
  recordedAt: number,
): AccessFacts {
  return {
    labels: labelsOf(resource, policy),
    relationships: relationshipsIn(resource)
      .map((it) => ({ ...it, ends: Math.min(endOf(it, policy), NEVER) }))
      .filter(({ ends }) => ends > recordedAt),
    decisions: decisionsIn(resource, policy),
    proxies: proxiesIn(resource),
    wholes: partOf(resource),
  };
}

/** Of a resource without content. */
export function accessFactsOfType(type: string, policy: Policy): AccessFacts {
  const labels = maskOf([classOf(type, policy)]);
  return { labels, relationships: [], decisions: [], proxies: [], wholes: [] };
}

/** Differs where the same resource may tell something else. */
export function digestOfRules(policy: Policy): string {
  const { relationships, sharing, review } = policy;
  return hash('sha256', JSON.stringify([labellingDigest(policy), relationships, sharing, review]));
}

/** `self`: `Type/id` of the resource that tells. */
export function accessRows(facts: AccessFacts, self: string, key: number, intern: Interning): IndexRow[] {
  const rows: IndexRow[] = [];
  for (const { patient, party, basis, from, until = NEVER, ends } of facts.relationships) {
    const values = [intern.target(patient), intern.target(party), BASIS[basis], from, until, ends, key];
    rows.push({ table: 'relationship', values });
  }
  for (const decision of facts.decisions) {
    const { from = 0, until = NEVER, detail = '' } = spanOf(decision);
    const values = [intern.target(decision.patient), DECISION[decision.kind], from, until, detail, key];
    rows.push({ table: 'decision', values });
  }
  for (const { who, patient, from, until = NEVER } of facts.proxies)
    rows.push({ table: 'proxy', values: [intern.target(who), intern.target(patient), from, until, key] });
  for (const whole of facts.wholes)
    rows.push({ table: 'part_of', values: [intern.target(self), intern.target(whole), key] });
  return rows;
}

function spanOf(decision: PatientDecision): {
  readonly from?: number;
  readonly until?: number;
  readonly detail?: string;
} {
  switch (decision.kind) {
    case 'sharing':
      // Its rules have times of their own.
      return { detail: JSON.stringify(decision) };
    case 'review':
      return { from: decision.from, detail: decision.pending ? 'pending' : '' };
    case 'opt-out':
      return decision;
    case 's-flag':
      return {};
  }
}
