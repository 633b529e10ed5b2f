/**
 * `carelog read-models`: versions of the record in a cluster. A new one is built beside the one that serves, is compared with
 * it, takes over in one transaction, and can hand back.
 */
import {
  compareRecords,
  grantAs,
  migrateRecord,
  migrateVersions,
  recordProjection,
  schemaOf,
  type Contents,
} from '@carelog/read-models';
import { CommandFailure } from '../command-failure.ts';
import {
  asOwner,
  NEAR,
  operatorName,
  catchUp,
  VIEW_NAME,
  withViews,
  type ViewTools,
} from '../cluster/view-tools.ts';

export async function listReadModels({ json }: { readonly json?: true }): Promise<void> {
  await withViews(async (tools) => {
    const live = await tools.versions.live(VIEW_NAME);
    const rows = await Promise.all(
      (await tools.versions.built(VIEW_NAME)).map((version) => standing(version, tools)),
    );
    if (json) process.stdout.write(`${JSON.stringify({ live, versions: rows })}\n`);
    else {
      for (const { version, position, head, parked } of rows) {
        const place = version === live?.version ? `serves since ${live.since.toISOString()}` : 'stands by';
        const behind = position === head ? 'up to date' : `${head - position} behind`;
        process.stdout.write(
          `${schemaOf(VIEW_NAME, version)}  ${place}, at event ${position}, ${behind}, ${parked} parked\n`,
        );
      }
    }
  });
}

/** Builds from the log, beside whatever serves. May be broken off and called again: it goes on where it was. */
export async function buildReadModel(version = recordProjection.version): Promise<void> {
  await withViews(async (tools) => {
    const schema = schemaOf(VIEW_NAME, version);
    await asOwner(tools.readModelsUrl, async (owner) => {
      await migrateVersions(owner);
      await migrateRecord(owner, { schema, policy: tools.config.policy });
      const live = await tools.versions.live(VIEW_NAME);
      if (live !== undefined && live.version !== version) {
        await grantAs(owner, schemaOf(VIEW_NAME, live.version), schema);
      }
    });
    const { view, ground } = await tools.open(version);
    const begun = performance.now();
    const position = await catchUp(schema, tools.lanes, { ...ground, ...view });
    const seconds = Math.round((performance.now() - begun) / 1000);
    process.stdout.write(
      `${schema} is built up to event ${position}, in ${seconds} s. Start projectors of it (CARELOG_RECORD_VERSION=${version}), compare it, then switch to it.\n`,
    );
  });
}

/** With the one that serves. Resolves with the exit code: 1 where they differ. */
export async function compareReadModels(
  version: number,
  { patience }: { readonly patience?: number },
): Promise<number> {
  return withViews(async ({ versions, readModelsUrl: url }) => {
    const live = await versions.live(VIEW_NAME);
    if (live === undefined) throw new CommandFailure('No version serves yet that could be compared with.');
    await refuseUnbuilt(version, versions);
    const schemas = [schemaOf(VIEW_NAME, live.version), schemaOf(VIEW_NAME, version)] as const;
    const outcome = await compareRecords({ url, schemas, ...(patience && { patienceMs: patience * 1000 }) });
    if (outcome.kind === 'apart')
      throw new CommandFailure(
        `${schemas.join(' and ')} were never equally far, and are ${outcome.behind} positions apart now. See that projectors run for both (carelog read-models list), or wait longer with --patience.`,
      );
    for (const [index, contents] of outcome.contents.entries())
      process.stdout.write(`${schemas[index]}  ${described(contents)}\n`);
    const { differing } = outcome;
    process.stdout.write(differing.length === 0 ? 'They are equal.\n' : `They differ in: ${differing.join(', ')}.\n`); // prettier-ignore
    return differing.length === 0 ? 0 : 1;
  });
}

export interface SwitchOptions {
  readonly by?: string;
}

/** Lets another version answer. Throws `CommandFailure` where it is not built, or not as far as the one that serves. */
export async function switchReadModel(
  version: number,
  { by = operatorName() }: SwitchOptions,
): Promise<void> {
  await withViews(async (tools) => {
    await refuseUnbuilt(version, tools.versions);
    await turnTo(version, by, tools);
  });
}

export async function switchBack({ by = operatorName() }: SwitchOptions): Promise<void> {
  await withViews(async (tools) => {
    const live = await tools.versions.live(VIEW_NAME);
    if (live?.previous === undefined) throw new CommandFailure('There is no version to go back to.');
    await turnTo(live.previous, by, tools);
  });
}

async function turnTo(version: number, by: string, tools: ViewTools): Promise<void> {
  const live = await tools.versions.live(VIEW_NAME);
  if (live?.version === version) throw new CommandFailure(`Version ${version} serves already.`);
  const next = await standing(version, tools);
  const behind = next.head - next.position;
  if (behind > NEAR)
    throw new CommandFailure(
      `Version ${version} is ${behind} events behind the log. Build it, and see that projectors run for it.`,
    );
  const outcome = await tools.versions.switchTo(VIEW_NAME, version, live?.version, by);
  if (outcome.kind === 'overtaken')
    throw new CommandFailure(`Somebody else switched meanwhile: version ${outcome.live} serves.`);
  if (outcome.kind === 'not-built') throw new CommandFailure(`Version ${version} is gone.`);
  process.stdout.write(
    `Version ${version} serves.${outcome.from === undefined ? '' : ` Back to version ${outcome.from}: carelog read-models back`}\n`,
  );
}

/** How far a version is: as far as the lane that is furthest behind. */
async function standing(version: number, tools: ViewTools) {
  const { view, ground, close } = await tools.open(version);
  const head = await ground.store.freshHead();
  const checkpoints = await view.readModel.checkpoints();
  const positions = tools.lanes.map((lane) => {
    const reached = checkpoints.get(lane);
    return reached?.epoch === head.epoch ? reached.position : 0;
  });
  const parked = await Promise.all(tools.lanes.map((lane) => view.readModel.parked(lane)));
  await close();
  return { version, position: Math.min(...positions), head: head.position, parked: parked.flat().length };
}

async function refuseUnbuilt(version: number, versions: ViewTools['versions']): Promise<void> {
  const built = await versions.built(VIEW_NAME);
  if (built.includes(version)) return;
  throw new CommandFailure(
    `Version ${version} is not built. There ${built.length === 0 ? 'is none' : `are: ${built.join(', ')}`}. Build it: carelog read-models build ${version}.`,
  );
}

const described = ({ counts, hash }: Contents) =>
  `${hash.slice(0, 16)}  ${Object.entries(counts)
    .map(([table, rows]) => `${rows} ${table}`)
    .join(', ')}`;
