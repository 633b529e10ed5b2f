/** Every care setting that has a page. */
import { hash } from 'node:crypto';
import type { CareSetting, CareSettingName, KeptByCareSetting } from './care-setting.ts';
import { acute } from './acute.ts';
import { community } from './community.ts';
import { generalPractice } from './general-practice.ts';
import { mentalHealth } from './mental-health.ts';
import { patient } from './patient.ts';
import { pharmacy } from './pharmacy.ts';
import { socialCare } from './social-care.ts';
import { urgentCare } from './urgent-care.ts';

export const careSettings: readonly CareSetting[] = [
  generalPractice,
  acute,
  urgentCare,
  community,
  mentalHealth,
  socialCare,
  pharmacy,
  patient,
];

/** Undefined for a name that no setting has. */
export const careSettingNamed = (name: string): CareSetting | undefined =>
  careSettings.find((it) => it.name === (name as CareSettingName));

/** What is kept where these are kept together: the facts that any of them keeps, once, and the worklists of all. */
export const keptByAll = (settings: readonly CareSetting[]): KeptByCareSetting => ({
  kinds: new Set(settings.flatMap(({ kinds }) => [...kinds])),
  worklists: settings.flatMap(({ worklists }) => worklists),
});

/** In eight hex digits, of their rules: another version of one of them is another version of what is kept together. */
export const versionOf = (settings: readonly Pick<CareSetting, 'name' | 'version'>[]): string =>
  hash('sha256', settings.map(({ name, version }) => `${name} ${version}`).join()).slice(0, 8);
