/**
 * Signing in at the embedded provider: choose a persona, its role, the patient where an app is launched for one, and allow
 * the app what it asks for. Every answer is checked again; nothing is kept between the steps but what the provider keeps.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Interaction, InteractionResults, Provider } from 'oidc-provider';
import { parseScopes } from '@carelog/access';
import { accountWith } from '../accounts.ts';
import type { Account } from '../accounts.ts';
import { grantSeconds, launchKind } from '../provider-configuration.ts';
import type { Launch, ProviderParts } from '../provider-configuration.ts';
import { RateLimit } from '../rate-limit.ts';
import type { FindPeople } from './find-people.ts';
import { renderRefusal, renderSignIn } from './pages.ts';
import type { Choice, Page, SignInPage } from './pages.ts';

export interface SignInParts extends Pick<
  ProviderParts,
  'personas' | 'storage' | 'audience' | 'registrations'
> {
  readonly provider: Provider;
  /** Asks the FHIR API as the person who signs in. */
  readonly people: FindPeople;
}

/** From one address. Slow enough that nobody tries out what is not theirs; a person needs a handful, and a practice is one address. */
const stepsPerMinute = 120;

/** Answers each request for `…/sign-in/<uid>`, with forms as `URLSearchParams`. `load`: opened with the first visit. */
export function createSignIn(load: (request: FastifyRequest) => Promise<SignInParts>) {
  const steps = new RateLimit(stepsPerMinute);
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    if (steps.exceeded(request.ip)) return show(reply, tooMany, 429);
    steps.count(request.ip);
    // A form on a page of somebody else must not answer in the user's name.
    const from = request.headers['sec-fetch-site'];
    if (request.method === 'POST' && from !== undefined && from !== 'same-origin')
      return show(reply, foreignForm, 403);
    const parts = await load(request);
    const interaction = await currentInteraction(parts.provider, request, reply);
    if (interaction === undefined) return show(reply, notUnderWay, 400);
    const answers = request.body instanceof URLSearchParams ? request.body : new URLSearchParams();
    const next = await step(parts, interaction, answers);
    if ('page' in next) {
      const action = `/openid/sign-in/${interaction.uid}`;
      const redirectsTo = String(interaction.params['redirect_uri']);
      const app = appOf(parts, interaction);
      return show(reply, renderSignIn({ ...next.page, action, app }, redirectsTo));
    }
    const to = await parts.provider.interactionResult(request.raw, reply.raw, next.result, {
      mergeWithLastSubmission: false,
    });
    if (next.result.login !== undefined) await forgetWhoWasHere(parts.provider, interaction);
    return reply.redirect(to, 303);
  };
}

const tooMany = renderRefusal('Too many steps of signing in came from your address. Wait a minute.');
const foreignForm = renderRefusal('This form was sent by another site.');
const notUnderWay = renderRefusal(
  'No sign-in is under way in this browser, or it took longer than ten minutes. Cookies must be allowed.',
);

function show(reply: FastifyReply, { html, headers }: Page, status = 200): FastifyReply {
  return reply.code(status).headers(headers).type('text/html; charset=utf-8').send(html);
}

