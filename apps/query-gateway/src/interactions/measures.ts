/**
 * Quality indicators: the catalogue as `Measure`, and `Measure/[id]/$evaluate-measure`, what one comes to in a period, in numbers
 * in which nobody can be found. https://hl7.org/fhir/R4/measure-operation-evaluate-measure.html
 */
import { refusedCounts } from '@carelog/access';
import { parseJson, validateResource, type Problem } from '@carelog/fhir';
import { indicators, type Indicator } from '@carelog/read-models';
import { allow, unknown } from '../access.ts';
import { populationCaughtUp } from '../consistency.ts';
import { refuse, Refusal, type FhirAnswer, type FhirRequest, type Gateway } from '../gateway.ts';
import { measureCanonical, measureOf, reportOf } from './measure-report.ts';
import { organisationCodes } from './organisation-codes.ts';
import { refuseUnknown } from './search.ts';

/** What is recorded under another id, or searched by parameters, is in the record like any other resource. */
export function asksForCatalogue({ population }: Gateway, { path, query }: FhirRequest): boolean {
  if (population === undefined) return false;
  if (path.length === 2 && path[1] !== '_search') return indicatorNamed(path[1]) !== undefined;
  const names = [...query.keys()].filter((it) => it !== '_format');
  return names.length === 0 || names.join() === 'url' && query.get('url')!.startsWith(measureCanonical('')); // prettier-ignore
}

export function measures(gateway: Gateway, request: FhirRequest): FhirAnswer | Refusal {
  const allowed = allow(gateway, request.caller, 'search', 'Measure');
  if (allowed instanceof Refusal) return allowed;
  const url = request.query.get('url');
  const found = indicators.filter(({ name }) => url === null || url === measureCanonical(name));
  const entry = found.map((it) => ({
    fullUrl: `${request.base}/Measure/${it.name}`,
    resource: measureOf(it),
    search: { mode: 'match' },
  }));
  const asked = request.query.size === 0 ? '' : `?${request.query}`;
  const link = [{ relation: 'self', url: `${request.base}/Measure${asked}` }];
  const bundle = { resourceType: 'Bundle', type: 'searchset', total: found.length, link, ...(entry.length > 0 && { entry }) }; // prettier-ignore
  return { status: 200, body: JSON.stringify(bundle), basis: allowed.basis };
}

export function measure(gateway: Gateway, { caller }: FhirRequest, id: string): FhirAnswer | Refusal {
  const allowed = allow(gateway, caller, 'read', 'Measure');
  if (allowed instanceof Refusal) return allowed;
  return { status: 200, body: JSON.stringify(measureOf(indicatorNamed(id)!)), basis: allowed.basis };
}

export async function evaluateMeasure(
  gateway: Gateway,
  request: FhirRequest,
  id: string,
): Promise<FhirAnswer | Refusal> {
  const { population, policy } = gateway;
  const allowed = allow(gateway, request.caller, 'search', 'MeasureReport');
  if (allowed instanceof Refusal) return allowed;
  const refused = refusedCounts(request.caller, policy);
  if (refused !== undefined) {
    const message = `${refused.reason} ${refused.remedy}`;
    return new Refusal([{ category: 'forbidden', code: 'forbidden', message }], {}, { reason: refused.code });
  }
  const indicator = indicatorNamed(id);
  if (indicator === undefined || population === undefined) return unknown('Measure');
  const asked = askedIn(request);
  if (asked instanceof Refusal) return asked;
  const behind = await populationCaughtUp(gateway);
  if (behind !== undefined) return behind;

  const position = population.position();
  const now = Date.now();
  const { from, until, reporter } = asked;
  const counted = await population.queries.cases(indicator.name, { from, until, now });
  const named = counted.flatMap(({ owner, practice = owner }) => [owner, practice]);
  const codeOf = await organisationCodes(gateway, reporter === undefined ? named : [...named, reporter]);
  // One organisation, whichever way it is named.
  const groups = counted.map((it) => ({ ...it, owner: codeOf(it.owner), ...(it.practice !== undefined && { practice: codeOf(it.practice) }) })); // prettier-ignore
  const report = reportOf(indicator, { groups, from, until, now, ...(reporter !== undefined && { reporter: codeOf(reporter) }) }); // prettier-ignore
  return {
    status: 200,
    headers: { 'carelog-position': String(position) },
    body: JSON.stringify(report),
    basis: allowed.basis,
  };
}

const indicatorNamed = (id: string | undefined): Indicator | undefined =>
  indicators.find(({ name }) => name === id);

interface Asked {
  /** Milliseconds UTC: from the beginning of the first day until after the end of the last. */
  readonly from: number;
  readonly until: number;
  /** `Organization/id` or ODS code. */
  readonly reporter?: string;
}

const PARAMETERS = ['periodStart', 'periodEnd', 'reportType', 'reporter'] as const;

