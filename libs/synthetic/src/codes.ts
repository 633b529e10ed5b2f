/**
 * The codes that the population is written with: SNOMED CT (UK edition), dm+d products, LOINC and UCUM, and the shapes of
 * FHIR that carry them. Every display is the term in use; a spec checks the check digits.
 */

export interface Coding {
  readonly system: string;
  readonly code: string;
  readonly display: string;
}
export interface CodeableConcept {
  readonly coding: readonly Coding[];
  readonly text?: string;
}

const SNOMED = 'http://snomed.info/sct';
const LOINC = 'http://loinc.org';
const HL7 = 'http://terminology.hl7.org/CodeSystem/';

/** A SNOMED CT concept, dm+d products included. */
export function snomed(code: string, display: string): CodeableConcept {
  return { coding: [{ system: SNOMED, code, display }] };
}

/** A concept of one of HL7's own code systems, by the last part of the system's address. */
export function hl7(system: string, code: string, display: string): CodeableConcept {
  return { coding: [{ system: HL7 + system, code, display }] };
}

/** A measurement: its names in SNOMED CT and LOINC, its unit for people and in UCUM. */
export interface Measure {
  readonly code: CodeableConcept;
  readonly unit: string;
  readonly ucum: string;
}

function measure(
  sct: readonly [string, string],
  loinc: readonly [string, string],
  unit: string,
  ucum: string,
): Measure {
  const coding = [
    { system: SNOMED, code: sct[0], display: sct[1] },
    { system: LOINC, code: loinc[0], display: loinc[1] },
  ];
  return { code: { coding }, unit, ucum };
}

export const VITAL = {
  bloodPressure: measure(
    ['75367002', 'Blood pressure'],
    ['85354-9', 'Blood pressure panel with all children optional'],
    'millimetre of mercury',
    'mm[Hg]',
  ),
  systolic: measure(
    ['72313002', 'Systolic arterial pressure'],
    ['8480-6', 'Systolic blood pressure'],
    'millimetre of mercury',
    'mm[Hg]',
  ),
  diastolic: measure(
    ['1091811000000102', 'Diastolic arterial pressure'],
    ['8462-4', 'Diastolic blood pressure'],
    'millimetre of mercury',
    'mm[Hg]',
  ),
  heartRate: measure(['364075005', 'Heart rate'], ['8867-4', 'Heart rate'], 'beats per minute', '/min'),
  respiratoryRate: measure(
    ['86290005', 'Respiratory rate'],
    ['9279-1', 'Respiratory rate'],
    'breaths per minute',
    '/min',
  ),
  temperature: measure(['703421000', 'Temperature'], ['8310-5', 'Body temperature'], 'degree Celsius', 'Cel'),
  oxygenSaturation: measure(
    ['103228002', 'Blood oxygen saturation'],
    ['2708-6', 'Oxygen saturation in Arterial blood'],
    'percent',
    '%',
  ),
  weight: measure(['27113001', 'Body weight'], ['29463-7', 'Body weight'], 'kilogram', 'kg'),
  height: measure(['248333004', 'Standing height'], ['8302-2', 'Body height'], 'centimetre', 'cm'),
  bodyMassIndex: measure(
    ['60621009', 'Body mass index'],
    ['39156-5', 'Body mass index (BMI) [Ratio]'],
    'kilogram per square metre',
    'kg/m2',
  ),
} as const;

export const BLOOD = {
  haemoglobin: measure(
    ['1022431000000105', 'Haemoglobin estimation'],
    ['718-7', 'Hemoglobin [Mass/volume] in Blood'],
    'gram per litre',
    'g/L',
  ),
  hba1c: measure(
    [
      '999791000000106',
      'Haemoglobin A1c level - International Federation of Clinical Chemistry and Laboratory Medicine standardised',
    ],
    ['59261-8', 'Hemoglobin A1c/Hemoglobin.total in Blood by IFCC protocol'],
    'millimole per mole',
    'mmol/mol',
  ),
  creatinine: measure(
    ['1000731000000107', 'Serum creatinine level'],
    ['14682-9', 'Creatinine [Moles/volume] in Serum or Plasma'],
    'micromole per litre',
    'umol/L',
  ),
  cholesterol: measure(
    ['1005671000000105', 'Serum cholesterol level'],
    ['14647-2', 'Cholesterol [Moles/volume] in Serum or Plasma'],
    'millimole per litre',
    'mmol/L',
  ),
} as const;

