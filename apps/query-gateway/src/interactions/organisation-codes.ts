/** What organisations are called by all who name them: by their ODS code, where the record has it. */
import type { Gateway } from '../gateway.ts';

const ODS = 'https://fhir.nhs.uk/Id/ods-organization-code';

interface Organisation {
  readonly identifier?: readonly { readonly system?: string; readonly value?: string }[];
}

/** For `Organization/id` its ODS code, as its resource has it now; anything else stays as it is. Whom an organisation is says nothing of anybody. */
export async function organisationCodes(
  { record }: Pick<Gateway, 'record'>,
  named: Iterable<string>,
): Promise<(organisation: string) => string> {
  const streams = [...new Set(named)].filter((it) => it.startsWith('Organization/'));
  if (streams.length === 0) return (it) => it;
  const { bodies } = await record.theseVersions(streams.map((stream) => ({ stream })));
  const codes = new Map(
    [...bodies].flatMap(([stream, { body }]) => {
      const { identifier = [] } = JSON.parse(body) as Organisation;
      const code = identifier.find(({ system }) => system === ODS)?.value;
      return code === undefined ? [] : [[stream, code] as const];
    }),
  );
  return (it) => codes.get(it) ?? it;
}
