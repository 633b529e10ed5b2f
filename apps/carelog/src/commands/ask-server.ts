/** One question to the running server as the operator, for commands that see no clinical content. */
import { CommandFailure } from '../command-failure.ts';
import { serverUrl } from './settings.ts';
import { ownTokenOr } from './token.ts';

/** The JSON it answers. Throws `CommandFailure` with what the server says when it refuses. */
export async function askServer(method: 'GET' | 'POST', route: string, givenUrl?: string): Promise<unknown> {
  const url = serverUrl(givenUrl);
  const authorization = `Bearer ${await ownTokenOr('operator', url)}`;
  const response = await fetch(`${url}${route}`, { method, headers: { authorization } }).catch(
    () => undefined,
  );
  if (response === undefined)
    throw new CommandFailure(`${url} stopped answering. Start Carelog again with npm start.`);
  const answer: unknown = await response.json().catch(() => undefined);
  if (response.ok) return answer;
  const { issue = [] } = (answer ?? {}) as {
    issue?: { diagnostics?: string; details?: { text?: string } }[];
  };
  const said = issue.map(({ diagnostics, details }) => diagnostics ?? details?.text).join('\n');
  throw new CommandFailure(said || `${url} answered ${response.status}.`, response.status === 404 ? 2 : 1);
}
