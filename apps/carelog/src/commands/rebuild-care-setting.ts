/** `carelog read-models rebuild`: builds one care setting's read model in a cluster again, while the old one serves. */
import { population, careSettingNamed, careSettings, careSettingsProjection, makeBeside, openPostgresCareSettingsWriter, takePlace } from '@carelog/read-models'; // prettier-ignore
import { asOwner, catchUp, withViews } from '../cluster/view-tools.ts';
import { CommandFailure } from '../command-failure.ts';

/** Resolves when what was built beside serves. Throws `CommandFailure`: 2 where there is no such care setting. */
export async function rebuildCareSetting(name: string): Promise<void> {
  if (name === population.name) return recount();
  const setting = careSettingNamed(name);
  if (setting === undefined)
    throw new CommandFailure(
      `There is no care setting ${name}. There are: ${[...careSettings, population].map((it) => it.name).join(', ')}.`,
      2,
    );
  await withViews(async ({ open, readModelsUrl: url, lanes }) => {
    const { ground } = await open();
    await asOwner(url, (owner) => makeBeside(owner, setting));
    const readModel = openPostgresCareSettingsWriter({ url, settings: [setting], isBeside: true });
    const begun = performance.now();
    let position: number;
    try {
      position = await catchUp(name, lanes, { ...ground, projection: careSettingsProjection, readModel });
    } finally {
      await readModel.close();
    }
    await asOwner(url, (owner) => takePlace(owner, setting));
    const seconds = Math.round((performance.now() - begun) / 1000);
    process.stdout.write(`${name} is rebuilt up to event ${position}, in ${seconds} s.\n`);
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