async function currentInteraction(
  provider: Provider,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<Interaction | undefined> {
  try {
    const interaction = await provider.interactionDetails(request.raw, reply.raw);
    return interaction.uid === (request.params as { uid?: string }).uid ? interaction : undefined;
  } catch (error) {
    if ((error as Error).name === 'SessionNotFound') return undefined;
    throw error;
  }
}

/** Otherwise the provider would have the browser end the sign-in of somebody else by a script, which no page here may run. */
async function forgetWhoWasHere(provider: Provider, { session: begun }: Interaction): Promise<void> {
  if (begun?.uid === undefined || begun.accountId === undefined) return;
  const session = await provider.Session.findByUid(begun.uid);
  if (session === undefined) return;
  delete session.accountId;
  delete session.authorizations;
  await session.persist();
}

function appOf({ registrations }: SignInParts, { params }: Interaction): string {
  return registrations.get(String(params['client_id']))?.title ?? String(params['client_id']);
}

type WithoutFrame<P> = P extends unknown ? Omit<P, 'action' | 'app'> : never;
type Next = { readonly page: WithoutFrame<SignInPage> } | { readonly result: InteractionResults };

const refused: Next = {
  result: { error: 'access_denied', error_description: 'the user did not allow it' },
};

async function step(parts: SignInParts, interaction: Interaction, answers: URLSearchParams): Promise<Next> {
  if (answers.get('step') === 'refuse') return refused;
  if (interaction.prompt.name === 'login') return signIn(parts, answers);
  const account = accountWith(interaction.session?.accountId ?? '', parts.personas);
  return account === undefined ? refused : agree(parts, interaction, account, answers);
}

function signIn({ personas }: SignInParts, answers: URLSearchParams): Next {
  const choices = personas
    .filter(({ kind }) => kind !== 'system')
    .map(({ name, title, roles = [] }) => ({
      value: name,
      text: title,
      hint: [name, ...roles.map(({ organisation }) => organisation)].join(', '),
    }));
  const name = answers.get('persona');
  const persona = choices.some(({ value }) => value === name)
    ? personas.find((one) => one.name === name)
    : undefined;
  if (persona === undefined)
    return { page: { step: 'persona', choices, ...problemIf(answers.has('step'), 'Choose who you are') } };
  const roles = persona.roles ?? [];
  const [only] = roles;
  if (only === undefined) return signedIn(persona.name);
  const role = roles.length === 1 ? only : roles.find(({ id }) => id === answers.get('role'));
  if (role !== undefined) return signedIn(`${persona.name}:${role.id}`);
  const offered = roles.map(({ id, title, organisation }) => ({
    value: id,
    text: title,
    hint: organisation,
  }));
  const problem = problemIf(answers.get('step') === 'role', 'Choose the role you act in');
  return { page: { step: 'role', persona: persona.name, choices: offered, ...problem } };
}

function signedIn(accountId: string): Next {
  return { result: { login: { accountId, remember: false } } };
}

async function agree(
  parts: SignInParts,
  interaction: Interaction,
  account: Account,
  answers: URLSearchParams,
): Promise<Next> {
  const scope = grantedScope(interaction);
  const user = account.role?.title ?? account.persona.title;
  if (!needsPatient(scope)) {
    if (answers.get('step') === 'allow') return allow(parts, interaction, account, undefined);
    return { page: { step: 'consent', user, scope } };
  }
  const asked = answers.get('patient');
  const chosen = asked === null ? undefined : await parts.people.one(account, asked);
  if (chosen !== undefined) {
    if (answers.get('step') === 'allow') return allow(parts, interaction, account, chosen);
    return { page: { step: 'consent', user, scope, patient: chosen } };
  }
  const name = (answers.get('name') ?? '').slice(0, 100);
  const { choices, more } = await parts.people.named(account, name);
  const [own] = choices;
  if (account.persona.kind === 'patient' && own !== undefined && choices.length === 1 && !more)
    return { page: { step: 'consent', user, scope, patient: own } };
  const problem = problemIf(answers.get('step') === 'patient', 'Choose a patient');
  return { page: { step: 'patient', user, name, choices, more, ...problem } };
}

async function allow(
  { provider, storage, audience, people }: SignInParts,
  interaction: Interaction,
  account: Account,
  patient: Choice | undefined,
): Promise<Next> {
  const grant = new provider.Grant({
    accountId: account.id,
    clientId: String(interaction.params['client_id']),
  });
  const scope = grantedScope(interaction);
  grant.addOIDCScope(scope);
  grant.addResourceScope(audience, scope);
  const grantId = await grant.save();
  const fhirUser = scope.split(' ').includes('fhirUser') ? await people.self(account) : undefined;
  const launch: Launch = {
    ...(patient === undefined ? {} : { patient: patient.value }),
    ...(fhirUser === undefined ? {} : { fhirUser }),
  };
  storage.keep(launchKind, grantId, launch as never, grantSeconds);
  return { result: { consent: { grantId } } };
}

/** Of what the app asked for, what the provider found it may have. */
function grantedScope({ prompt, params }: Interaction): string {
  const { missingOIDCScope = [], missingResourceScopes = {} } = prompt.details as {
    missingOIDCScope?: string[];
    missingResourceScopes?: Record<string, string[]>;
  };
  const known = new Set([...missingOIDCScope, ...Object.values(missingResourceScopes).flat()]);
  return String(params['scope'] ?? '')
    .split(' ')
    .filter((scope) => known.has(scope))
    .join(' ');
}

function needsPatient(scope: string): boolean {
  if (scope.split(' ').includes('launch/patient')) return true;
  return (parseScopes(scope) ?? []).some(({ level }) => level === 'patient');
}

function problemIf(wrong: boolean, problem: string): { problem?: string } {
  return wrong ? { problem } : {};
}
