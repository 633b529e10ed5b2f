/** What a community nurse opens first, whom they care for, and whom nobody came to. Codes are SNOMED CT and LOINC. */
import { describe, expect, it } from 'vitest';
import { about, linesOf, pageAfter, person, snomed, workAfter, type Activity } from './care-setting-scene.ts';
import { community } from './community.ts';

const NOW = '2026-06-15T09:00:00Z';
const NURSES = { reference: 'Organization/nurses' };
const HOME_VISIT = snomed('439708006', 'Home visit');

type More = Readonly<Record<string, unknown>>;
const visit = (id: string, start: string, more: More = {}): Activity => ({
  resource: about('Encounter', id, {
    status: 'finished',
    class: { code: 'HH' },
    type: [HOME_VISIT],
    period: { start },
    serviceProvider: NURSES,
    ...more,
  }),
});
const plan = (more: More = {}): Activity => ({
  resource: about('CarePlan', 'plan', {
    status: 'active',
    intent: 'plan',
    category: [snomed('734163000', 'Care plan')],
    title: 'Wound care at home',
    period: { start: '2026-06-01' },
    author: NURSES,
    activity: [{ detail: { status: 'scheduled', description: 'Dress the wound', scheduledTiming: { repeat: { frequency: 2, period: 1, periodUnit: 'wk' } } } }],
    ...more,
  }),
}); // prettier-ignore
const wound: Activity = {
  resource: about('Condition', 'wound', { clinicalStatus: { coding: [{ code: 'active' }] }, code: snomed('416462003', 'Wound') }), // prettier-ignore
};
const length = (id: string, day: string, value: number, unit = 'mm', more: More = {}): Activity => ({
  resource: about('Observation', id, {
    status: 'final',
    code: snomed('401238003', 'Length of wound'),
    focus: [{ reference: 'Condition/wound' }],
    effectiveDateTime: day,
    valueQuantity: { value, unit, code: unit },
    ...more,
  }),
});

const lines = async (title: string, ...activities: readonly Activity[]) =>
  linesOf(await pageAfter(community, [person(), ...activities], NOW), title);
const work = (list: string, ...activities: readonly Activity[]) =>
  workAfter(community, list, [person(), ...activities]);

describe('wounds', () => {
  it('given a wound that gets smaller, then it is one line that says that it heals', async () => {
    expect(await lines('Wounds', wound, length('a', '2026-06-02', 45), length('b', '2026-06-09', 30))).toEqual([
      'Wound | 30 mm on 2026-06-09; at first 45 mm on 2026-06-02; healing',
    ]);
  }); // prettier-ignore

  it('given the last measurement is in centimetres, then it is compared all the same', async () => {
    expect(await lines('Wounds', wound, length('a', '2026-06-02', 30), length('b', '2026-06-09', 4.5, 'cm'))).toEqual([
      'Wound | 4.5 cm on 2026-06-09; at first 30 mm on 2026-06-02; growing | urgent',
    ]);
  }); // prettier-ignore

  it('given a measurement is corrected, then the corrected one counts', async () => {
    const wrong = { ...length('b', '2026-06-09', 300), issued: '2026-06-09T10:00:00Z' };
    const right = { ...length('b', '2026-06-09', 30, 'mm', { status: 'corrected' }), issued: '2026-06-09T11:00:00Z' };
    expect(await lines('Wounds', wound, length('a', '2026-06-02', 45), wrong, right)).toEqual([
      'Wound | 30 mm on 2026-06-09; at first 45 mm on 2026-06-02; healing',
    ]);
  }); // prettier-ignore

  it('given a measurement was entered in error, then it says nothing of the wound', async () => {
    const wrong = length('b', '2026-06-09', 300, 'mm', { status: 'entered-in-error' });
    expect(await lines('Wounds', wound, length('a', '2026-06-02', 45), wrong)).toEqual(['Wound | 45 mm on 2026-06-02']); // prettier-ignore
  });

  it('given it is not said which wound was measured, then no trend is told of it', async () => {
    const other = length('b', '2026-06-09', 30, 'mm', { focus: [] });
    expect(await lines('Wounds', wound, length('a', '2026-06-02', 45), other)).toEqual([
      'Wound | 45 mm on 2026-06-02',
      'Length of wound | 30 mm on 2026-06-09; of which wound is not said',
    ]);
  });

  it('given the wound closed, then it is told as past and wants no attention', async () => {
    const closed = { resource: { ...wound.resource, clinicalStatus: { coding: [{ code: 'resolved' }] } }, issued: '2026-06-12T10:00:00Z' }; // prettier-ignore
    expect(await lines('Wounds', { ...wound, issued: '2026-06-01T10:00:00Z' }, closed)).toEqual(['Wound | stopped']); // prettier-ignore
  });
});

