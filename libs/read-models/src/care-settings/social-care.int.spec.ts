/** What a social worker opens first, and whom they hear of within a second. Codes are SNOMED CT and those of CP-IS. */
import { describe, expect, it } from 'vitest';
import {
  about,
  deleted,
  linesOf,
  pageAfter,
  person,
  snomed,
  workAfter,
  type Activity,
} from './care-setting-scene.ts';
import { socialCare } from './social-care.ts';

const NOW = '2026-06-01T09:00:00Z';
const CHILD_PROTECTION = snomed('342191000000101', 'Subject to child protection plan');
const ADULT_CONCERN = snomed('766561000000109', 'Adult safeguarding concern');
const HL7 = 'http://terminology.hl7.org/CodeSystem/';

type More = Readonly<Record<string, unknown>>;
const protectionPlan = (more: More = {}): Activity => ({
  resource: about('CareTeam', 'plan', {
    status: 'active',
    category: [CHILD_PROTECTION],
    name: 'Child protection plan',
    period: { start: '2026-01-10' },
    managingOrganization: [{ reference: 'Organization/council' }],
    telecom: [{ system: 'phone', value: '01632 960555' }],
    ...more,
  }),
});
const flag = (more: More = {}): Activity => ({
  resource: about('Flag', 'flag', { status: 'active', code: CHILD_PROTECTION, period: { start: '2026-01-10' }, author: { reference: 'Organization/council' }, ...more }), // prettier-ignore
});
const encounter = (id: string, grade: string, start: string, more: More = {}): Activity => ({
  resource: about('Encounter', id, {
    status: 'in-progress',
    class: { code: grade },
    type: [snomed('4525004', 'Emergency department patient visit')],
    period: { start },
    ...more,
  }),
});
const attendance = (more: More = {}) => encounter('ed', 'EMER', '2026-05-30T21:10:00Z', more);
const task = (status: string, more: More = {}): Activity => ({
  resource: about('Task', 't', {
    status,
    intent: 'order',
    code: {
      coding: [{ system: 'https://fhir.carelog.example/CodeSystem/task', code: 'safeguarding-alert' }],
    },
    focus: { reference: 'Encounter/ed' },
    ...more,
  }),
});

const concern = (more: More): Activity => ({ resource: about('Condition', 'concern', { code: ADULT_CONCERN, onsetPeriod: { start: '2026-01-10', end: '2026-02-10' }, ...more }) }); // prettier-ignore

const alerts = async (...activities: readonly Activity[]) =>
  (await workAfter(socialCare, 'safeguarding-alerts', [person(), ...activities])).map(({ stream, owner }) => [
    stream,
    owner,
  ]);
const lines = async (title: string, ...activities: readonly Activity[]) =>
  linesOf(await pageAfter(socialCare, [person(), ...activities], NOW), title);

describe('a concern that is recorded as a problem', () => {
  it.each([
    ['whose onset was over long since', { clinicalStatus: { coding: [{ code: 'active' }] } }, 1],
    ['that does not say whether it goes on', {}, 1],
    ['that has ended on a day nobody said', { abatementString: 'last spring' }, 0],
    ['that ended before', { abatementPeriod: { start: '2026-02-01', end: '2026-02-10' } }, 0],
  ])('given one %s, when the person attends, then there are so many alerts', async (_, more, count) => {
    expect(await alerts(concern(more), attendance())).toHaveLength(count);
  });
});

describe('an alert that nobody acknowledged', () => {
  const escalations = (now: string) => workAfter(socialCare, 'safeguarding-escalations', [protectionPlan(), attendance()], now); // prettier-ignore

  it('is on no list of escalations before a day has gone by', async () => {
    expect(await escalations('2026-05-31T21:09:59Z')).toEqual([]);
    expect(await escalations('2026-05-31T21:10:00Z')).toHaveLength(1);
  });
});