const NEWS2 = 'Royal College of Physicians NEWS2 (National Early Warning Score 2)';
export const NEWS2_TOTAL = snomed('1104051000000101', `${NEWS2} total score`);
export const NEWS2_PARTS = {
  respiration: snomed('1104301000000104', `${NEWS2} - respiration rate score`),
  saturation: snomed('1104311000000102', `${NEWS2} - oxygen saturation scale 1 score`),
  airOrOxygen: snomed('1104331000000105', `${NEWS2} - air or oxygen score`),
  systolic: snomed('1104341000000101', `${NEWS2} - systolic blood pressure score`),
  pulse: snomed('1104351000000103', `${NEWS2} - pulse score`),
  consciousness: snomed('1104361000000100', `${NEWS2} - consciousness score`),
  temperature: snomed('1104371000000107', `${NEWS2} - temperature score`),
} as const;
export const ACVPU = snomed(
  '1104441000000107',
  'ACVPU (Alert Confusion Voice Pain Unresponsive) scale score',
);
export const MENTALLY_ALERT = snomed('248234008', 'Mentally alert');
export const RESPONDS_TO_VOICE = snomed('300202002', 'Responds to voice');

/** What a prescriber writes: a dm+d product, how it is taken, and how many make up one issue. */
export interface Medicine {
  readonly code: CodeableConcept;
  readonly dose: string;
  readonly quantity: number;
  readonly unit: string;
}

function medicine(code: string, display: string, dose: string, quantity: number, unit: string): Medicine {
  return { code: snomed(code, display), dose, quantity, unit };
}

export const MEDICINE = {
  amlodipine: medicine('319284000', 'Amlodipine 10mg tablets', 'One tablet once a day', 28, 'tablet'),
  amoxicillin: medicine(
    '39732411000001106',
    'Amoxicillin 500mg capsules',
    'One capsule three times a day for five days',
    15,
    'capsule',
  ),
  apixaban: medicine('42206511000001102', 'Apixaban 5mg tablets', 'One tablet twice a day', 56, 'tablet'),
  aspirin: medicine('319775004', 'Aspirin 75mg tablets', 'One tablet once a day', 28, 'tablet'),
  bisoprolol: medicine('318590006', 'Bisoprolol 5mg tablets', 'One tablet in the morning', 28, 'tablet'),
  citalopram: medicine('321987003', 'Citalopram 20mg tablets', 'One tablet once a day', 28, 'tablet'),
  clopidogrel: medicine('319799004', 'Clopidogrel 75mg tablets', 'One tablet once a day', 28, 'tablet'),
  coCodamol: medicine(
    '322341003',
    'Co-codamol 30mg/500mg tablets',
    'One or two tablets up to four times a day when needed',
    100,
    'tablet',
  ),
  doxycycline: medicine(
    '421341000',
    'Doxycycline 100mg tablets',
    'Two tablets on the first day, then one a day',
    8,
    'tablet',
  ),
  flucloxacillin: medicine(
    '39692211000001107',
    'Flucloxacillin 500mg capsules',
    'One capsule four times a day for seven days',
    28,
    'capsule',
  ),
  furosemide: medicine('317972000', 'Furosemide 40mg tablets', 'One tablet in the morning', 28, 'tablet'),
  ibuprofen: medicine(
    '329653008',
    'Ibuprofen 400mg tablets',
    'One tablet three times a day with food when needed',
    84,
    'tablet',
  ),
  metformin: medicine(
    '325278007',
    'Metformin 500mg tablets',
    'One tablet twice a day with meals',
    56,
    'tablet',
  ),
  olanzapine: medicine('42275511000001103', 'Olanzapine 10mg tablets', 'One tablet at night', 28, 'tablet'),
  omeprazole: medicine(
    '317291008',
    'Omeprazole 20mg gastro-resistant capsules',
    'One capsule once a day',
    28,
    'capsule',
  ),
  paracetamol: medicine(
    '322236009',
    'Paracetamol 500mg tablets',
    'One or two tablets up to four times a day',
    100,
    'tablet',
  ),
  prednisolone: medicine(
    '325427002',
    'Prednisolone 5mg tablets',
    'Six tablets in the morning for five days',
    30,
    'tablet',
  ),
  ramipril: medicine('318902004', 'Ramipril 5mg capsules', 'One capsule once a day', 28, 'capsule'),
  salbutamol: medicine(
    '39113611000001102',
    'Salbutamol 100micrograms/dose inhaler CFC free',
    'One or two puffs when needed',
    200,
    'dose',
  ),
  sertraline: medicine('321960002', 'Sertraline 100mg tablets', 'One tablet once a day', 28, 'tablet'),
  simvastatin: medicine('320000009', 'Simvastatin 40mg tablets', 'One tablet at night', 28, 'tablet'),
} as const;