describe('plans, visits and observations', () => {
  it('given a plan with a goal, then the page says what is done and what for', async () => {
    const goal = { resource: about('Goal', 'g', { lifecycleStatus: 'active', description: { text: 'Closed by July' } }) }; // prettier-ignore
    expect(await lines('Care plans', goal, plan({ goal: [{ reference: 'Goal/g' }] }))).toEqual([
      'Wound care at home | Dress the wound (scheduled); goal: Closed by July',
    ]);
  });

  it('given the version that ends the plan comes before the one that begins it, then there is no plan', async () => {
    const begun = { ...plan(), issued: '2026-06-01T10:00:00Z' };
    const ended = { ...plan({ status: 'completed', period: { start: '2026-06-01', end: '2026-06-10' } }), issued: '2026-06-10T10:00:00Z' }; // prettier-ignore
    expect(await lines('Care plans', begun, ended)).toEqual(['(unavailable)']);
    expect(await work('community-caseload', begun, ended, visit('v', '2026-06-03T10:00:00Z'))).toEqual([]);
  });

  it('given an attendance at a hospital, then it is not a visit', async () => {
    const hospital = visit('ed', '2026-06-10T10:00:00Z', { class: { code: 'EMER' }, type: [] });
    expect(await lines('Visits made', hospital, visit('v', '2026-06-03T10:00:00Z'))).toEqual(['Home visit | 2026-06-03']); // prettier-ignore
  });

  it('given pulses of two days, then the newest is shown', async () => {
    const pulse = (id: string, day: string, value: number) => ({ resource: about('Observation', id, { status: 'final', code: snomed('364075005', 'Heart rate'), effectiveDateTime: day, valueQuantity: { value, unit: '/min', code: '/min' } }) }); // prettier-ignore
    expect(await lines('Observations', pulse('new', '2026-06-10', 72), pulse('old', '2026-06-01', 99))).toEqual(['Heart rate | 72 /min']); // prettier-ignore
  });
});

describe('the caseload', () => {
  it('given a plan of a service that visits, then the person is on its caseload once, whatever it plans', async () => {
    const second = { resource: { ...plan().resource, id: 'second', title: 'Catheter care', period: { start: '2026-05-01' } } }; // prettier-ignore
    const list = await work('community-caseload', plan(), second, visit('v', '2026-06-03T10:00:00Z'));
    expect(list.map(({ stream, owner, text }) => [stream, owner, text])).toEqual([
      ['CarePlan/second', 'Organization/nurses', 'Wound care at home, Catheter care'],
    ]);
  });

  it('given a plan of the council or a crisis plan, then it is on nobody’s list here', async () => {
    const crisis = { resource: { ...plan().resource, category: [snomed('736253002', 'Mental health crisis plan')] } }; // prettier-ignore
    expect(await work('community-caseload', crisis, visit('v', '2026-06-03T10:00:00Z'))).toEqual([]);
    const council = plan({ author: { reference: 'Organization/council' } });
    expect(await work('community-caseload', council, visit('v', '2026-06-03T10:00:00Z'))).toEqual([]);
  });

  it.each([{ deceasedDateTime: '2026-06-09' }, { deceasedBoolean: true }])(
    'given the person died, as %j says, then nobody is to come',
    async (more) => {
      const died = person(more);
      const told = [died, plan(), visit('v', '2026-06-03T10:00:00Z'), visit('next', '2026-06-20T10:00:00Z', { status: 'planned' })]; // prettier-ignore
      expect(await workAfter(community, 'community-caseload', told)).toEqual([]);
      expect(await workAfter(community, 'community-visits', told)).toEqual([]);
    },
  );
});

describe('visits that are due', () => {
  const due = async (...activities: readonly Activity[]) =>
    (await work('community-visits', ...activities)).map((it) => [it.stream, it.due]);
  const planned = visit('next', '2026-06-12T10:00:00Z', { status: 'planned', period: { start: '2026-06-12T10:00:00Z', end: '2026-06-12T10:30:00Z' } }); // prettier-ignore

  it('given a visit twice a week, then the next is due three and a half days after the last', async () => {
    const told = [plan(), visit('a', '2026-06-02T10:00:00Z'), visit('b', '2026-06-05T10:00:00Z')];
    expect(await due(...told)).toEqual([['CarePlan/plan', '2026-06-08T22:00:00.000Z']]);
    expect(await lines('Visits to make', ...told)).toEqual([
      'Wound care at home | overdue since 2026-06-08 22:00 UTC | urgent',
    ]);
  });

  it('given a visit that is made is told of late, then it counts from when it was made', async () => {
    const told = [plan(), visit('b', '2026-06-05T10:00:00Z'), visit('late', '2026-06-13T10:00:00Z')];
    expect(await due(...told)).toEqual([['CarePlan/plan', '2026-06-16T22:00:00.000Z']]);
  });

  it('given a planned visit to which nobody came, then it is overdue from its end; given somebody came, it is not', async () => {
    expect(await due(planned)).toEqual([['Encounter/next', '2026-06-12T10:30:00.000Z']]);
    expect(await due(planned, visit('made', '2026-06-12T14:00:00Z'))).toEqual([]);
    expect(await due(planned, visit('made', '2026-06-12T14:00:00Z', { status: 'entered-in-error' }))).toHaveLength(1); // prettier-ignore
    const others = visit('made', '2026-06-12T14:00:00Z', { serviceProvider: { reference: 'Organization/physiotherapy' } }); // prettier-ignore
    expect(await due(planned, others)).toHaveLength(1);
  });

  it('given an appointment at home, then the visit that names it answers it, whenever it was made', async () => {
    const appointment = {
      resource: about('Appointment', 'a', {
        status: 'booked',
        serviceType: [HOME_VISIT],
        start: '2026-06-12T10:00:00Z',
        participant: [{ actor: { reference: 'Patient/p' }, status: 'accepted' }],
      }),
    };
    const made = visit('made', '2026-06-14T14:00:00Z', { appointment: [{ reference: 'Appointment/a' }] });
    expect(await due(appointment)).toEqual([['Appointment/a', '2026-06-12T10:00:00.000Z']]);
    expect(await due(appointment, made)).toEqual([]);
  });
});
