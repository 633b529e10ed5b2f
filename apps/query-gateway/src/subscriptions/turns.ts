/** Work of one kind that is done one after the other, and of different kinds at the same time. */
const last = new Map<string, Promise<unknown>>();

export async function inTurn<Result>(kind: string, work: () => Promise<Result>): Promise<Result> {
  const before = last.get(kind) ?? Promise.resolve();
  const mine = before.then(work, work);
  last.set(kind, mine);
  try {
    return await mine;
  } finally {
    if (last.get(kind) === mine) last.delete(kind);
  }
}
