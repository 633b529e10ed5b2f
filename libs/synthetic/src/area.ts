/**
 * The health and care system of Aldermere, a town that does not exist: its organisations with ODS-shaped codes that are
 * not issued, their places, and the people who work there.
 */
import { hl7, snomed } from './codes.ts';
import type { CodeableConcept } from './codes.ts';
import type { Entry, TransactionBundle } from './resource.ts';
import { orderedIds, put, transaction, ukCore } from './resource.ts';
import { Random } from './random.ts';

/** ODS code of the practice with which at least 85 % of the people are registered. */
export const GP_PRACTICE = 'Y90001';

export interface Provider {
  readonly ods: string;
  readonly name: string;
  /** Root of the business identifiers this organisation gives. */
  readonly system: string;
  /** `Organization/…` */
  readonly reference: string;
  readonly place: string;
  readonly staff: readonly Professional[];
}
export interface Professional {
  /** `Practitioner/…` */
  readonly reference: string;
  readonly name: string;
}
export interface Area {
  readonly gpPractices: readonly Provider[];
  readonly acute: Provider;
  readonly ambulance: Provider;
  readonly nhs111: Provider;
  readonly community: Provider;
  readonly mentalHealth: Provider;
  readonly socialCare: Provider;
  readonly pharmacies: readonly Provider[];
  /** Everything above as resources; loaded before any person. */
  readonly bundles: readonly TransactionBundle[];
}

const ROLE = {
  gp: snomed('62247001', 'Family medicine specialist'),
  nurse: snomed('106292003', 'Professional nurse'),
  emergency: snomed('309294001', 'Emergency department physician'),
  hospital: snomed('158965000', 'Medical practitioner'),
  paramedic: snomed('397897005', 'Paramedic'),
  district: snomed('158997000', 'District nurse'),
  psychiatrist: snomed('80584001', 'Psychiatrist'),
  social: snomed('106328005', 'Social worker'),
  pharmacist: snomed('46255001', 'Pharmacist'),
} as const;

const PLACES = {
  gp: ['GP', "General practitioner's office"],
  ed: ['ER', 'Emergency room'],
  ward: ['HU', 'Hospital unit'],
  ambulance: ['AMB', 'Ambulance'],
  office: ['COMM', 'Community location'],
  pharmacy: ['OUTPHARM', 'outpatient pharmacy'],
} as const;

const FAMILY = [
  'Akhtar',
  'Bennett',
  'Clarke',
  'Doyle',
  'Eze',
  'Fletcher',
  'Grant',
  'Hussain',
  'Iyer',
  'Jones',
  'Kowalski',
  'Lewis',
  'Mensah',
  'Nash',
];
const GIVEN = [
  'Amina',
  'Ben',
  'Chloe',
  'Daniel',
  'Esther',
  'Farid',
  'Grace',
  'Hugh',
  'Irene',
  'Joseph',
  'Kavya',
  'Liam',
  'Maria',
  'Noah',
];

