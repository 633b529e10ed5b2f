/** The population of the whole synthetic people: they are counted, and nothing in its file tells of any of them. */
import { generatePopulation } from '@carelog/synthetic';
import { readFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { expect, it } from 'vitest';
import { afterwards, casesIn } from '../../libs/read-models/src/population/population-scene.ts';
import type { Activity, Resource } from '../../libs/read-models/src/care-settings/care-setting-scene.ts';
import { RECORDED } from '../../libs/read-models/src/care-settings/scene-log.ts';

const PEOPLE = 20;

function synthetic(): readonly Activity[] {
  const activities: Activity[] = [];
  for (const bundles of generatePopulation({ seed: 11, people: PEOPLE })) {
    for (const { entry } of bundles) {
      const ids = new Map(entry.map(({ fullUrl, resource }) => [fullUrl, resource.id ?? fullUrl.slice('urn:uuid:'.length)])); // prettier-ignore
      const types = new Map(entry.map(({ fullUrl, resource }) => [fullUrl, resource.resourceType]));
      for (const { fullUrl, resource } of entry) {
        const text = JSON.stringify({ ...resource, id: ids.get(fullUrl) });
        const named = text.replaceAll(/urn:uuid:[0-9a-f-]{36}/g, (it) => (ids.has(it) ? `${types.get(it)}/${ids.get(it)}` : it)); // prettier-ignore
        activities.push({ resource: JSON.parse(named) as Resource });
      }
    }
  }
  return activities;
}

interface Person {
  readonly id: string;
  readonly birthDate?: string;
  readonly name?: readonly { readonly family?: string; readonly given?: readonly string[] }[];
  readonly address?: readonly { readonly line?: readonly string[]; readonly postalCode?: string }[];
  readonly telecom?: readonly { readonly value?: string }[];
  readonly identifier?: readonly { readonly value?: string }[];
}

const activities = synthetic();
const people = activities.flatMap(({ resource }) => (['Patient', 'Practitioner', 'RelatedPerson'].includes(resource.resourceType) ? [resource as unknown as Person] : [])); // prettier-ignore
/** Words, of which a pseudonym may hold a few letters by chance. */
const names = new Set(people.flatMap(({ name = [] }) => name.flatMap(({ family, given = [] }) => [family ?? '', ...given])).filter((it) => it !== '')); // prettier-ignore
const values = new Set(
  [
    ...people.flatMap(({ birthDate, address = [], telecom = [], identifier = [] }) => [
      birthDate,
      ...address.flatMap(({ line = [], postalCode }) => [...line, postalCode, postalCode?.replace(' ', '')]),
      ...[...telecom, ...identifier].map(({ value }) => value),
    ]),
    ...activities.flatMap(({ resource: { resourceType, id } }) =>
      resourceType === 'Organization' ? [] : [id],
    ),
  ].filter((it) => it !== undefined && it.length > 6),
);
/** What happens on a birthday is no date of birth. */
const happened = new Set([...JSON.stringify(activities.filter(({ resource }) => resource.resourceType !== 'Patient')).matchAll(/\d{4}-\d\d-\d\d/g)].map(([it]) => it)); // prettier-ignore

function foundIn(text: string): readonly string[] {
  const words = new Set(text.split(/[^\p{L}'-]+/u));
  return [
    ...[...names].filter((it) => words.has(it)),
    ...[...values].filter((it) => !happened.has(it!) && text.includes(it!)),
  ] as string[];
}

it('is counted without a name, number, address, date of birth or id in the file', async () => {
  await afterwards(activities, async (path) => {
    const db = new DatabaseSync(path, { readOnly: true });
    const tables = db.prepare(`SELECT name FROM sqlite_schema WHERE type = 'table'`).all();
    const rows = tables.flatMap(({ name }) => db.prepare(`SELECT * FROM "${String(name)}"`).all());
    db.close();
    expect(rows.length).toBeGreaterThan(1_000);
    expect(foundIn(JSON.stringify(rows))).toEqual([]);
    expect(foundIn(readFileSync(path, 'latin1'))).toEqual([]);
    for (const it of ['discharge-summaries-within-24-hours', 'letters-filed-within-7-days', 'appointments-missed', 'unscheduled-attendances-with-care-plan']) // prettier-ignore
      expect([it, (await casesIn(path, it, RECORDED)).length]).not.toEqual([it, 0]);
  }, 1_000); // prettier-ignore
});

it('is searched in a way that finds what there is', () => {
  const found = new Set(foundIn(JSON.stringify(activities)));
  expect([...names, ...values].filter((it) => !happened.has(it!) && !found.has(it!) && !/^[A-Z0-9]{5,8}$/.test(it!))).toEqual([]); // prettier-ignore
  expect([names.size > PEOPLE / 2, values.size > PEOPLE * 20]).toEqual([true, true]);
});