describe('an alert whose cause was taken back', () => {
  const withdrawn = async (...activities: readonly Activity[]) =>
    (await workAfter(socialCare, 'safeguarding-withdrawn', [person(), ...activities])).map(({ stream }) => stream); // prettier-ignore
  const raised: Activity = { ...task('requested'), by: 'carelog', issued: '2026-05-30T21:10:01Z' };
  const made = { ...attendance(), issued: '2026-05-30T21:10:00Z' };
  const inError = { ...attendance({ status: 'entered-in-error' }), issued: '2026-05-30T22:00:00Z' };

  it('given the attendance was entered in error, then its Task is taken back; given it stands, then it is not', async () => {
    expect(await withdrawn(made, raised)).toEqual([]);
    expect(await withdrawn(made, raised, inError)).toEqual(['Task/t']);
  });

  it('given the attendance was deleted, then its Task is taken back; given the plan was, then there is no alert', async () => {
    expect(await withdrawn(made, raised, deleted(made, '2026-05-30T22:00:00Z'))).toEqual(['Task/t']);
    const plan = { ...protectionPlan(), issued: '2026-01-10T09:00:00Z' };
    expect(await alerts(plan, made, deleted(plan, '2026-02-01T09:00:00Z'))).toEqual([]);
    expect(await lines('Safeguarding', plan, deleted(plan, '2026-02-01T09:00:00Z'))).toEqual([
      '(unavailable)',
    ]);
  });

  it('given the attendance was somebody else’s, then it is taken back from whom it was not about', async () => {
    const moved = { ...attendance({ subject: { reference: 'Patient/other' } }), issued: '2026-05-30T22:00:00Z' }; // prettier-ignore
    expect(await withdrawn(made, raised, moved)).toEqual(['Task/t']);
  });

  it('given somebody touched the Task, or made it, then it is theirs to close', async () => {
    const touched = { ...task('requested', { note: [{ text: 'Called the ward.' }] }), by: '9ZZ', issued: '2026-05-30T21:30:00Z' }; // prettier-ignore
    expect(await withdrawn(made, raised, touched, inError)).toEqual([]);
    expect(await withdrawn(made, { ...task('accepted'), by: 'carelog' }, inError)).toEqual([]);
    expect(await withdrawn(made, { ...task('requested'), by: '9ZZ' }, inError)).toEqual([]);
  });
});

