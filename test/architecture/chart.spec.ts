// infra/helm/carelog as Helm fills it in: every manifest is one that Kubernetes takes, and what the chart promises is in it.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { validate as validService } from 'kubernetes-models/_schemas/IoK8sApiCoreV1Service';
import { validate as validServiceAccount } from 'kubernetes-models/_schemas/IoK8sApiCoreV1ServiceAccount';
import { validate as validDeployment } from 'kubernetes-models/_schemas/IoK8sApiAppsV1Deployment';
import { validate as validStatefulSet } from 'kubernetes-models/_schemas/IoK8sApiAppsV1StatefulSet';
import { validate as validJob } from 'kubernetes-models/_schemas/IoK8sApiBatchV1Job';
import { validate as validAutoscaler } from 'kubernetes-models/_schemas/IoK8sApiAutoscalingV2HorizontalPodAutoscaler';
import { validate as validBudget } from 'kubernetes-models/_schemas/IoK8sApiPolicyV1PodDisruptionBudget';
import { validate as validPolicy } from 'kubernetes-models/_schemas/IoK8sApiNetworkingV1NetworkPolicy';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { helmIsMissing, renderChart, type Manifest, type Rendered } from './helm.ts';

const root = path.resolve(import.meta.dirname, '../..');
const chart = path.join(root, 'infra/helm/carelog');
const missing = await helmIsMissing();

const everything = `
publicUrl: https://record.example.nhs.uk
settings: { CARELOG_LOG: debug }
image: { repository: registry.example/carelog, digest: "sha256:${'0'.repeat(64)}", pullSecrets: [pull] }
kafka: { sasl: scram-sha-512 }
secrets: { kafka: { name: carelog-kafka, certificateKey: tls.crt, keyKey: tls.key, userName: carelog, passwordKey: password } }
projector: { autoscaling: { enabled: true } }
gateway: { service: { type: LoadBalancer, annotations: { a: b } } }
tracing: { endpoint: "http://collector.monitoring:4318" }
serviceMonitor: { enabled: true }
nodeSelector: { disk: fast }
tolerations: [{ key: a, operator: Exists, effect: NoSchedule }]
`;

/** What a site could get wrong, and what it is told. */
const refused: readonly [string, string, RegExp][] = [
  ['a URL with a path', 'publicUrl: https://record.example.nhs.uk/fhir', /publicUrl/],
  ['a name that there is not', 'gatway: { replicas: 3 }', /gatway/],
  ['a secret in place of its name', 'secrets: { owner: postgres://a:b@c/d }', /secrets.*owner/s],
  ['a broker without its port', 'kafka: { brokers: [kafka] }', /brokers/],
  [
    'more projectors than lanes',
    'projector: { autoscaling: { enabled: true, max: 17 } }',
    /lane is projected by one/,
  ],
  ['a tag in place of a digest', 'image: { digest: latest }', /digest/],
];

let rendered: Rendered;
let folder: string;

beforeAll(async () => {
  if (missing !== undefined) return;
  folder = mkdtempSync(path.join(tmpdir(), 'carelog-chart-'));
  cpSync(chart, folder, { recursive: true });
  // The library leaves hooks out, so the migration is rendered as what it is besides: a Job.
  const migrate = path.join(folder, 'templates/migrate.yaml');
  writeFileSync(migrate, readFileSync(migrate, 'utf8').replaceAll(/^ +helm\.sh\/hook.*\n/gm, '').replaceAll(/^ +annotations:\n/gm, '')); // prettier-ignore
  const values = Object.fromEntries(refused.map(([, text], index) => [`refused-${index}`, text]));
  rendered = await renderChart(folder, { default: '', everything, ...values });
}, 300_000);
afterAll(() => folder !== undefined && rmSync(folder, { recursive: true }));

if (missing !== undefined && process.env['CI'] === 'true') {
  it('can be filled in on the build server', () => expect.fail(missing));
}

