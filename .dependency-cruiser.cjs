/** Who may import whom: docs/architecture.md. A room imports only what stands in its list. */
const may = {
  protocol: [],
  platform: [],
  store: ['protocol', 'platform'],
  agents: ['protocol', 'platform'],
  access: ['protocol', 'platform', 'store'],
  tasks: ['protocol', 'platform', 'store', 'agents'],
  bindings: ['protocol', 'platform', 'agents', 'access', 'tasks'],
  execution: ['protocol', 'platform', 'store', 'agents', 'tasks'],
  push: ['protocol', 'platform', 'store', 'agents', 'access', 'tasks'],
};
const onlyIn = (name, libs, path) => ({
  name,
  severity: 'error',
  from: { path: '^(apps|libs)/', pathNot: `^libs/(${libs.join('|')})/|\\.spec\\.ts$` },
  to: { path: `node_modules/${path}` },
});

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    ...Object.entries(may).map(([lib, allowed]) => ({
      name: `${lib}-imports-only-${allowed.join('-') || 'nothing-of-ours'}`,
      severity: 'error',
      from: { path: `^libs/${lib}/` },
      to: { path: '^libs/', pathNot: `^libs/(${[lib, ...allowed].join('|')})/` },
    })),
    { name: 'libs-never-import-apps', severity: 'error', from: { path: '^libs/' }, to: { path: '^apps/' } },
    {
      name: 'other-libs-through-their-index',
      severity: 'error',
      from: { path: '^(apps|libs)/([^/]+)/' },
      to: { path: '^libs/([^/]+)/src/(?!index\\.ts$)', pathNot: '^libs/$2/' },
    },
    {
      name: 'no-barrel-inside-a-lib',
      severity: 'error',
      from: { path: '^libs/([^/]+)/src/(?!index\\.ts$)' },
      to: { path: '^libs/$1/src/index\\.ts$' },
    },
    onlyIn('postgres-only-in-store-and-platform', ['store', 'platform'], '(pg|node-pg-migrate)/'),
    onlyIn('bullmq-only-in-platform', ['platform'], 'bullmq/'),
    onlyIn('redis-only-in-platform', ['platform'], 'ioredis/'),
    onlyIn('grpc-only-in-bindings', ['bindings'], '(@grpc/[^/]+|grpc-health-check)/'),
    onlyIn('a2a-client-only-in-execution', ['execution'], '@a2a-js/sdk/'),
    onlyIn('fastify-only-in-bindings', ['bindings'], '(fastify|@nestjs/platform-fastify)/'),
    {
      name: 'protocol-is-framework-free',
      severity: 'error',
      from: { path: '^libs/protocol/' },
      to: { path: 'node_modules/@nestjs/' },
    },
    { name: 'no-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: {
      conditionNames: ['perdure-source', 'import', 'node', 'default', 'types'],
      exportsFields: ['exports'],
    },
  },
};
