/** Community pharmacy: what was handed over against a prescription. */
import type { Chart, Written } from './chart.ts';
import type { Medicine } from './codes.ts';
import { stamp } from './calendar.ts';

/** One dispensing, at the pharmacy the person uses. */
export function dispense(chart: Chart, prescription: Written, medicine: Medicine, at: number): void {
  chart.activity(chart.person.pharmacy, at, (activity) => {
    activity.add('MedicationDispense', {
      status: 'completed',
      medicationCodeableConcept: medicine.code,
      subject: { reference: chart.patient },
      performer: [{ actor: { reference: activity.provider.reference, display: activity.provider.name } }],
      authorizingPrescription: [{ reference: prescription.reference }],
      quantity: { value: medicine.quantity, unit: medicine.unit },
      whenHandedOver: stamp(at),
      dosageInstruction: [{ text: medicine.dose }],
    });
  });
}