/** The same for every population of one seed. `opened` is the moment from which it all exists. */
export function buildArea(seed: number, opened: number): Area {
  const random = new Random(seed, 'area');
  const newId = orderedIds(random, 0);
  const bundles: TransactionBundle[] = [];
  let staffNumber = 0;

  function provider(
    ods: string,
    name: string,
    kind: readonly [string, string],
    roles: readonly CodeableConcept[],
    partOf?: string,
  ): Provider {
    const system = `urn:carelog:synthetic:${ods.toLowerCase()}`;
    const organisation = newId();
    const place = newId();
    const reference = `Organization/${organisation}`;
    const entries: Entry[] = [
      put({
        resourceType: 'Organization',
        id: organisation,
        meta: ukCore('Organization'),
        identifier: [{ system: 'https://fhir.nhs.uk/Id/ods-organization-code', value: ods }],
        active: true,
        type: [hl7('organization-type', 'prov', 'Healthcare Provider')],
        name,
        telecom: [{ system: 'phone', value: `01632 960${random.whole(100, 999)}`, use: 'work' }],
        address: [{ line: [`${random.whole(1, 90)} Wharf Road`], city: 'Aldermere', postalCode: 'ZZ99 9AA' }],
        ...(partOf ? { partOf: { reference: partOf } } : {}),
      }),
      put({
        resourceType: 'Location',
        id: place,
        meta: ukCore('Location'),
        identifier: [{ system: 'https://fhir.nhs.uk/Id/ods-site-code', value: `${ods}01` }],
        status: 'active',
        name: `${name}, main site`,
        mode: 'instance',
        type: [hl7('v3-RoleCode', kind[0], kind[1])],
        managingOrganization: { reference },
      }),
    ];
    const staff = roles.map((role): Professional => {
      const practitioner = newId();
      const [given, family] = [random.pick(GIVEN), random.pick(FAMILY)];
      const sds = String(555_900_000_000 + ++staffNumber);
      entries.push(
        put({
          resourceType: 'Practitioner',
          id: practitioner,
          meta: ukCore('Practitioner'),
          identifier: [{ system: 'https://fhir.nhs.uk/Id/sds-user-id', value: sds }],
          active: true,
          name: [{ use: 'official', family, given: [given] }],
        }),
        put({
          resourceType: 'PractitionerRole',
          id: newId(),
          meta: ukCore('PractitionerRole'),
          identifier: [{ system: 'https://fhir.nhs.uk/Id/sds-role-profile-id', value: `${sds.slice(3)}981` }],
          active: true,
          practitioner: { reference: `Practitioner/${practitioner}`, display: `${given} ${family}` },
          organization: { reference, display: name },
          code: [role],
          location: [{ reference: `Location/${place}` }],
        }),
      );
      return { reference: `Practitioner/${practitioner}`, name: `${given} ${family}` };
    });
    bundles.push(transaction(entries, { system: `${system}:message`, value: newId() }, opened));
    return { ods, name, system, reference, place: `Location/${place}`, staff };
  }

  const board = provider('QZZ', 'NHS Aldermere Integrated Care Board', PLACES.office, []);
  const gp = [ROLE.gp, ROLE.gp, ROLE.gp, ROLE.nurse];
  return {
    gpPractices: [
      provider(GP_PRACTICE, 'Millbrook Surgery', PLACES.gp, gp, board.reference),
      provider('Y90002', 'Harbour Road Practice', PLACES.gp, gp, board.reference),
      provider('Y90003', 'St Anne Medical Centre', PLACES.gp, gp, board.reference),
    ],
    acute: provider('RZZ', 'Aldermere General Hospital NHS Foundation Trust', PLACES.ward, [
      ROLE.emergency,
      ROLE.emergency,
      ROLE.hospital,
      ROLE.hospital,
      ROLE.nurse,
    ]),
    ambulance: provider('RZY', 'Aldermere Ambulance Service NHS Trust', PLACES.ambulance, [
      ROLE.paramedic,
      ROLE.paramedic,
    ]),
    nhs111: provider('NZZ01', 'Aldermere NHS 111', PLACES.office, [ROLE.nurse, ROLE.nurse]),
    community: provider('RZX', 'Aldermere Community Health NHS Trust', PLACES.office, [
      ROLE.district,
      ROLE.district,
      ROLE.district,
    ]),
    mentalHealth: provider('RZW', 'Aldermere Partnership Mental Health NHS Trust', PLACES.office, [
      ROLE.psychiatrist,
      ROLE.nurse,
    ]),
    socialCare: provider('9ZZ', 'Aldermere City Council Social Care', PLACES.office, [
      ROLE.social,
      ROLE.social,
    ]),
    pharmacies: [
      provider('FZZ01', 'Quayside Pharmacy', PLACES.pharmacy, [ROLE.pharmacist]),
      provider('FZZ02', 'Millbrook Pharmacy', PLACES.pharmacy, [ROLE.pharmacist]),
    ],
    bundles,
  };
}
