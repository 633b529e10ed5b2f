/** `carelog dead-letters`: events that a view of the cluster could not take, and what waits behind them. */
import { behind, retryPartition, type Parked } from '@carelog/projection';
import { CommandFailure } from '../command-failure.ts';
import { operatorName, VIEW_NAME, withViews, type ViewTools } from '../cluster/view-tools.ts';

export interface DeadLettersOptions {
  /** Of the record; that which answers unless told. */
  readonly of?: number;
  readonly json?: true;
}

interface DeadLetters extends Parked {
  readonly lane: number;
  /** Of the event that could not be taken and of all behind it, in order; their content is in the log. */
  readonly positions: readonly number[];
}

export async function listDeadLetters({ of, json }: DeadLettersOptions): Promise<void> {
  await withViews(async (tools) => {
    const view = await tools.open(of);
    const { epoch } = await view.ground.store.freshHead();
    const [letters, skipped] = [await lettersOf(view, tools), await tools.versions.skips(VIEW_NAME, epoch)];
    if (json) {
      process.stdout.write(`${JSON.stringify({ view: view.view.name, letters, skipped })}\n`);
      return;
    }
    const others = view.beside.map((it) => ({ ...view, view: it }));
    const besides = await Promise.all(others.map(async (it) => [it.view.projection.name, await lettersOf(it, tools)] as const)); // prettier-ignore
    const lines = [
      letters.length === 0 ? `${view.view.name}: nothing waits.` : `${view.view.name}:`,
      ...letters.map(described),
      ...besides.flatMap(([name, its]) => (its.length === 0 ? [] : [`${name}:`, ...its.map(described)])),
      ...skipped.map(
        ({ partition, position, by, why, at }) =>
          `event ${position} of partition ${partition} is stepped over: ${why} (${by}, ${at.toISOString()})`,
      ),
    ];
    process.stdout.write(`${lines.join('\n')}\n`);
  });
}

const described = ({ partition, position, reason, positions }: DeadLetters): string =>
  `partition ${partition} stopped at event ${position} (${reason}); ${positions.length} wait: ${shortened(positions)}`;

/** One partition, or every one. Resolves with the exit code: 1 where something still waits. */
export async function retryDeadLetters(
  partition: string | undefined,
  { of }: DeadLettersOptions,
): Promise<number> {
  return withViews(async (tools) => {
    const view = await tools.open(of);
    const views = [view, ...view.beside.map((it) => ({ ...view, view: it }))];
    const letters = (await Promise.all(views.map((it) => lettersOf(it, tools)))).flat();
    const asked = new Set(letters.map((it) => it.partition).filter((it) => partition === undefined || it === partition)); // prettier-ignore
    if (partition !== undefined && asked.size === 0)
      throw new CommandFailure(`Nothing of partition ${partition} waits in ${view.view.name}.`);
    let stopped = 0;
    for (const it of asked) if (!(await retry(it, view))) stopped += 1;
    return stopped === 0 ? 0 : 1;
  });
}

export interface SkipOptions extends DeadLettersOptions {
  readonly why: string;
  readonly by?: string;
}

/** Steps over the event at which a partition stopped, keeps who decided it and why, and takes up what waits behind it. */
export async function skipDeadLetter(position: number, options: SkipOptions): Promise<number> {
  return withViews(async (tools) => {
    const view = await tools.open(options.of);
    const letters = await lettersOf(view, tools);
    const letter = letters.find((it) => it.position === position);
    if (letter === undefined)
      throw new CommandFailure(
        `No partition of ${view.view.name} stopped at event ${position}. See: carelog dead-letters list.`,
      );
    const { epoch } = await view.ground.store.freshHead();
    const { why, by = operatorName() } = options;
    await tools.versions.skip(VIEW_NAME, epoch, { partition: letter.partition, position, by, why });
    process.stdout.write(`Event ${position} is stepped over.\n`);
    return (await retry(letter.partition, view)) ? 0 : 1;
  });
}

type View = Awaited<ReturnType<ViewTools['open']>>;

/** In the record and in every other view. False where it stops again. */
async function retry(partition: string, view: View): Promise<boolean> {
  let isWhole = await retryIn(partition, view);
  for (const it of view.beside) isWhole = (await retryIn(partition, { ...view, view: it })) && isWhole;
  return isWhole;
}

async function retryIn(partition: string, { view, ground }: View): Promise<boolean> {
  const outcome = await retryPartition(partition, { ...ground, ...view });
  if (outcome.kind === 'not-parked') return true;
  const { applied, stopped } = outcome;
  const end = stopped ? `stopped again at event ${stopped.position} (${stopped.reason})` : 'is whole again';
  const where = view.projection.name === VIEW_NAME ? '' : `, ${view.projection.name}`;
  process.stdout.write(`Partition ${partition}${where}: ${applied} events applied, ${end}.\n`);
  return stopped === undefined;
}

async function lettersOf({ view, ground }: View, { lanes }: ViewTools): Promise<readonly DeadLetters[]> {
  const checkpoints = await view.readModel.checkpoints();
  const letters = lanes.map(async (lane) => {
    const checkpoint = checkpoints.get(lane);
    if (checkpoint === undefined) return [];
    const parked = await view.readModel.parked(lane);
    return Promise.all(
      parked.map(async (it) => {
        const events = await behind(it, checkpoint, ground.store);
        return { ...it, lane, positions: events.map(({ position }) => position) };
      }),
    );
  });
  return (await Promise.all(letters)).flat().sort((a, b) => a.position - b.position);
}

const SHOWN = 20;

function shortened(positions: readonly number[]): string {
  const shown = positions.slice(0, SHOWN).join(', ');
  return positions.length > SHOWN ? `${shown} and ${positions.length - SHOWN} more` : shown;
}