describe.skipIf(missing !== undefined)(`the chart${missing === undefined ? '' : `: ${missing}`}`, () => {
  it('has nothing that Helm finds fault with', () => {
    expect(rendered.lint).toEqual({ failed: false, messages: '[]' });
  });

  it.each(['default', 'everything'])('is what Kubernetes takes: names, types and formats (%s)', (values) => {
    const manifests = manifestsOf(values);
    expect(manifests.length).toBeGreaterThan(14);
    for (const manifest of manifests) {
      const kind = kinds[manifest.kind];
      if (kind === undefined) expect(`${manifest.kind} ${values}`).toBe('PodMonitor everything');
      else expect([manifest.kind, manifest.metadata.name, problemsOf(kind.validate, manifest)]).toEqual([manifest.kind, manifest.metadata.name, []]); // prettier-ignore
    }
    expect(typeProblems(manifests)).toEqual([]);
  });

  it('would be found wrong with a name misspelt', () => {
    const [deployment] = manifestsOf('default').filter(({ kind }) => kind === 'Deployment');
    const text = JSON.stringify(deployment).replaceAll('readOnlyRootFilesystem', 'readOnlyRootFileSystem');
    expect(typeProblems([JSON.parse(text) as Manifest])).not.toEqual([]);
  });

  it.each(['default', 'everything'])(
    'runs nothing as root, writable, or without limits and probes (%s)',
    (values) => {
      const pods = podsOf(manifestsOf(values));
      expect(pods.map(({ name }) => name).sort()).toEqual([
        'gateway',
        'migrate',
        'projector',
        'relay',
        'writer',
      ]);
      for (const { name, spec } of pods) {
        expect(spec.automountServiceAccountToken).toBe(false);
        expect(spec.securityContext).toMatchObject({
          runAsNonRoot: true,
          seccompProfile: { type: 'RuntimeDefault' },
        });
        for (const container of [...spec.initContainers, ...spec.containers]) {
          expect(container.securityContext).toEqual({
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
          });
          expect(container.resources).toMatchObject({
            requests: expect.anything(),
            limits: { memory: expect.anything() },
          });
        }
        if (name === 'migrate') continue;
        const [service] = spec.containers;
        expect(service).toMatchObject({
          startupProbe: { httpGet: { path: '/health/live' } },
          livenessProbe: { httpGet: { path: '/health/live' } },
          readinessProbe: { httpGet: { path: '/health/ready' } },
        });
      }
    },
  );

  it('names secrets and never holds one: every address and key comes by reference', () => {
    for (const { name, spec } of podsOf(manifestsOf('everything'))) {
      for (const { name: variable, value, valueFrom } of spec.containers[0]!.env) {
        if (/_URL$/.test(variable) && variable !== 'CARELOG_URL')
          expect([name, variable, valueFrom]).toEqual([name, variable, { secretKeyRef: expect.anything() }]);
        else expect(value).toBeTypeOf('string');
      }
    }
    expect(manifestsOf('everything').filter(({ kind }) => kind === 'Secret')).toEqual([]);
  });

  it('sets only what the services read', () => {
    const read = ['config', 'cluster-config', 'tracing']
      .map((file) => readFileSync(path.join(root, `libs/service-kit/src/${file}.ts`), 'utf8'))
      .concat(readFileSync(path.join(root, 'libs/distribution/src/kafka-settings.ts'), 'utf8'))
      .concat(readFileSync(path.join(root, 'apps/carelog/src/commands/migrate.ts'), 'utf8'))
      .join('');
    const set = podsOf(manifestsOf('everything')).flatMap(({ spec }) =>
      spec.containers[0]!.env.map(({ name }) => name),
    );
    const foreign = [...new Set(set)].filter((name) => !read.includes(name) && !name.startsWith('OTEL_'));
    expect(foreign).toEqual([]);
  });

  it('gives each pod a budget, and each budget, policy, service and autoscaler something to hold on to', () => {
    const manifests = manifestsOf('everything');
    const labels = podsOf(manifests).map(({ labels: own }) => own);
    const selectors = manifests.flatMap((manifest) =>
      selectorsIn(manifest).map((it) => [manifest.kind, it] as const),
    );
    expect(selectors.length).toBeGreaterThan(10);
    for (const [kind, selector] of selectors) {
      const held = labels.filter((own) =>
        Object.entries(selector).every(([key, value]) => own[key] === value),
      );
      expect([kind, held.length > 0]).toEqual([kind, true]);
    }
    const budgets = manifests.filter(({ kind }) => kind === 'PodDisruptionBudget');
    expect(budgets.length).toBe(4);
    const targets = manifests.filter(({ kind }) => kind === 'HorizontalPodAutoscaler').map(({ spec }) => (spec as { scaleTargetRef: { name: string } }).scaleTargetRef.name); // prettier-ignore
    const scaled = manifests
      .filter(({ kind }) => kind === 'Deployment' || kind === 'StatefulSet')
      .map(({ metadata }) => metadata.name);
    expect(targets.length).toBe(2);
    for (const target of targets) expect(scaled).toContain(target);
  });

  it.each(refused)('refuses %s, and says so', (what, _, says) => {
    const index = refused.findIndex(([name]) => name === what);
    expect(rendered.refusals.get(`refused-${index}`)).toMatch(says);
  });
});

