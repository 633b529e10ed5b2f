/** How long to wait before the next try. */

/** Answers that say: not now. https://www.rfc-editor.org/rfc/rfc9110#section-15 */
export const isPassing = (status: number): boolean => PASSING.has(status);
const PASSING: ReadonlySet<number> = new Set([408, 429, 502, 503, 504, 507]);

const MOST_MS = 30_000;

/** Milliseconds: doubled with each failure, at most 30 s, and between half of that and all of it, so that many clients do not come at once. */
export function backoff(failures: number, firstMs = 500): number {
  const whole = Math.min(MOST_MS, firstMs * 2 ** Math.min(failures - 1, 30));
  return whole * (0.5 + Math.random() / 2);
}

/** `Retry-After` as milliseconds, in seconds or as a date; 0 where it is absent or cannot be read. */
export function retryAfter(headers: Headers, now = Date.now()): number {
  const said = headers.get('retry-after')?.trim() ?? '';
  if (/^\d{1,9}$/.test(said)) return Number(said) * 1000;
  // Engines make dates of much else that begins otherwise.
  const at = /^[A-Z][a-z]{2}/.test(said) ? Date.parse(said) : Number.NaN;
  return Number.isNaN(at) ? 0 : Math.max(0, at - now);
}

/** Resolves after so long, or at once when the signal aborts. */
export function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done);
  });
}

/** A signal that aborts with another, or after so long without a `touch`. */
export function timeLimit(ms: number, outer: AbortSignal | undefined) {
  const controller = new AbortController();
  const end = (): void => controller.abort(outer?.reason);
  const late = (): void => controller.abort(new Error(`Nothing came for ${ms} ms.`));
  let timer = setTimeout(late, ms);
  if (outer?.aborted === true) end();
  else outer?.addEventListener('abort', end);
  return {
    signal: controller.signal,
    /** Begins to count anew. */
    touch(): void {
      clearTimeout(timer);
      timer = setTimeout(late, ms);
    },
    /** Stops counting until the next touch. */
    rest: () => clearTimeout(timer),
    done(): void {
      clearTimeout(timer);
      outer?.removeEventListener('abort', end);
    },
  };
}