/** A long-term condition: who gets it, what is taken for it, which blood test follows it, and how much care it brings. */
export interface LongTermCondition {
  readonly code: CodeableConcept;
  readonly fromAge: number;
  /** Share of people over `fromAge` who have it by the age of 85. */
  readonly share: number;
  readonly medicines: readonly Medicine[];
  readonly followedBy?: Measure;
  readonly team?: 'mental-health' | 'community';
}

export const LONG_TERM: readonly LongTermCondition[] = [
  {
    code: snomed('59621000', 'Essential hypertension'),
    fromAge: 38,
    share: 0.5,
    medicines: [MEDICINE.amlodipine, MEDICINE.ramipril],
    followedBy: BLOOD.creatinine,
  },
  {
    code: snomed('44054006', 'Type 2 diabetes mellitus'),
    fromAge: 35,
    share: 0.22,
    medicines: [MEDICINE.metformin],
    followedBy: BLOOD.hba1c,
  },
  { code: snomed('195967001', 'Asthma'), fromAge: 4, share: 0.12, medicines: [MEDICINE.salbutamol] },
  {
    code: snomed('13645005', 'Chronic obstructive lung disease'),
    fromAge: 50,
    share: 0.12,
    medicines: [MEDICINE.salbutamol],
  },
  {
    code: snomed('49436004', 'Atrial fibrillation'),
    fromAge: 55,
    share: 0.16,
    medicines: [MEDICINE.apixaban, MEDICINE.bisoprolol],
    followedBy: BLOOD.creatinine,
  },
  {
    code: snomed('194828000', 'Angina pectoris'),
    fromAge: 50,
    share: 0.12,
    medicines: [MEDICINE.aspirin, MEDICINE.simvastatin],
    followedBy: BLOOD.cholesterol,
  },
  {
    code: snomed('84114007', 'Heart failure'),
    fromAge: 60,
    share: 0.12,
    medicines: [MEDICINE.furosemide, MEDICINE.bisoprolol],
    followedBy: BLOOD.creatinine,
    team: 'community',
  },
  {
    code: snomed('709044004', 'Chronic kidney disease'),
    fromAge: 55,
    share: 0.2,
    medicines: [],
    followedBy: BLOOD.creatinine,
  },
  { code: snomed('396275006', 'Osteoarthritis'), fromAge: 45, share: 0.35, medicines: [MEDICINE.coCodamol] },
  {
    code: snomed('26929004', "Alzheimer's disease"),
    fromAge: 68,
    share: 0.18,
    medicines: [],
    team: 'community',
  },
  {
    code: snomed('35489007', 'Depressive disorder'),
    fromAge: 16,
    share: 0.16,
    medicines: [MEDICINE.sertraline],
  },
  {
    code: snomed('197480006', 'Anxiety disorder'),
    fromAge: 14,
    share: 0.12,
    medicines: [MEDICINE.citalopram],
  },
  {
    code: snomed('58214004', 'Schizophrenia'),
    fromAge: 18,
    share: 0.012,
    medicines: [MEDICINE.olanzapine],
    team: 'mental-health',
  },
  {
    code: snomed('13746004', 'Bipolar disorder'),
    fromAge: 18,
    share: 0.02,
    medicines: [MEDICINE.olanzapine],
    team: 'mental-health',
  },
  { code: snomed('84757009', 'Epilepsy'), fromAge: 3, share: 0.015, medicines: [] },
  {
    code: snomed('235595009', 'Gastro-oesophageal reflux disease'),
    fromAge: 30,
    share: 0.15,
    medicines: [MEDICINE.omeprazole],
  },
];

/** Something that passes: why people come, and what is given. */
export interface Illness {
  readonly code: CodeableConcept;
  readonly medicine?: Medicine;
}

