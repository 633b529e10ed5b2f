// Loads what each service is made of, so that Node keeps the compiled code (NODE_COMPILE_CACHE) and a service starts with it.
import { flushCompileCache } from 'node:module';

const parts = ['cluster/gateway', 'cluster/writer', 'cluster/projector', 'cluster/relay', 'commands/migrate', 'commands/serve', 'front', 'start']; // prettier-ignore
for (const part of parts) await import(`../../apps/carelog/src/${part}.ts`);
await Promise.all(['@nestjs/core', '@nestjs/platform-fastify', '@nestjs/microservices', 'kafkajs', 'pg', 'fastify'].map((name) => import(name))); // prettier-ignore
flushCompileCache();
process.exit(0);
