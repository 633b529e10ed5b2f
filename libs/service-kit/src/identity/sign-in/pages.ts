/** The pages of the built-in sign-in, drawn with nhsuk-frontend. Pure: the same facts give the same page. */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import nunjucks from 'nunjucks';
import { parseScopes } from '@carelog/access';
import type { Scope } from '@carelog/access';
import { pageHeaders } from '../../page-headers.ts';

export interface Choice {
  readonly value: string;
  readonly text: string;
  readonly hint?: string;
}

/** One step of a sign-in. `action`: where its form is sent; `problem`: what was wrong with the last answer. */
export type SignInPage = { readonly action: string; readonly app: string; readonly problem?: string } & (
  | { readonly step: 'persona'; readonly choices: readonly Choice[] }
  | { readonly step: 'role'; readonly persona: string; readonly choices: readonly Choice[] }
  | {
      readonly step: 'patient';
      readonly user: string;
      readonly name: string;
      readonly choices: readonly Choice[];
      /** More were found than are listed. */
      readonly more: boolean;
    }
  | {
      readonly step: 'consent';
      readonly user: string;
      readonly scope: string;
      readonly patient?: Choice;
    }
);

export interface Page {
  readonly html: string;
  readonly headers: Readonly<Record<string, string>>;
}

const titles = {
  persona: 'Sign in',
  role: 'Choose your role',
  patient: 'Choose a patient',
  consent: 'Allow access?',
} as const;

/** A whole HTML document. `redirectsTo`: the address that the app is at, which the last form leads to. */
export function renderSignIn(page: SignInPage, redirectsTo: string): Page {
  const { step, action, app, problem } = page;
  const facts = {
    title: titles[step],
    action,
    app,
    problem,
    problemAt: step,
    ...(step === 'consent' ? consentFacts(page) : { ...page, items: radioItems(page.choices) }),
  };
  return { html: templates.render(`${step}.njk`, facts), headers: headersFor(redirectsTo) };
}

/** For what ends a sign-in before the app can be told. */
export function renderRefusal(reason: string): Page {
  const html = templates.render('refusal.njk', { title: 'You cannot sign in this way', reason });
  return { html, headers: headersFor(undefined) };
}

const nhsukFolder = join(dirname(fileURLToPath(import.meta.resolve('nhsuk-frontend/package.json'))), 'dist');
const templates = new nunjucks.Environment(
  new nunjucks.FileSystemLoader([import.meta.dirname, nhsukFolder]),
  { autoescape: true, trimBlocks: true, lstripBlocks: true },
);

/** Browsers hold a form to this also where its answer redirects, so the app's address belongs into it. */
function headersFor(redirectsTo: string | undefined): Readonly<Record<string, string>> {
  const app = redirectsTo === undefined ? undefined : URL.parse(redirectsTo);
  const target = app === null || app === undefined ? '' : /^https?:$/.test(app.protocol) ? app.origin : app.protocol; // prettier-ignore
  const policy = pageHeaders['content-security-policy'] ?? '';
  return {
    ...pageHeaders,
    'content-security-policy': policy.replace("form-action 'none'", `form-action 'self' ${target}`.trim()),
    'cache-control': 'no-store',
    'x-frame-options': 'DENY',
  };
}

function radioItems(choices: readonly Choice[]) {
  return choices.map(({ value, text, hint }) => ({ value, text, hint: hint && { text: hint } }));
}

function consentFacts({ app, user, scope, patient }: Extract<SignInPage, { step: 'consent' }>) {
  const row = (key: string, value: string) => ({ key: { text: key }, value: { text: value } });
  return {
    rows: [
      row('App', app),
      row('You', user),
      ...(patient === undefined ? [] : [row('Patient', [patient.text, patient.hint].join(', '))]),
    ],
    asks: inWords(scope),
    patient: patient?.value,
  };
}

/** Scopes as sentences, for people who never heard of them. */
export function inWords(scope: string): string[] {
  const rights = scope.split(' ').flatMap((one) => parseScopes(one) ?? []);
  const others = scope.split(' ').flatMap((one) => sentences[one] ?? []);
  return [...rights.map(rightInWords), ...others];
}

const sentences: Readonly<Record<string, string>> = {
  fhirUser: 'know who you are',
  offline_access: 'go on for up to 14 days, also while you are not using it',
};

const verbs: readonly (readonly [string, string])[] = [
  ['r', 'read'],
  ['s', 'search'],
  ['c', 'add to'],
  ['u', 'change'],
  ['d', 'delete from'],
];

function rightInWords({ level, type, actions, where }: Scope): string {
  const can = verbs.filter(([letter]) => actions.includes(letter)).map(([, verb]) => verb);
  const what = type === '*' ? 'everything' : `${type} resources`;
  const whose = level === 'patient' ? 'in the record of this patient' : 'in the records that you may see';
  const only =
    where.length === 0 ? '' : `, only where ${where.map(([n, v]) => `${n} is ${v}`).join(' and ')}`;
  return `${listed(can)} ${what} ${whose}${only}`;
}

function listed(words: readonly string[]): string {
  return words.length < 2 ? (words[0] ?? '') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
}
