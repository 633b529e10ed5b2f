// What is in infra/ beside the chart: that compose, dashboards, alerts and the page of metrics speak of what there really is.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parser as promql } from '@prometheus-io/lezer-promql';
import { metricCatalogue } from '@carelog/service-kit';
import { describe, expect, it, test } from 'vitest';
import { parse } from 'yaml';

const root = path.resolve(import.meta.dirname, '../..');
const text = (file: string) => readFileSync(path.join(root, file), 'utf8');

test('metrics.md lists every metric with its kind, and no other', () => {
  const rows = [...text('docs/reference/metrics.md').matchAll(/^\| `(\w+)`\s+\| (\w+)/gm)];
  const onPage = rows.map(([, name, kind]) => `${name} ${kind}`);
  const inCode = Object.entries(metricCatalogue).map(([name, [kind]]) => `${name} ${kind}`);
  expect(onPage.sort()).toEqual(inCode.sort());
});

describe('dashboards and alerts', () => {
  const boards = readdirSync(path.join(root, 'infra/dashboards')).filter((file) => file.endsWith('.json'));
  const questions = [
    ...boards.flatMap((file) => {
      const { panels } = JSON.parse(text(`infra/dashboards/${file}`)) as Dashboard;
      return panels.flatMap(({ title, targets }) =>
        targets.map(({ expr }) => [`${file}: ${title}`, expr] as const),
      );
    }),
    ...(parse(text('infra/dashboards/alerts.yaml')) as Alerts).groups
      .flatMap(({ rules }) => rules)
      .map(({ alert, expr }) => [`alert ${alert}`, expr] as const),
  ];

  it.each(questions)('ask in PromQL for metrics that there are: %s', (_, expression) => {
    // Grafana fills its own variables in before it asks.
    const asked = expression.replaceAll('$__rate_interval', '1m');
    const names: string[] = [];
    promql.parse(asked).iterate({
      enter(node) {
        if (node.type.isError) expect.fail(`not PromQL at ${node.from}: ${asked}`);
        if (node.name === 'Identifier' && node.matchContext(['VectorSelector'])) names.push(asked.slice(node.from, node.to)); // prettier-ignore
      },
    });
    expect(names.length).toBeGreaterThan(0);
    for (const name of names)
      expect(Object.keys(metricCatalogue)).toContain(name.replace(/_(bucket|sum|count)$/, ''));
  });

  it('have each a name, a place and panels that do not overlap', () => {
    for (const file of boards) {
      const { uid, title, panels } = JSON.parse(text(`infra/dashboards/${file}`)) as Dashboard;
      expect([uid, title].every((it) => it.length > 0)).toBe(true);
      const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) => Array.from({ length: w * h }, (_, i) => `${x + (i % w)},${y + Math.floor(i / w)}`)); // prettier-ignore
      expect(new Set(cells).size).toBe(cells.length);
      expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    }
  });

  it('say of each alert how bad it is and what it means', () => {
    for (const { rules } of (parse(text('infra/dashboards/alerts.yaml')) as Alerts).groups) {
      for (const { labels, annotations } of rules) {
        expect(['page', 'look']).toContain(labels.severity);
        expect(annotations.summary.length).toBeGreaterThan(20);
      }
    }
  });
});