/** What Kubernetes' own schema says of each kind, at run time (formats) and as a type (unknown names). */
const kinds: Readonly<Record<string, { validate: Validate; type: string; from: string }>> = {
  Service: { validate: validService, type: 'IService', from: 'v1' },
  ServiceAccount: { validate: validServiceAccount, type: 'IServiceAccount', from: 'v1' },
  Deployment: { validate: validDeployment, type: 'IDeployment', from: 'apps/v1' },
  StatefulSet: { validate: validStatefulSet, type: 'IStatefulSet', from: 'apps/v1' },
  Job: { validate: validJob, type: 'IJob', from: 'batch/v1' },
  HorizontalPodAutoscaler: {
    validate: validAutoscaler,
    type: 'IHorizontalPodAutoscaler',
    from: 'autoscaling/v2',
  },
  PodDisruptionBudget: { validate: validBudget, type: 'IPodDisruptionBudget', from: 'policy/v1' },
  NetworkPolicy: { validate: validPolicy, type: 'INetworkPolicy', from: 'networking.k8s.io/v1' },
};
type Validate = ((data: unknown) => boolean) & {
  errors?: readonly { instancePath: string; keyword: string }[] | null;
};

function problemsOf(validate: Validate, manifest: Manifest): string[] {
  if (validate(manifest)) return [];
  return (validate.errors ?? []).map(({ instancePath, keyword }) => `${instancePath} ${keyword}`);
}

/** Object literals of Kubernetes' types: the compiler refuses every name that is not theirs. */
function typeProblems(manifests: readonly Manifest[]): string[] {
  const known = manifests.filter(({ kind }) => kinds[kind] !== undefined);
  const lines = known.map((manifest, index) => {
    const { type, from } = kinds[manifest.kind]!;
    return `const it${index}: import('kubernetes-models/${from}').${type} = ${JSON.stringify(manifest)};`;
  });
  const file = path.join(root, 'test/architecture/planted-manifests.ts');
  const options: ts.CompilerOptions = {
    noEmit: true,
    strict: true,
    skipLibCheck: true,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    target: ts.ScriptTarget.ESNext,
    types: [],
  };
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists, readFile } = host;
  const text = `${lines.join('\n')}\nexport {};`;
  host.getSourceFile = (name, ...rest) => name === file ? ts.createSourceFile(file, text, ts.ScriptTarget.ESNext, true) : getSourceFile(name, ...rest); // prettier-ignore
  host.fileExists = (name) => name === file || fileExists(name);
  host.readFile = (name) => (name === file ? text : readFile(name));
  const program = ts.createProgram([file], options, host);
  const source = program.getSourceFile(file);
  return program
    .getSemanticDiagnostics(source)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, ' '));
}

interface Container {
  readonly env: readonly { readonly name: string; readonly value?: string; readonly valueFrom?: object }[];
  readonly securityContext: object;
  readonly resources: object;
}
interface PodSpec {
  readonly automountServiceAccountToken: boolean;
  readonly securityContext: object;
  readonly initContainers: readonly Container[];
  readonly containers: readonly Container[];
}
interface Pod {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly spec: PodSpec;
}

function podsOf(manifests: readonly Manifest[]): Pod[] {
  return manifests
    .map(
      ({ spec }) => (spec as { template?: { metadata: { labels: Pod['labels'] }; spec: PodSpec } })?.template,
    )
    .filter((template) => template !== undefined)
    .map(({ metadata: { labels }, spec }) => ({
      name: labels['app.kubernetes.io/component']!,
      labels,
      spec,
    }));
}

function selectorsIn(manifest: Manifest): Readonly<Record<string, string>>[] {
  const { selector, podSelector } = (manifest.spec ?? {}) as Record<string, { matchLabels?: Record<string, string> } | undefined>; // prettier-ignore
  if (manifest.kind === 'Service') return [selector as Record<string, string>];
  return [selector?.matchLabels, podSelector?.matchLabels].filter((it) => it !== undefined);
}

function manifestsOf(values: string): readonly Manifest[] {
  return rendered.manifests.get(values) ?? expect.fail(rendered.refusals.get(values));
}
