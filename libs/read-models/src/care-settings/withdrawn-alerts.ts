/**
 * Alerts whose cause was taken back: an attendance that was entered in error, a measurement that was somebody else's. Where nobody
 * has touched the Task yet it says nothing that is true, and the platform that raised it cancels it.
 */
import { begun } from './attendances.ts';
import type { Placed, Worklist } from './care-setting.ts';
import type { Kind } from './fact.ts';
import { ofKind } from './sections.ts';

/** Of the alerts that these lists raise about facts of these kinds. `name`: of the list, unique over all settings. */
export function withdrawnAlerts(name: string, lists: readonly Worklist[], about: readonly Kind[]): Worklist {
  const codes = new Set(lists.flatMap(({ alert }) => alert?.code.code ?? []));
  return {
    name,
    title: 'Alerts whose cause was taken back',
    kinds: new Set(['task', ...about]),
    withdraws: true,
    items(facts) {
      const untouched = ofKind(facts, 'task').filter((it) => isUntouched(it) && it.fact.codes.some(({ code }) => codes.has(code))); // prettier-ignore
      if (untouched.length === 0) return [];
      const standing = new Set(facts.map(({ stream }) => stream));
      const withdrawn = untouched.filter(({ fact }) => !(fact.refs['focus'] ?? []).some((it) => standing.has(it))); // prettier-ignore
      return withdrawn.map((it) => ({ stream: it.stream, since: begun(it), state: 'withdrawn', text: it.fact.text })); // prettier-ignore
    },
  };
}

/** The organisation of what the platform itself records. */
export const PLATFORM = 'carelog';

/** As the platform itself raised it. */
const isUntouched = ({ fact: { status }, source }: Placed): boolean =>
  status === 'requested' && source.organisation === PLATFORM;