describe('infra/compose', () => {
  const { services, secrets, volumes, networks } = parse(text('infra/compose/compose.yaml'), { merge: true }) as Compose; // prettier-ignore
  const all = Object.entries(services);

  it('has every image in a variable, public by default but for our own', () => {
    for (const [name, { image }] of all) {
      expect([name, image]).toEqual([name, expect.stringMatching(/^\$\{[A-Z]+_IMAGE:-[a-z][\w./:-]+\}$/)]);
    }
  });

  it('names only secrets, volumes, networks and services that there are, and waits for what can be waited for', () => {
    for (const [name, service] of all) {
      const sources = (service.secrets ?? []).map((it) => (typeof it === 'string' ? it : it.source));
      expect([name, sources.filter((it) => !(it in secrets))]).toEqual([name, []]);
      const mounted = (service.volumes ?? []).map((it) => it.split(':')[0]!);
      const named = mounted.filter((it) => !it.startsWith('.'));
      expect([name, named.filter((it) => !(it in volumes))]).toEqual([name, []]);
      for (const file of mounted.filter((it) => it.startsWith('.')))
        expect([name, file, existsSync(path.join(root, 'infra/compose', file))]).toEqual([name, file, true]);
      for (const network of service.networks ?? []) expect(Object.keys(networks)).toContain(network);
      for (const [other, { condition }] of Object.entries(service.depends_on ?? {})) {
        const awaited = services[other]!;
        // Ours have the check of their image.
        const canTell = awaited.healthcheck !== undefined || awaited.image.includes('CARELOG_IMAGE');
        const isJob = awaited.restart === 'no';
        expect([name, other, condition === 'service_healthy' ? canTell && !isJob : isJob]).toEqual([name, other, true]); // prettier-ignore
      }
    }
  });

  it('gives our services nothing that they do not need: no root, no writable disk, no secret in a variable', () => {
    const ours = all.filter(
      ([name, { image }]) => image.includes('CARELOG_IMAGE') && name !== 'metrics-secret',
    );
    expect(ours.map(([name]) => name).sort()).toEqual(['gateway-1', 'gateway-2', 'migrate', 'projector-1', 'projector-2', 'relay', 'writer-1', 'writer-2']); // prettier-ignore
    for (const [name, { read_only, cap_drop, security_opt, user, environment = {} }] of ours) {
      expect([name, read_only, cap_drop, security_opt, user]).toEqual([name, true, ['ALL'], ['no-new-privileges:true'], undefined]); // prettier-ignore
      for (const [variable, value] of Object.entries(environment))
        expect([name, variable, /:\/\/[^/\s]*@|password|secret=/i.test(value)]).toEqual([
          name,
          variable,
          false,
        ]);
    }
  });

  it('sets only what the services and the image read', () => {
    const read =
      ['libs/service-kit/src/config.ts', 'libs/service-kit/src/cluster-config.ts', 'libs/service-kit/src/tracing.ts', 'libs/distribution/src/kafka-settings.ts', 'infra/images/entrypoint.sh'] // prettier-ignore
        .map(text)
        .join('');
    const set = all.filter(([, { image }]) => image.includes('CARELOG_IMAGE')).flatMap(([, { environment = {} }]) => Object.keys(environment)); // prettier-ignore
    expect([...new Set(set)].filter((name) => !read.includes(name))).toEqual([]);
  });

  it('makes every secret that it names', () => {
    const made = text('infra/compose/prepare.sh');
    const roles = /for role in ([\w ]+);/.exec(made)![1]!.split(' ');
    const names = roles.flatMap((role) => [`password-${role}`, `database-${role}`]);
    const others = [...made.matchAll(/\bkeep ([\w.]+) \d/g)].map((match) => match[1]!);
    expect([...names, ...others].sort()).toEqual(Object.keys(secrets).sort());
  });

  it('has Prometheus ask services that there are', () => {
    const { scrape_configs } = parse(text('infra/compose/prometheus/prometheus.yaml'), { merge: true }) as Prometheus; // prettier-ignore
    const targets = scrape_configs.flatMap((it) => it.static_configs).flatMap((it) => it.targets);
    expect(targets.length).toBeGreaterThan(5);
    for (const target of targets) expect(Object.keys(services)).toContain(target.replace(/:8080$/, ''));
  });
});

interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly panels: readonly {
    readonly id: number;
    readonly title: string;
    readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
    readonly targets: readonly { readonly expr: string }[];
  }[];
}
interface Alerts {
  readonly groups: readonly {
    readonly rules: readonly {
      readonly alert: string;
      readonly expr: string;
      readonly labels: { readonly severity: string };
      readonly annotations: { readonly summary: string };
    }[];
  }[];
}
interface Compose {
  readonly services: Readonly<Record<string, ComposeService>>;
  readonly secrets: Readonly<Record<string, unknown>>;
  readonly volumes: Readonly<Record<string, unknown>>;
  readonly networks: Readonly<Record<string, unknown>>;
}
interface ComposeService {
  readonly image: string;
  readonly restart?: string;
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly user?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly secrets?: readonly (string | { readonly source: string })[];
  readonly volumes?: readonly string[];
  readonly networks?: readonly string[];
  readonly healthcheck?: unknown;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
}
interface Prometheus {
  readonly scrape_configs: readonly { readonly static_configs: readonly { readonly targets: readonly string[] }[] }[]; // prettier-ignore
}
