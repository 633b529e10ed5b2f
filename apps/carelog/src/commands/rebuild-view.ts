/** `carelog read-models rebuild`: builds the care settings of a cluster again while they serve, or its population. */
import { population, careSettings, careSettingsProjection as projection, makeBeside, openPostgresCareSettingsWriter, takePlace } from '@carelog/read-models'; // prettier-ignore
import { asOwner, catchUp, withViews } from '../cluster/view-tools.ts';
import { CommandFailure } from '../command-failure.ts';

/** Resolves when what was built serves. Throws `CommandFailure`: 2 where there is no such view. */
export async function rebuildView(name: string): Promise<void> {
  if (name === population.name) return recount();
  if (name !== projection.name)
    throw new CommandFailure(
      `${name} is not rebuilt by itself. Name ${projection.name}, for all care settings together, or ${population.name}.`,
      2,
    );
  await withViews(async ({ open, readModelsUrl: url, lanes }) => {
    const { ground } = await open();
    await asOwner(url, (owner) => makeBeside(owner, careSettings));
    const readModel = openPostgresCareSettingsWriter({ url, settings: careSettings, isBeside: true });
    const begun = performance.now();
    let position: number;
    try {
      position = await catchUp(projection.name, lanes, { ...ground, projection, readModel });
    } finally {
      await readModel.close();
    }
    await asOwner(url, (owner) => takePlace(owner, careSettings));
    const seconds = Math.round((performance.now() - begun) / 1000);
    process.stdout.write(`The care settings are rebuilt up to event ${position}, in ${seconds} s.\n`);
  });
}

/** In its place: whoever asks for counts meanwhile is told to come again. */
async function recount(): Promise<void> {
  await withViews(async ({ open, lanes }) => {
    const { beside, ground } = await open();
    const view = beside.find(({ projection }) => projection.name === population.name)!;
    const begun = performance.now();
    await view.readModel.clear();
    const position = await catchUp(population.name, lanes, { ...ground, ...view });
    const seconds = Math.round((performance.now() - begun) / 1000);
    process.stdout.write(`${population.name} is rebuilt up to event ${position}, in ${seconds} s.\n`);
  });
}
