/**
 * Legal status under the Mental Health Act 1983, as UK Core writes it on an encounter, on admission and on discharge.
 * https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-LegalStatus
 */
import { isHeld } from './attendances.ts';
import type { Item, Placed } from './care-setting.ts';
import type { Code } from './fact.ts';
import { ofKind } from './sections.ts';

/** One line for each encounter that says it. What was said on discharge counts once it is there; what ended says so. */
export function legalStatusItems(facts: readonly Placed[]): readonly Item[] {
  const told = ofKind(facts, 'encounter').filter(isHeld).flatMap((placed) => saidIn(placed)); // prettier-ignore
  const ongoing = new Set(told.filter(({ hasEnded }) => !hasEnded).map(({ code }) => code.code));
  const items = told.map(({ placed, code, text, hasEnded }): Item => {
    const from = placed.fact.from?.slice(0, 10);
    return {
      text,
      sources: [placed],
      ...(from !== undefined && { detail: `encounter from ${from}` }),
      ...(!hasEnded && ongoing.size > 1 && { differs: 'encounters that go on do not agree' }),
      ...(hasEnded && { change: 'stopped' as const }),
      ...(!hasEnded && !isInformal(code) && { urgent: true as const }),
    };
  });
  return items.toSorted((a, b) => Number(a.change === 'stopped') - Number(b.change === 'stopped'));
}

interface Said {
  readonly placed: Placed;
  readonly code: Code;
  readonly text: string;
  readonly hasEnded: boolean;
}

function saidIn(placed: Placed): readonly Said[] {
  const { parts = [], status } = placed.fact;
  const said = parts.flatMap(({ codes, text, value }) => {
    const code = codes.find(({ system }) => SYSTEMS.has(system ?? ''));
    if (code === undefined) return [];
    const isOnDischarge = value?.kind === 'code' && value.codes.some((it) => it.code === 'discharge');
    return [{ placed, code, text: text === '' ? `Legal status ${code.code}` : text, isOnDischarge }];
  });
  const counts = said.find(({ isOnDischarge }) => isOnDischarge) ?? said.at(-1);
  if (counts === undefined) return [];
  return [{ ...counts, hasEnded: status === 'finished' && !counts.isOnDischarge }];
}

const SYSTEMS = new Set([
  'https://fhir.hl7.org.uk/CodeSystem/UKCore-LegalStatusClassificationEngland',
  'https://fhir.hl7.org.uk/CodeSystem/UKCore-LegalStatusClassificationWales',
]);

/** Informal, not applicable, not known. */
const isInformal = ({ code }: Code): boolean => code === '01' || code === '98' || code === '99';
