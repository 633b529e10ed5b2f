/**
 * The first page of a person as one care setting opens it, as a FHIR document: `Patient/[id]/$summary?profile=[setting]`.
 * https://hl7.org/fhir/R4/documents.html
 */
import { careSettingNamed, careSettings, type CareSetting } from '@carelog/read-models';
import { allow, standingOf, unknownTo } from '../access.ts';
import { settingCaughtUp } from '../consistency.ts';
import { refuse, Refusal, type FhirAnswer, type FhirRequest, type Gateway } from '../gateway.ts';
import { refuseUnknown } from './search.ts';
import { seenBy } from './seen-facts.ts';
import { incompleteFrom, setAside } from './set-aside.ts';
import { compositionOf } from './summary-composition.ts';

/** What stands before a setting's name in the canonical of its profile. */
export const SUMMARY_PROFILE = 'https://fhir.carelog.example/StructureDefinition/summary-';

export async function summary(
  gateway: Gateway,
  request: FhirRequest,
  id: string,
): Promise<FhirAnswer | Refusal> {
  const unknown = refuseUnknown(request, ['profile']);
  if (unknown instanceof Refusal) return unknown;
  const setting = settingOf(request);
  const queries = setting && gateway.careSettings?.of.get(setting.name);
  if (setting === undefined || queries === undefined) return unknownProfile(gateway);
  const behind = await settingCaughtUp(gateway, setting.name);
  if (behind !== undefined) return behind;
  const standing = await standingOf(gateway, request.caller);
  const allowed = allow(gateway, request.caller, 'everything', undefined, standing);
  if (allowed instanceof Refusal) return allowed;

  const position = gateway.careSettings!.position(setting.name);
  const patient = `Patient/${id}`;
  const [facts, isReadAlone] = await Promise.all([queries.facts(patient), queries.isReadAlone(patient)]);
  const seen = await seenBy(gateway, facts, allowed);
  if (!seen.facts.some(({ stream }) => stream === patient)) {
    const parked = await gateway.record.parkedPartitionOf('Patient', id, allowed.viewer);
    return parked === undefined
      ? unknownTo(gateway, request.caller, 'everything', 'Patient', id)
      : setAside();
  }
  const sections = setting.page(seen.facts, Date.now());
  const told = sections.flatMap((it) => it.items.flatMap((item) => item.sources));
  const asked = new Map(
    [...seen.facts.filter((it) => it.stream === patient), ...told].map((it) => [it.stream, it]),
  );
  const found = await gateway.record.theseVersions([...asked.values()], allowed.viewer);
  // Erased since: what the page would be made from is in the record no more.
  if (!found.bodies.has(patient)) return unknownTo(gateway, request.caller, 'everything', 'Patient', id);
  const incomplete = await incompleteFrom(gateway, queries, new Set(seen.facts.map((it) => it.patient)), allowed.viewer); // prettier-ignore
  const isStaff = request.caller.kind === 'staff';
  const composition = compositionOf({
    setting,
    patient,
    sections,
    isShown: (stream) => found.bodies.has(stream),
    isWithheld: seen.isWithheld && isStaff,
    isInPart: (stream) => isStaff && seen.inPart.has(stream),
    isIncomplete: incomplete !== undefined,
    isReadAlone,
    position,
  });
  return {
    status: 200,
    headers: {
      'carelog-position': String(position),
      ...(incomplete !== undefined && { 'carelog-incomplete': String(incomplete) }),
    },
    body: documentOf(request.base, composition, [...asked.keys()], found.bodies),
    shown: found.shown,
    basis: allowed.basis,
  };
}

function settingOf({ query }: FhirRequest): CareSetting | undefined {
  const profile = query.get('profile') ?? 'general-practice';
  return careSettingNamed(
    profile.startsWith(SUMMARY_PROFILE) ? profile.slice(SUMMARY_PROFILE.length) : profile,
  );
}

function unknownProfile({ careSettings: kept }: Gateway): Refusal {
  const names = careSettings.map(({ name }) => name).filter((name) => kept?.of.has(name) === true);
  const message = `profile names no page of this server. Send one of ${names.join(', ')}, or its canonical ${SUMMARY_PROFILE}….`;
  return refuse({ category: 'incorrect', code: 'value', message, expression: 'profile' });
}

/** The bodies are passed through as they are stored. */
function documentOf(
  base: string,
  composition: { readonly id: string; readonly date: string },
  streams: readonly string[],
  bodies: ReadonlyMap<string, { readonly body: string }>,
): string {
  const { id, date } = composition;
  const head = `{"resourceType":"Bundle","type":"document","identifier":{"system":"urn:ietf:rfc:3986","value":"urn:uuid:${id}"},"timestamp":${JSON.stringify(date)},"entry":[`;
  const entries = [`{"fullUrl":"urn:uuid:${id}","resource":${JSON.stringify(composition)}}`];
  for (const stream of streams) {
    const body = bodies.get(stream)?.body;
    if (body !== undefined) entries.push(`{"fullUrl":"${base}/${stream}","resource":${body}}`);
  }
  return `${head}${entries.join(',')}]}`;
}