/** All problems at once. */
function askedIn(request: FhirRequest): Asked | Refusal {
  const isPost = request.method === 'POST';
  const given = isPost ? parametersIn(request.body) : valuesIn(request);
  if (given instanceof Refusal) return given;
  const problems: Problem[] = [];
  const where = (name: string) => isPost ? `Parameters.parameter.where(name = '${name}')` : name; // prettier-ignore
  const wrong = (name: string, message: string, code = 'value') => void problems.push({ category: 'incorrect', code, message, expression: where(name) }); // prettier-ignore
  const spanOf = (name: string) => {
    const [text, ...others] = given.get(name) ?? [];
    const span = others.length > 0 ? undefined : dateSpan(text ?? '');
    if (span === undefined) wrong(name, `${name} is a date, given once: YYYY, YYYY-MM or YYYY-MM-DD. Send one that is in the calendar.`, text === undefined ? 'required' : 'value'); // prettier-ignore
    return span;
  };
  const [start, end] = [spanOf('periodStart'), spanOf('periodEnd')];
  if (start !== undefined && end !== undefined && start.from >= end.until)
    wrong('periodEnd', 'The period ends before it starts. Send a periodEnd that is not before periodStart.');
  const reportTypes = given.get('reportType') ?? ['summary'];
  if (reportTypes.some((it) => it !== 'summary'))
    wrong('reportType', 'Only reportType=summary can be had: what is counted is pseudonyms, which have no subject that could be named. Send summary, or leave reportType out.', 'not-supported'); // prettier-ignore
  const [reporter, ...reporters] = given.get('reporter') ?? [];
  if (reporters.length > 0 || (reporter !== undefined && !REPORTER.test(reporter)))
    wrong('reporter', 'reporter is one organisation or practice: Organization/[id] or an ODS code. Send it so, or leave it out for all of them.'); // prettier-ignore
  for (const name of ['subject', 'practitioner'])
    if (given.has(name)) wrong(name, `${name} cannot be asked for: what is counted tells of nobody. Leave it out; reporter asks for one organisation.`, 'not-supported'); // prettier-ignore
  if (problems.length > 0) return new Refusal(problems);
  return { from: start!.from, until: end!.until, ...(reporter !== undefined && { reporter }) };
}

const REPORTER = /^(?:Organization\/[A-Za-z0-9.-]{1,64}|[A-Za-z0-9]{1,12})$/;

type Given = ReadonlyMap<string, readonly string[]>;

function valuesIn(request: FhirRequest): Given | Refusal {
  const unsupported = refuseUnknown(request, [...PARAMETERS, 'subject', 'practitioner']);
  if (unsupported instanceof Refusal) return unsupported;
  return new Map([...new Set(request.query.keys())].map((name) => [name, request.query.getAll(name)]));
}

interface Parameter {
  readonly name: string;
  readonly valueDate?: string;
  readonly valueCode?: string;
  readonly valueString?: string;
  readonly valueReference?: { readonly reference?: string };
}

function parametersIn(body: string): Given | Refusal {
  const parsed = parseJson(body);
  if (parsed.kind === 'malformed') return new Refusal(parsed.problems);
  const problems = validateResource(parsed.value).filter(({ severity = 'error' }) => severity === 'error');
  const { resourceType, parameter = [] } = (parsed.value ?? {}) as { resourceType?: unknown; parameter?: readonly Parameter[] }; // prettier-ignore
  if (problems.length > 0) return new Refusal(problems);
  if (resourceType !== 'Parameters') return noParameters();
  const isKnown = ({ name }: Parameter) => [...PARAMETERS, 'subject', 'practitioner'].includes(name);
  const unsupported = parameter
    .filter((it) => !isKnown(it))
    .map((): Problem => ({
      category: 'incorrect',
      code: 'not-supported',
      message: `This parameter is not supported here. Supported are ${PARAMETERS.join(', ')}. Leave it out.`,
      expression: 'Parameters.parameter.name',
    }));
  if (unsupported.length > 0) return new Refusal(unsupported);
  const each = Map.groupBy(parameter, ({ name }) => name);
  return new Map([...each].map(([name, some]) => [name, some.map((it) => it.valueDate ?? it.valueCode ?? it.valueString ?? it.valueReference?.reference ?? '')])); // prettier-ignore
}

const noParameters = (): Refusal =>
  refuse({
    category: 'incorrect',
    code: 'invalid',
    message: '$evaluate-measure takes a Parameters resource with "periodStart" and "periodEnd".',
    expression: 'Parameters',
  });

/** What a date spans; undefined for what is none. https://hl7.org/fhir/R4/datatypes.html#date */
function dateSpan(text: string): { from: number; until: number } | undefined {
  const [, year, month, day] = /^([12]\d{3})(?:-(\d\d)(?:-(\d\d))?)?$/.exec(text) ?? [];
  if (year === undefined) return undefined;
  const [y, m, d] = [Number(year), Number(month ?? 1), Number(day ?? 1)];
  const from = Date.UTC(y, m - 1, d);
  if (!new Date(from).toISOString().startsWith(text)) return undefined;
  const until = day !== undefined ? Date.UTC(y, m - 1, d + 1) : month !== undefined ? Date.UTC(y, m, 1) : Date.UTC(y + 1, 0, 1); // prettier-ignore
  return { from, until };
}