export const MINOR_ILLNESSES: readonly (readonly [number, Illness])[] = [
  [10, { code: snomed('54150009', 'Upper respiratory infection') }],
  [6, { code: snomed('279039007', 'Low back pain'), medicine: MEDICINE.ibuprofen }],
  [5, { code: snomed('68566005', 'Urinary tract infection'), medicine: MEDICINE.amoxicillin }],
  [4, { code: snomed('65363002', 'Otitis media'), medicine: MEDICINE.amoxicillin }],
  [3, { code: snomed('10509002', 'Acute bronchitis'), medicine: MEDICINE.doxycycline }],
  [3, { code: snomed('128045006', 'Cellulitis'), medicine: MEDICINE.flucloxacillin }],
  [3, { code: snomed('24079001', 'Atopic dermatitis') }],
  [3, { code: snomed('30989003', 'Knee pain'), medicine: MEDICINE.paracetamol }],
  [2, { code: snomed('90560007', 'Gout'), medicine: MEDICINE.prednisolone }],
  [2, { code: snomed('37796009', 'Migraine'), medicine: MEDICINE.paracetamol }],
];

/** Why people call 111 or 999 or come to the emergency department; `serious` ones are admitted more often. */
export interface Emergency extends Illness {
  readonly serious: boolean;
  readonly procedure?: CodeableConcept;
}

export const EMERGENCIES: readonly (readonly [number, Emergency])[] = [
  [6, { code: snomed('29857009', 'Chest pain'), serious: false }],
  [5, { code: snomed('267036007', 'Dyspnoea'), serious: false, medicine: MEDICINE.prednisolone }],
  [5, { code: snomed('44465007', 'Sprain of ankle'), serious: false, medicine: MEDICINE.ibuprofen }],
  [4, { code: snomed('21522001', 'Abdominal pain'), serious: false, medicine: MEDICINE.paracetamol }],
  [4, { code: snomed('233604007', 'Pneumonia'), serious: true, medicine: MEDICINE.amoxicillin }],
  [
    2,
    {
      code: snomed('74400008', 'Appendicitis'),
      serious: true,
      procedure: snomed('80146002', 'Appendicectomy'),
    },
  ],
  [2, { code: snomed('22298006', 'Myocardial infarction'), serious: true, medicine: MEDICINE.clopidogrel }],
  [2, { code: snomed('230690007', 'Stroke'), serious: true, medicine: MEDICINE.clopidogrel }],
  [2, { code: snomed('91302008', 'Sepsis'), serious: true, medicine: MEDICINE.amoxicillin }],
];

export const ALLERGIES: readonly (readonly [
  number,
  { code: CodeableConcept; manifestation: CodeableConcept; category: 'food' | 'medication' | 'environment' },
])[] = [
  [
    6,
    {
      code: snomed('91936005', 'Allergy to penicillin'),
      manifestation: snomed('271807003', 'Eruption of skin'),
      category: 'medication',
    },
  ],
  [
    2,
    {
      code: snomed('293586001', 'Allergy to aspirin'),
      manifestation: snomed('56018004', 'Wheezing'),
      category: 'medication',
    },
  ],
  [
    2,
    {
      code: snomed('91935009', 'Allergy to peanut'),
      manifestation: snomed('39579001', 'Anaphylaxis'),
      category: 'food',
    },
  ],
  [
    1,
    {
      code: snomed('300916003', 'Allergy to latex'),
      manifestation: snomed('126485001', 'Urticaria'),
      category: 'environment',
    },
  ],
  [
    1,
    {
      code: snomed('91930004', 'Allergy to edible egg'),
      manifestation: snomed('126485001', 'Urticaria'),
      category: 'food',
    },
  ],
];

/** Vaccination procedures of the national schedule. */
export const VACCINATION = {
  influenza: snomed('86198006', 'Administration of influenza vaccine'),
  mmr: snomed('38598009', 'Administration of measles and mumps and rubella vaccine'),
  mmrSecond: snomed('170433008', 'Administration of second dose of measles and mumps and rubella vaccine'),
  meningitisB: snomed('720539004', 'Administration of first dose of meningitis B vaccine'),
  sixInOne: snomed(
    '770616000',
    'Administration of first dose of diphtheria and Haemophilus influenzae type B and hepatitis B and pertussis and tetanus vaccine',
  ),
  hpv: snomed('428741008', 'Administration of first dose of human papilloma virus vaccine'),
  pneumococcal: snomed('12866006', 'Administration of pneumococcal vaccine'),
  shingles: snomed('722215002', 'Administration of Varicella-zoster vaccine for shingles'),
  covid: snomed(
    '1324681000000101',
    'Administration of first dose of severe acute respiratory syndrome coronavirus 2 vaccine',
  ),
} as const;
export const COVID_VACCINE = snomed(
  '39114911000001105',
  'COVID-19 Vaccine Vaxzevria (ChAdOx1 S [recombinant]) not less than 2.5x100,000,000 infectious units/0.5ml dose suspension for injection multidose vials (AstraZeneca UK Ltd)',
);
