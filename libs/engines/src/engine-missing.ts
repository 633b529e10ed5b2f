/** Thrown by an engine that this machine cannot run; its message names what is missing and how to get it. */
export class EngineMissing extends Error {
  override readonly name = 'EngineMissing';
}

/**
 * The engine that `start` gives; where this machine cannot run it, the reason as text, for a suite to be skipped by name
 * with. Where `CI=true` nothing may be skipped, so there it throws.
 */
export async function engineOrReason<Engine>(start: () => Promise<Engine>): Promise<Engine | string> {
  try {
    return await start();
  } catch (error) {
    if (error instanceof EngineMissing && process.env['CI'] !== 'true') return error.message;
    throw error;
  }
}