describe('the alert to the team that protects', () => {
  it('given a child on a protection plan, when they come to an emergency department, then the council hears of it, by when it must act', async () => {
    const work = await workAfter(socialCare, 'safeguarding-alerts', [protectionPlan(), attendance()]);
    expect(work).toEqual([
      {
        stream: 'Encounter/ed',
        since: '2026-05-30T21:10:00.000Z',
        due: '2026-05-31T21:10:00.000Z',
        owner: 'Organization/council',
        state: 'unacknowledged',
        text: 'Emergency department patient visit: Subject to child protection plan',
        because: ['CareTeam/plan'],
      },
    ]);
  });

  it('given another organisation protects them too, then the team is told of its own plan, and not of what may be hidden from it', async () => {
    const other = flag({ code: snomed('836881000000105', 'Cause for concern'), author: { reference: 'Organization/trust' } }); // prettier-ignore
    const [work] = await workAfter(socialCare, 'safeguarding-alerts', [protectionPlan(), other, attendance()]); // prettier-ignore
    expect(work).toMatchObject({ owner: 'Organization/council', because: ['CareTeam/plan'] });
    expect(work!.text).not.toContain('concern');
  });

  it('given plan and flag of the same protection, then it is one alert for one attendance', async () => {
    expect(await alerts(flag(), protectionPlan(), attendance())).toEqual([
      ['Encounter/ed', 'Organization/council'],
    ]);
  });

  it.each([
    ['an ambulance', 'FLD', {}],
    ['a call that was triaged', 'VR', { type: [snomed('401267002', 'Telephone triage encounter')] }],
    ['an admission through an emergency department', 'IMP', { hospitalization: { admitSource: { coding: [{ system: `${HL7}admit-source`, code: 'emd' }] } } }],
    [
      'an emergency admission',
      'IMP',
      {
        hospitalization: {
          extension: [
            {
              url: 'https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-AdmissionMethod',
              valueCodeableConcept: {
                coding: [{ system: 'https://fhir.hl7.org.uk/CodeSystem/UKCore-AdmissionMethodEngland', code: '21' }],
              },
            },
          ],
        },
      },
    ],
    ['an urgent visit to a surgery', 'AMB', { priority: { coding: [{ system: `${HL7}v3-ActPriority`, code: 'UR' }] } }],
  ])('given a child on a plan, %s alerts', async (_what, grade, more) => {
    expect(await alerts(protectionPlan(), encounter('e', grade, '2026-05-30T21:10:00Z', more))).toHaveLength(1);
  }); // prettier-ignore

  it.each([
    ['a clinic', 'AMB', {}],
    ['a planned admission', 'IMP', {}],
    ['a video consultation', 'VR', {}],
    ['a consultation that was booked', 'VR', { type: [snomed('401267002', 'Telephone triage encounter')], appointment: [{ reference: 'Appointment/a' }] }],
    ['an attendance that was cancelled', 'EMER', { status: 'cancelled' }],
  ])('given a child on a plan, %s does not alert', async (_what, grade, more) => {
    expect(await alerts(protectionPlan(), encounter('e', grade, '2026-05-30T21:10:00Z', more))).toEqual([]);
  }); // prettier-ignore

  it('given nobody protects the child, then an attendance alerts nobody', async () => {
    expect(await alerts(attendance())).toEqual([]);
  });

  it('given the plan had ended before, then the attendance alerts nobody; given it ended since, then it does', async () => {
    const ended = (end: string) =>
      protectionPlan({ status: 'inactive', period: { start: '2026-01-10', end } });
    expect(await alerts(ended('2026-05-29'), attendance())).toEqual([]);
    expect(await alerts(ended('2026-05-30'), attendance())).toHaveLength(1);
  });

  it('given a plan that begins after the attendance, then that attendance alerts nobody', async () => {
    expect(await alerts(protectionPlan({ period: { start: '2026-05-31' } }), attendance())).toEqual([]);
  });

  it('given an adult about whom there is a safeguarding concern, then the author of the flag hears of it', async () => {
    expect(await alerts(flag({ code: ADULT_CONCERN }), attendance())).toEqual([
      ['Encounter/ed', 'Organization/council'],
    ]);
  });

  it('given a flag without an organisation, then whoever published it hears of it', async () => {
    const nobody = flag({ author: { reference: 'Practitioner/x' } });
    expect(await alerts({ ...nobody, by: '9ZZ' }, attendance())).toEqual([['Encounter/ed', '9ZZ']]);
  });

  it('given a social worker took the alert on, then it is off the list; given they rejected it, it is not', async () => {
    expect(await alerts(protectionPlan(), attendance(), task('accepted'))).toEqual([]);
    expect(await alerts(protectionPlan(), attendance(), task('completed'))).toEqual([]);
    expect(await alerts(protectionPlan(), attendance(), task('requested'))).toHaveLength(1);
    expect(await alerts(protectionPlan(), attendance(), task('rejected'))).toHaveLength(1);
  });

  it('given a task of another kind about the attendance, then nobody has acknowledged the alert', async () => {
    const other = task('completed', { code: { text: 'File the letter' } });
    expect(await alerts(protectionPlan(), attendance(), other)).toHaveLength(1);
  });

  it('given the attendance turns out to be entered in error, then nothing is left of the alert', async () => {
    const wrong = attendance({ status: 'entered-in-error' });
    expect(
      await alerts(
        protectionPlan(),
        { ...attendance(), issued: '2026-05-30T21:15:00Z' },
        { ...wrong, issued: '2026-05-30T22:00:00Z' },
      ),
    ).toEqual([]);
  });

  it('given the attendance is corrected to another hour, then the time to acknowledge is counted from that', async () => {
    const work = await workAfter(socialCare, 'safeguarding-escalations', [
      protectionPlan(),
      { ...attendance(), issued: '2026-05-30T21:15:00Z' },
      { ...encounter('ed', 'EMER', '2026-05-30T19:00:00Z'), issued: '2026-05-30T22:00:00Z' },
    ]);
    expect(work.map(({ due, state }) => [due, state])).toEqual([['2026-05-31T19:00:00.000Z', 'escalated']]);
  });

  it('given an observation unit within an attendance, then it is one attendance; a later one is another', async () => {
    const within = encounter('unit', 'EMER', '2026-05-30T23:00:00Z', { partOf: { reference: 'Encounter/ed' } }); // prettier-ignore
    const later = encounter('again', 'EMER', '2026-05-31T20:00:00Z');
    const told = await alerts(protectionPlan(), attendance(), within, later);
    expect(told.map(([stream]) => stream)).toEqual(['Encounter/ed', 'Encounter/again']);
  });
});

