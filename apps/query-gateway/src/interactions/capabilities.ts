/** The CapabilityStatement, generated from what is really there. https://hl7.org/fhir/R4/http.html#capabilities */
import { resourceTypes, searchParametersOf } from '@carelog/fhir';
import { careSettings, indicators } from '@carelog/read-models';
import { subscriptionCapability } from '../subscriptions/capability.ts';
import { WORKLIST_SYSTEM } from './worklists.ts';
import type { FhirAnswer, FhirRequest, Gateway } from '../gateway.ts';

const statements = new Map<string, string>();
const started = new Date().toISOString();

export function capabilities(gateway: Gateway, request: FhirRequest): FhirAnswer {
  let body = statements.get(request.base);
  if (body === undefined) {
    body = JSON.stringify(statementFor(gateway, request.base));
    if (statements.size > 100) statements.clear();
    statements.set(request.base, body);
  }
  return { status: 200, body };
}

const INTERACTIONS = ['read', 'vread', 'update', 'delete', 'history-instance', 'create', 'search-type'];

function statementFor(gateway: Gateway, base: string) {
  return {
    resourceType: 'CapabilityStatement',
    status: 'active',
    date: started,
    kind: 'instance',
    software: { name: 'Carelog', version: gateway.version },
    implementation: { description: 'Carelog, a shared care record kept as a log', url: base },
    fhirVersion: '4.0.1',
    format: ['application/fhir+json', 'json'],
    rest: [
      {
        mode: 'server',
        documentation: ACTIVITIES,
        security: {
          cors: false,
          service: [
            {
              coding: [
                { system: 'http://terminology.hl7.org/CodeSystem/restful-security-service', code: 'OAuth' },
                {
                  system: 'http://terminology.hl7.org/CodeSystem/restful-security-service',
                  code: 'SMART-on-FHIR',
                },
              ],
            },
          ],
          ...(gateway.tokensFrom !== undefined && { extension: [oauthUris(gateway.tokensFrom(base))] }),
          description: 'Every request but this one needs a bearer token of a trusted issuer.',
        },
        resource: resourceTypes().map((type): object =>
          type === 'Subscription' ? subscriptionCapability() : resourceOf(type),
        ),
        interaction: [{ code: 'transaction' }, { code: 'batch' }],
      },
    ],
  };
}

/** https://hl7.org/fhir/smart-app-launch/conformance.html#declaring-support-for-oauth2-endpoints */
function oauthUris({ authorize, token, introspect, revoke }: Record<string, string>) {
  const addresses = { authorize, token, introspect, revoke };
  return {
    url: 'http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris',
    extension: Object.entries(addresses).map(([url, valueUri]) => ({ url, valueUri })),
  };
}

const ACTIVITIES =
  'Beside this API, activities are published as CloudEvents 1.0 with POST /activities at the root of this server: structured, batched or binary, with a resource as data.';
const BREAK_GLASS =
  'Opens a record without a relationship, for a time. Takes Parameters: reason (a code of the access policy) and text. The privacy officer is told.';
const SUMMARY = `The first page of a care setting, as a document. profile is one of ${careSettings.map(({ name }) => name).join(', ')}.`;
const WHO_LOOKED =
  'Auditors, privacy officers and patients find here who looked, out of the access log: by patient, date and agent:identifier, newest first.';

const WORKLISTS = `Worklists are found by code: ${WORKLIST_SYSTEM}|[name], one of ${careSettings.flatMap((it) => it.worklists.map(({ name }) => name)).join(', ')}.`;

const MEASURES = `Without parameters the search lists the indicators of this server: ${indicators.map(({ name }) => name).join(', ')}.`;
const EVALUATE_MEASURE = {
  name: 'evaluate-measure',
  definition: 'http://hl7.org/fhir/OperationDefinition/Measure-evaluate-measure',
  documentation: 'A summary of an indicator for a period, of the population without who opted out. Takes periodStart, periodEnd, reportType=summary and reporter, an Organization or ODS code. Counts of 1 to 7 are masked, others rounded to 5. For planning, research and audit.', // prettier-ignore
};

function resourceOf(type: string) {
  const reverse = reverseIncludes().get(type);
  return {
    type,
    interaction: INTERACTIONS.map((code) => ({ code })),
    versioning: 'versioned-update',
    readHistory: true,
    updateCreate: true,
    conditionalCreate: true,
    conditionalRead: 'full-support',
    conditionalUpdate: false,
    conditionalDelete: 'not-supported',
    referencePolicy: ['literal', 'logical', 'local'],
    searchInclude: ['*', ...includesOf(type)],
    ...(reverse !== undefined && { searchRevInclude: reverse }),
    searchParam: searchParametersOf(type).map(({ code, type: kind, url }) => ({
      name: code,
      definition: url,
      type: kind,
    })),
    ...(type === 'AuditEvent' && { documentation: WHO_LOOKED }),
    ...(type === 'List' && { documentation: WORKLISTS }),
    ...(type === 'Measure' && { documentation: MEASURES, operation: [EVALUATE_MEASURE] }),
    ...(type === 'Patient' && {
      operation: [
        { name: 'everything', definition: 'http://hl7.org/fhir/OperationDefinition/Patient-everything' },
        {
          name: 'summary',
          definition: 'http://hl7.org/fhir/uv/ips/OperationDefinition/summary',
          documentation: SUMMARY,
        },
        {
          name: 'break-glass',
          definition: 'https://fhir.carelog.example/OperationDefinition/Patient-break-glass',
          documentation: BREAK_GLASS,
        },
      ],
    }),
  };
}

const includesOf = (type: string): string[] =>
  searchParametersOf(type)
    .filter((it) => it.type === 'reference')
    .map(({ code }) => `${type}:${code}`);

// By type, what may point at it.
let reverseByType: ReadonlyMap<string, readonly string[]> | undefined;
function reverseIncludes(): ReadonlyMap<string, readonly string[]> {
  if (reverseByType !== undefined) return reverseByType;
  const byTarget = new Map<string, string[]>();
  for (const source of resourceTypes()) {
    for (const { code, type, targets } of searchParametersOf(source)) {
      if (type !== 'reference') continue;
      for (const target of targets ?? []) {
        const known = byTarget.get(target);
        if (known === undefined) byTarget.set(target, [`${source}:${code}`]);
        else known.push(`${source}:${code}`);
      }
    }
  }
  return (reverseByType = byTarget);
}
