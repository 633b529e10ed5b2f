/** Urgent care: calls to 111, ambulances, the emergency department, and the hospital stay that may follow. */
import type { Chart } from './chart.ts';
import type { Emergency } from './codes.ts';
import { EMERGENCIES, MEDICINE, hl7, snomed } from './codes.ts';
import { diagnose, encounter, finish, news2, paper, prescribe } from './statements.ts';
import { DAY, HOUR, MINUTE, YEAR, stamp } from './calendar.ts';
import { stayInHospital } from './acute.ts';

const TRIAGE = snomed('401267002', 'Telephone triage encounter');
const EMERGENCY_VISIT = snomed('4525004', 'Emergency department patient visit');
const AMBULANCE = snomed('792847005', 'Emergency ambulance service');
const REPORT = snomed('371531000', 'Report of clinical encounter');

/** Emergencies of the person's years here; more of them for people with several long-term conditions. */
export function fallIll(chart: Chart): void {
  const { person, random } = chart;
  const burden = person.longTerm.length;
  for (let year = person.since; year < person.until; year += YEAR) {
    const age = chart.age(year);
    const mean = (age < 3 ? 0.25 : age < 60 ? 0.1 : 0.18) + burden * 0.03;
    for (let i = random.times(mean); i > 0; i--) {
      emergency(
        chart,
        year + random.whole(1, 364) * DAY + random.whole(0, 23) * HOUR + random.whole(0, 59) * MINUTE,
      );
    }
  }
}

function emergency(chart: Chart, at: number): void {
  const { random } = chart;
  const illness = random.weighted(EMERGENCIES);
  const gravity = illness.serious ? random.around(0.65, 0.15) : random.around(0.2, 0.1);
  if (random.chance(0.4)) callNhs111(chart, illness, at);
  if (!illness.serious && random.chance(0.35)) return;
  const byAmbulance = illness.serious || random.chance(0.2);
  if (byAmbulance) rideInAmbulance(chart, illness, gravity, at + 40 * MINUTE);
  attendEmergencyDepartment(chart, illness, gravity, at + 2 * HOUR);
}

function callNhs111(chart: Chart, illness: Emergency, at: number): void {
  const { area } = chart;
  chart.activity(area.nhs111, at, (activity) => {
    const call = encounter(activity, ['VR', 'virtual'], TRIAGE, 12, { reasonCode: [illness.code] });
    activity.send('DocumentReference', {
      type: REPORT,
      ...paper(
        activity,
        'NHS 111 report',
        'Called NHS 111. Advised on what to do and where to go.',
        undefined,
      ),
    });
    return call;
  });
}

function rideInAmbulance(chart: Chart, illness: Emergency, gravity: number, at: number): void {
  const { area } = chart;
  chart.activity(area.ambulance, at, (activity) => {
    const ride = encounter(activity, ['FLD', 'field'], AMBULANCE, 55, { reasonCode: [illness.code] });
    news2(activity, gravity, ride);
  });
}

/** Arrival with a first NEWS2, then the decision: home, or a bed. */
function attendEmergencyDepartment(chart: Chart, illness: Emergency, gravity: number, at: number): void {
  const { area, random } = chart;
  const visit = chart.activity(area.acute, at, (activity) => {
    const arrived = encounter(activity, ['EMER', 'emergency'], EMERGENCY_VISIT, undefined, {
      reasonCode: [illness.code],
    });
    news2(activity, gravity, arrived);
    return arrived;
  });
  if (!visit) return;
  const admitted = illness.serious || random.chance(0.1);
  const left = at + random.whole(90, 300) * MINUTE;
  chart.activity(area.acute, left, (activity) => {
    finish(activity, visit, {
      hospitalization: {
        dischargeDisposition: admitted
          ? hl7('discharge-disposition', 'oth', 'Other')
          : hl7('discharge-disposition', 'home', 'Home'),
      },
    });
    const diagnosis = diagnose(activity, illness.code, at, visit);
    if (!admitted) {
      prescribe(activity, illness.medicine ?? MEDICINE.paracetamol, { reason: diagnosis, encounter: visit });
      activity.send('DocumentReference', {
        type: snomed('373942005', 'Discharge summary'),
        ...paper(
          activity,
          'Emergency department discharge letter',
          `Attended ${stamp(at)}. Sent home with advice.`,
        ),
      });
    }
  });
  if (admitted) stayInHospital(chart, illness, gravity, left + 20 * MINUTE);
}
