/** `carelog read-models rebuild`: builds one care setting's read model in a cluster again, while the old one serves. */
import { catchUpLanes } from '@carelog/projection';
import { careSettingNamed, careSettings, careSettingsProjection, makeBeside, openPostgresCareSettingsWriter, takePlace } from '@carelog/read-models'; // prettier-ignore
import { asOwner, NEAR, PAGE, withViews } from '../cluster/view-tools.ts';
import { CommandFailure } from '../command-failure.ts';

/** Resolves when what was built beside serves. Throws `CommandFailure`: 2 where there is no such care setting. */
export async function rebuildCareSetting(name: string): Promise<void> {
  const setting = careSettingNamed(name);
  if (setting === undefined)
    throw new CommandFailure(
      `There is no care setting ${name}. There are: ${careSettings.map((it) => it.name).join(', ')}.`,
      2,
    );
  await withViews(async ({ open, readModelsUrl: url, lanes }) => {
    const { ground } = await open();
    await asOwner(url, (owner) => makeBeside(owner, setting));
    const readModel = openPostgresCareSettingsWriter({ url, settings: [setting], isBeside: true });
    const begun = performance.now();
    let built: { readonly position: number };
    try {
      do {
        built = await catchUpLanes(lanes, {
          ...ground,
          projection: careSettingsProjection,
          readModel,
          batchSize: PAGE,
          onNotice: (notice) => process.stderr.write(`${notice}\n`),
        });
        process.stderr.write(`${name}: event ${built.position}\n`);
      } while ((await ground.store.freshHead()).position - built.position > NEAR);
    } finally {
      await readModel.close();
    }
    await asOwner(url, (owner) => takePlace(owner, setting));
    const seconds = Math.round((performance.now() - begun) / 1000);
    process.stdout.write(`${name} is rebuilt up to event ${built.position}, in ${seconds} s.\n`);
  });
}
