/** `carelog status`: what runs, what it holds, and how far each view has come. */
import type { Status } from '../status.ts';
import { askServer } from './ask-server.ts';

export async function status(options: { readonly url?: string; readonly json?: true }): Promise<void> {
  const answer = (await askServer('GET', '/status', options.url)) as Status;
  process.stdout.write(options.json ? `${JSON.stringify(answer)}\n` : `${described(answer)}\n`);
}

function described({ version, startedAt, log, people, resources, projections }: Status): string {
  return [
    `Carelog ${version}, running since ${startedAt}`,
    `log        event ${log.position}, epoch ${log.epoch}`,
    `record     ${resources} resources of ${people} people`,
    ...projections.flatMap(({ name, position, lag, parked }) => [
      `view       ${name}: at event ${position}, ${lag === 0 ? 'up to date' : `${lag} behind`}`,
      ...parked.map(
        (stopped) =>
          `           partition ${stopped.partition} stopped at event ${stopped.position}: ${stopped.reason}`,
      ),
    ]),
  ].join('\n');
}
