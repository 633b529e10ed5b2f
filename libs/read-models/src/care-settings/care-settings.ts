/** Every care setting that has a page. */
import type { CareSetting, CareSettingName } from './care-setting.ts';
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
