/** Requests with a token, each with an end. */
import type { ClientOptions } from './client.ts';

export interface Asked {
  readonly method: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal?: AbortSignal | undefined;
}

export interface Connection {
  /**
   * Sends with a token; once more with another where the first is not taken. Rejects where there is no answer, or no token. `path`
   * begins with a slash.
   */
  ask(path: string, asked: Asked): Promise<Response>;
}

export function openConnection({ url, token, fetch: given }: ClientOptions): Connection {
  const root = url.endsWith('/') ? url.slice(0, -1) : url;
  const send = given ?? globalThis.fetch;
  let known: Promise<string> | undefined;

  /** One is asked for at a time, however many need it. */
  function current(): Promise<string> {
    if (known !== undefined) return known;
    const fresh = Promise.resolve().then(token);
    known = fresh;
    fresh.catch(() => forget(fresh));
    return fresh;
  }

  function forget(used: Promise<string>): void {
    if (known === used) known = undefined;
  }

  return {
    async ask(path, { headers, signal, ...asked }) {
      for (let tries = 0; ; tries += 1) {
        const used = current();
        const authorization = `Bearer ${await used}`;
        const init = { ...asked, headers: { ...headers, authorization } };
        const response = await send(root + path, signal === undefined ? init : { ...init, signal });
        if (response.status !== 401) return response;
        forget(used);
        if (tries > 0) return response;
        await response.body?.cancel();
      }
    },
  };
}
