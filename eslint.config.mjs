// Run through nx (`npm run lint`): without its project graph the boundary rule would be skipped in silence.
import nx from '@nx/eslint-plugin';
import tseslint from 'typescript-eslint';

// One row for each project: what of ours it may import. docs/architecture.md draws the same.
const arrows = {
  'lib:postgres': [],
  'lib:event-store': ['lib:postgres'],
  'lib:fhir': [],
  'lib:access': [],
  'lib:keyring': ['lib:postgres'],
  'lib:engines': [],
  'lib:distribution': ['lib:event-store', 'lib:projection'],
  'lib:access-log': ['lib:access', 'lib:event-store', 'lib:keyring'],
  'lib:synthetic': [],
  'lib:activity': ['lib:fhir', 'lib:access'],
  'lib:projection': ['lib:event-store'],
  'lib:read-models': libs('access', 'activity', 'event-store', 'fhir', 'postgres', 'projection'),
  'lib:subscriptions': ['lib:access', 'lib:activity', 'lib:event-store', 'lib:fhir'],
  'lib:client': [],
  'lib:service-kit': ['lib:fhir', 'lib:access'],
  'lib:testkit': ['lib:event-store', 'lib:activity', 'lib:engines'],
  'app:activity-writer': libs('access', 'activity', 'event-store', 'fhir', 'keyring', 'service-kit'),
  'app:projector': libs(
    'access',
    'activity',
    'distribution',
    'event-store',
    'keyring',
    'projection',
    'read-models',
    'service-kit',
  ),
  'app:relay': libs('distribution', 'event-store', 'service-kit'),
  'app:query-gateway': libs(
    'access',
    'access-log',
    'activity',
    'event-store',
    'fhir',
    'keyring',
    'read-models',
    'service-kit',
    'subscriptions',
  ),
  'app:carelog': [
    ...libs(
      'access',
      'access-log',
      'activity',
      'distribution',
      'engines',
      'event-store',
      'fhir',
      'keyring',
      'postgres',
      'projection',
      'read-models',
      'service-kit',
      'subscriptions',
      'synthetic',
    ),
    ...['app:activity-writer', 'app:projector', 'app:query-gateway', 'app:relay'],
  ],
  workspace: ['*'],
};

const mayUseNest = (tag) => !tag.startsWith('lib:') || tag === 'lib:service-kit';

function boundaries({ tags = [], paths = [] } = {}) {
  const depConstraints = Object.entries(arrows).map(([tag, targets]) => ({
    sourceTag: tag,
    onlyDependOnLibsWithTags: [tag, ...targets, ...tags],
    ...(mayUseNest(tag) ? {} : { bannedExternalImports: ['@nestjs/*'] }),
  }));
  return ['error', { enforceBuildableLibDependency: false, allow: paths, depConstraints }];
}

function libs(...names) {
  return names.map((name) => `lib:${name}`);
}

export default tseslint.config(
  { ignores: ['**/node_modules/', '.cache/', '.nx/', 'data/', '**/*.cjs'] },
  {
    files: ['**/*.ts', '**/*.mjs'],
    plugins: { '@nx': nx },
    languageOptions: { parser: tseslint.parser },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: { '@nx/enforce-module-boundaries': boundaries(), 'no-console': 'off', eqeqeq: 'error' },
  },
  {
    files: ['**/*.spec.ts'],
    rules: { '@nx/enforce-module-boundaries': boundaries({ tags: ['lib:testkit', 'lib:engines'] }) },
  },
  {
    // What tests the whole may look inside it.
    files: ['test/**/*.ts'],
    rules: {
      '@nx/enforce-module-boundaries': boundaries({
        paths: ['../../apps/**', '../../libs/**', '../../../libs/**'],
      }),
    },
  },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommended],
    languageOptions: { parserOptions: { project: './tsconfig.json', tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/no-unnecessary-type-assertion': 'error',
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', ignoreRestSiblings: true },
      ],
      '@typescript-eslint/only-throw-error': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
    },
  },
);
