/**
 * Whom an app can be launched for: asked of the FHIR API itself, as the person who signs in, so that access is decided and
 * recorded as for any other request.
 */
import type { FastifyInstance } from 'fastify';
import type { Account } from '../accounts.ts';
import type { Choice } from './pages.ts';

export interface FindPeople {
  /** Patients that the user may see, by the beginning of a name; all where it is empty. */
  named(
    account: Account,
    name: string,
  ): Promise<{ readonly choices: readonly Choice[]; readonly more: boolean }>;
  /** The Patient with this id; undefined where there is none or the user may not see it. */
  one(account: Account, id: string): Promise<Choice | undefined>;
  /** The resource that stands for the user, as `Type/id`; undefined where the record has none. */
  self(account: Account): Promise<string | undefined>;
}

const choicesMax = 10;
const askMilliseconds = 10_000;

/** `tokenFor`: a token that is good for this server for a moment. */
export function findPeopleThrough(
  server: FastifyInstance,
  tokenFor: (account: Account) => Promise<string>,
): FindPeople {
  async function ask(account: Account, path: string): Promise<unknown> {
    const authorization = `Bearer ${await tokenFor(account)}`;
    const response = await fetch(`${addressOf(server)}/fhir/R4/${path}`, {
      headers: { authorization },
      signal: AbortSignal.timeout(askMilliseconds),
    });
    if (response.status === 200) return response.json();
    // A refusal is an answer: then there is nobody. That nothing could be asked is none.
    if (response.status < 500 && response.status !== 429) return undefined;
    throw new Error(`The FHIR API answered the sign-in with ${response.status}.`);
  }
  const found = async (account: Account, path: string): Promise<readonly Patient[]> => {
    const { entry = [] } = ((await ask(account, path)) ?? {}) as { entry?: { resource?: Patient }[] };
    return entry.flatMap(({ resource }) => resource ?? []);
  };
  return {
    async named(account, name) {
      const query = new URLSearchParams({ ...(name === '' ? {} : { name }), _count: String(choicesMax + 1) });
      const patients = (await found(account, `Patient?${query}`)).filter(isPatient);
      return { choices: patients.slice(0, choicesMax).map(choiceOf), more: patients.length > choicesMax };
    },
    async one(account, id) {
      if (!/^[A-Za-z0-9.-]{1,64}$/.test(id)) return undefined;
      const resource = await ask(account, `Patient/${id}`);
      return resource === undefined ? undefined : choiceOf(resource as Patient);
    },
    async self(account) {
      const { kind, userId } = account.persona;
      const path =
        kind === 'patient'
          ? 'Patient?_count=2'
          : userId && `Practitioner?identifier=https://fhir.nhs.uk/Id/sds-user-id|${userId}&_count=2`;
      const matches = path ? await found(account, path) : [];
      const [only] = matches;
      return matches.length === 1 && only !== undefined ? `${only.resourceType}/${only.id}` : undefined;
    },
  };
}

/** Where the server is bound: clients may reach it through a proxy that we cannot. */
function addressOf(server: FastifyInstance): string {
  const [bound] = server.addresses();
  if (typeof bound !== 'object') throw new Error('The server is closing.');
  const { address, family, port } = bound;
  if (/^(0\.0\.0\.0|::)$/.test(address)) return `http://localhost:${port}`;
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}

interface Patient {
  readonly resourceType: string;
  readonly id: string;
  readonly birthDate?: string;
  readonly name?: readonly {
    readonly text?: string;
    readonly family?: string;
    readonly given?: readonly string[];
  }[];
}

const isPatient = ({ resourceType }: Patient): boolean => resourceType === 'Patient';

function choiceOf({ id, name, birthDate }: Patient): Choice {
  const [first] = name ?? [];
  const text = first?.text ?? [...(first?.given ?? []), first?.family ?? ''].join(' ').trim();
  return { value: id, text: text || 'No name', hint: bornOn(birthDate) };
}

/** Also a year, or a year and a month: https://hl7.org/fhir/R4/datatypes.html#date */
function bornOn(birthDate: string | undefined): string {
  if (birthDate === undefined) return 'no date of birth';
  const [year, month, day] = birthDate.split('-').map(Number);
  const parts: Intl.DateTimeFormatOptions = {
    year: 'numeric',
    timeZone: 'UTC',
    ...(month === undefined ? {} : { month: 'long' }),
    ...(day === undefined ? {} : { day: 'numeric' }),
  };
  const date = new Date(Date.UTC(year ?? 0, (month ?? 1) - 1, day ?? 1));
  return `born ${date.toLocaleDateString('en-GB', parts)}`;
}
