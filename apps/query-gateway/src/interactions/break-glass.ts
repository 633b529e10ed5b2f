/**
 * `POST Patient/<id>/$break-glass`: opens a record without a relationship, for a reason and for a time. It is recorded in the
 * access log first; then the caller's organisation finds a Task on its privacy officer's worklist.
 */
import type { Caller, Policy } from '@carelog/access';
import type { StandingBreak } from '@carelog/access-log';
import { derivedEventId } from '@carelog/event-store';
import { parseJson, validateResource, type Problem } from '@carelog/fhir';
import { allow, unknown } from '../access.ts';
import { caughtUp } from '../consistency.ts';
import { refuse, Refusal, type FhirAnswer, type FhirRequest, type Gateway } from '../gateway.ts';

const TEXT_MAX = 500;
const HOUR_MS = 60 * 60 * 1_000;

export async function breakGlass(
  gateway: Gateway,
  request: FhirRequest,
  patient: string,
): Promise<FhirAnswer | Refusal> {
  const allowed = allow(gateway, request.caller, 'break-glass');
  if (allowed instanceof Refusal) return allowed;
  const { policy } = gateway;
  const why = reasonIn(request.body, policy);
  if (why instanceof Refusal) return why;
  const behind = await caughtUp(gateway);
  if (behind !== undefined) return behind;
  const answer = await gateway.record.read('Patient', patient);
  if (answer.kind !== 'found') return unknown('Patient', { reason: 'not-known' });

  const until = Date.now() + policy.breakGlass.hours * HOUR_MS;
  const { caller, correlation } = request;
  const position = gateway.projected.position();
  const broken = { patient, ...why, until };
  if (!(await gateway.brokenGlass.break(caller, broken, { position, correlation }))) return UNRECORDED;
  await raiseTask(gateway, { ...broken, who: caller, at: Date.now(), correlation });
  const parameter = [{ name: 'until', valueInstant: new Date(until).toISOString() }];
  return { status: 200, body: JSON.stringify({ resourceType: 'Parameters', parameter }), isAccounted: true };
}

/** Raises what a crash kept from being raised: for every broken glass there is a Task, once. */
export async function raiseTasks(
  gateway: Pick<Gateway, 'brokenGlass' | 'recordActivity' | 'policy' | 'digest'>,
): Promise<void> {
  for (const broken of gateway.brokenGlass.standing()) await raiseTask(gateway, broken);
}

const UNRECORDED = refuse({
  category: 'unavailable',
  code: 'transient',
  message: 'This cannot be put on record just now, so the record stays closed. Try again in a moment.',
});

function reasonIn(
  body: string,
  { breakGlass: { reasons } }: Policy,
): { reason: string; text: string } | Refusal {
  const parsed = parseJson(body);
  if (parsed.kind === 'malformed') return new Refusal(parsed.problems);
  const problems = validateResource(parsed.value).filter(({ severity = 'error' }) => severity === 'error');
  const { resourceType, parameter = [] } = (parsed.value ?? {}) as { resourceType?: unknown; parameter?: Parameter[] }; // prettier-ignore
  if (problems.length > 0 || resourceType !== 'Parameters') return new Refusal(problems.length > 0 ? problems : [NO_PARAMETERS]); // prettier-ignore
  const valueOf = (name: string): string =>
    parameter.flatMap((it) => (it.name === name ? (it.valueCode ?? it.valueString ?? []) : []))[0] ?? '';
  const [reason, text] = [valueOf('reason'), valueOf('text').trim()];
  const wrong: Problem[] = [];
  if (!Object.hasOwn(reasons, reason)) {
    const message = `The reason is not one that the policy knows. Send a parameter "reason" with one of ${Object.keys(reasons).join(', ')}.`;
    wrong.push({ category: 'incorrect', code: 'value', message, expression: 'Parameters.parameter' });
  }
  if (text === '' || text.length > TEXT_MAX) {
    const message = `Say why, in 1 to ${TEXT_MAX} characters and without naming the person, in a parameter "text".`;
    wrong.push({ category: 'incorrect', code: 'required', message, expression: 'Parameters.parameter' });
  }
  return wrong.length > 0 ? new Refusal(wrong) : { reason, text };
}

interface Parameter {
  readonly name?: string;
  readonly valueCode?: string;
  readonly valueString?: string;
}

const NO_PARAMETERS: Problem = {
  category: 'incorrect',
  code: 'invalid',
  message: '$break-glass takes a Parameters resource with "reason" and "text".',
};

/** The platform itself, as an author. */
const PLATFORM: Caller = { subject: 'carelog', kind: 'system', organisation: 'carelog', system: 'access-log', careSetting: 'any' }; // prettier-ignore

/** Its id is derived, under a key, from the break: it is only ever created, so raising it again changes nothing. */
async function raiseTask(
  { recordActivity, policy, digest }: Pick<Gateway, 'recordActivity' | 'policy' | 'digest'>,
  broken: StandingBreak,
): Promise<void> {
  const { who, patient, at, until, reason, text, correlation } = broken;
  const { alert, reasons } = policy.breakGlass;
  const name = `${correlation}|${who.organisation}|${who.subject}|${patient}|${until}`;
  // Nobody can work it out, and so put something harmless in its place beforehand.
  const id = derivedEventId('broken glass', digest(name));
  const task = {
    resourceType: 'Task',
    id,
    status: 'requested',
    intent: 'order',
    priority: 'urgent',
    code: { coding: [{ system: alert.system, code: alert.code }], text: 'Review why this record was opened without a relationship' }, // prettier-ignore
    for: { reference: `Patient/${patient}` },
    authoredOn: new Date(at).toISOString(),
    requester: { type: 'Practitioner', identifier: { system: 'https://fhir.nhs.uk/Id/sds-user-id', value: who.subject } }, // prettier-ignore
    owner: { type: 'Organization', identifier: { system: 'https://fhir.nhs.uk/Id/ods-organization-code', value: who.organisation } }, // prettier-ignore
    reasonCode: {
      coding: [{ system: `${alert.system}-reason`, code: reason, display: reasons[reason] }],
      text,
    },
    restriction: { period: { start: new Date(at).toISOString(), end: new Date(until).toISOString() } },
  };
  const entry = {
    method: 'PUT',
    type: 'Task',
    id,
    resource: JSON.stringify(task),
    ifNoneMatch: true,
  } as const;
  const [outcome] = await recordActivity.record({ caller: PLATFORM, mode: 'single', entries: [entry] });
  // That it was raised before is no fault.
  if (outcome?.kind === 'refused' && outcome.problems.some(({ category }) => category !== 'mismatch')) {
    throw new Error(`A broken glass could not be put on the worklist: ${outcome.problems[0]?.message ?? ''}`);
  }
}