describe('the page', () => {
  it('given team and flag of one council, then it is one protection with two sources', async () => {
    const page = await pageAfter(socialCare, [person(), protectionPlan(), flag()], NOW);
    expect(linesOf(page, 'Safeguarding')).toEqual([
      'Subject to child protection plan | since 2026-01-10; telephone 01632 960555 | urgent',
    ]);
    expect(page[0]!.items[0]!.sources.map(({ stream }) => stream).toSorted()).toEqual([
      'CareTeam/plan',
      'Flag/flag',
    ]);
  });

  it('given plans of two councils, then they are not merged', async () => {
    const moved = flag({ author: { reference: 'Organization/other-council' } });
    expect(await lines('Safeguarding', protectionPlan(), moved)).toHaveLength(2);
  });

  it('given one source ended the plan and the other did not, then the page says so', async () => {
    const ended = flag({ status: 'inactive', period: { start: '2026-01-10', end: '2026-04-01' } });
    expect(await lines('Safeguarding', protectionPlan(), ended)).toEqual([
      'Subject to child protection plan | since 2026-01-10; telephone 01632 960555 | one source says that it has ended | urgent',
    ]);
  });

  it('given the older version of a plan comes last, then the newer one stands', async () => {
    const open = { ...protectionPlan(), issued: '2026-01-10T10:00:00Z' };
    const ended = { ...protectionPlan({ status: 'inactive', period: { start: '2026-01-10', end: '2026-04-01' } }), issued: '2026-04-01T10:00:00Z' }; // prettier-ignore
    expect(await lines('Safeguarding', open, ended)).toEqual([
      'Subject to child protection plan | since 2026-01-10 until 2026-04-01; telephone 01632 960555 | stopped',
    ]);
  });

  it('given nobody said anything of protection, then the page does not say that there is none', async () => {
    expect(await lines('Safeguarding')).toEqual(['(unavailable)']);
  });

  it('given care at home by a team, then the plan is shown with who comes and what they do', async () => {
    const carers = { resource: about('CareTeam', 'carers', { status: 'active', name: 'Home care', period: { start: '2026-02-01' } }) }; // prettier-ignore
    const plan = {
      resource: about('CarePlan', 'care', {
        status: 'active',
        intent: 'plan',
        title: 'Care and support at home',
        careTeam: [{ reference: 'CareTeam/carers' }],
        activity: [
          { detail: { status: 'in-progress', description: 'Help with washing, morning and evening' } },
        ],
      }),
    };
    expect(await lines('Care and support', carers, plan)).toEqual([
      'Care and support at home | Help with washing, morning and evening (in-progress); by Home care',
    ]);
  });

  it('given the same sister is told of by the practice and the hospital, then she is there once, and another number is another line', async () => {
    const sister = (id: string, phone: string) => ({
      resource: about('RelatedPerson', id, {
        active: true,
        relationship: [{ coding: [{ system: `${HL7}v3-RoleCode`, code: 'SIS', display: 'sister' }] }],
        name: [{ family: 'Okafor', given: ['Ada'] }],
        telecom: [{ system: 'phone', value: phone }],
      }),
    });
    expect(
      (
        await lines(
          'Next of kin and other people',
          sister('a', '07700 900001'),
          sister('b', '07700 900001'),
          sister('c', '07700 900002'),
        )
      ).toSorted(),
    ).toEqual(['Ada Okafor | sister, 07700 900001', 'Ada Okafor | sister, 07700 900002']);
  });

  it('given two records of one child, one with the plan, then both are on the page while they are linked, and not after', async () => {
    const elsewhere = { resource: { ...protectionPlan().resource, subject: { reference: 'Patient/q' } } };
    const twin: Activity = { resource: { resourceType: 'Patient', id: 'q' } };
    const linked = { ...person({ link: [{ other: { reference: 'Patient/q' }, type: 'refer' }] }), issued: '2026-02-01T00:00:00Z' }; // prettier-ignore
    const unlinked = { ...person(), issued: '2026-03-01T00:00:00Z' };
    const shown = async (...activities: readonly Activity[]) =>
      linesOf(await pageAfter(socialCare, activities, NOW), 'Safeguarding');
    expect(await shown(linked, twin, elsewhere)).toHaveLength(1);
    expect(await shown(linked, twin, elsewhere, unlinked)).toEqual(['(unavailable)']);
  });
});
