/** Serves the start page, what it is drawn with, and the documentation. All open, all from this machine. */
import { readFile } from 'node:fs/promises';
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { pageHeaders } from '@carelog/service-kit';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { nhsukFolder, renderStartPage } from './render.ts';
import type { StartPageFacts } from './render.ts';

export interface StartPageOptions {
  /** Asked at each visit. */
  readonly facts: () => StartPageFacts | Promise<StartPageFacts>;
  /** Folder of Markdown files to serve under `/docs/`. */
  readonly docsFolder: string;
}

/** `GET /`, `/assets/…` and `/docs/…`, each without a token. */
export function startPageRoutes(fastify: FastifyInstance, { facts, docsFolder }: StartPageOptions): void {
  const open = { config: { open: true as const } };
  fastify.get('/', open, async (_request, reply) => {
    const page = renderStartPage(await facts());
    return reply
      .headers(pageHeaders)
      .header('cache-control', 'no-cache')
      .type('text/html; charset=utf-8')
      .send(page);
  });
  for (const [path, asset] of assets) {
    fastify.get(`/assets/${path}`, open, async (_request, reply) => sendFile(reply, asset));
  }
  for (const page of globSync('**/*.md', { cwd: docsFolder })) {
    const file = { file: join(docsFolder, page), type: plainText };
    fastify.get(`/docs/${page}`, open, async (_request, reply) => sendFile(reply, file));
  }
  fastify.get('/docs/', open, (_request, reply) => reply.redirect('/docs/README.md'));
}

interface Asset {
  readonly file: string;
  readonly type: string;
  readonly adapt?: (text: string) => string;
}

// Browsers would offer to save text/markdown.
const plainText = 'text/plain; charset=utf-8';
const styleSheet = 'text/css; charset=utf-8';

/** A fixed list, so that no path can lead out of it. */
const assets = new Map<string, Asset>([
  [
    'nhsuk-frontend.min.css',
    { file: join(nhsukFolder, 'nhsuk/nhsuk-frontend.min.css'), type: styleSheet, adapt: withoutRemoteFonts },
  ],
  ['favicon.svg', { file: join(import.meta.dirname, 'favicon.svg'), type: 'image/svg+xml' }],
  ['start-page.css', { file: join(import.meta.dirname, 'start-page.css'), type: styleSheet }],
]);

/** The NHS typeface is fetched from assets.nhs.uk and licensed to NHS services only; Arial is its stated substitute. */
export function withoutRemoteFonts(css: string): string {
  return css.replaceAll(/@font-face\s*\{[^}]*\}/g, '');
}

async function sendFile(reply: FastifyReply, { file, type, adapt }: Asset): Promise<FastifyReply> {
  const text = await readFile(file, 'utf8');
  return reply
    .headers(pageHeaders)
    .header('cache-control', 'public, max-age=3600')
    .type(type)
    .send(adapt === undefined ? text : adapt(text));
}
