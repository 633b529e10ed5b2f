// The start page in a real browser: what it says, that it can be used without sight or a mouse, and that it calls nobody else.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const root = path.resolve(import.meta.dirname, '../..');
const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
  existsSync,
);
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

describe.skipIf(executablePath === undefined)(
  'the start page (needs Chromium; apt-get install chromium)',
  () => {
    const dataFolder = mkdtempSync(path.join(tmpdir(), 'carelog-browser-'));
    let server: ChildProcess;
    let url: string;
    let browser: Browser;
    let page: Page;
    const requested: string[] = [];
    const complaints: string[] = [];

    beforeAll(async () => {
      [server, url] = await startCarelog(dataFolder);
      browser = await chromium.launch({ executablePath: executablePath!, args: ['--no-sandbox'] });
      page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
      page.on('request', (request) => requested.push(request.url()));
      page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
      page.on('pageerror', (error) => complaints.push(error.message));
      await page.goto(url, { waitUntil: 'networkidle' });
    });

    afterAll(async () => {
      await browser?.close();
      server?.kill('SIGTERM');
      if (server?.exitCode === null) await once(server, 'exit');
      rmSync(dataFolder, { recursive: true, force: true });
    });

    test('says what it is, what it holds and how to get in', async () => {
      expect(await page.title()).toContain('Carelog');
      expect(await page.locator('h1').count()).toBe(1);
      const text = await page.locator('main').innerText();
      for (const persona of ['publisher', 'gp', 'ed-doctor', 'patient', 'auditor', 'operator']) {
        expect(text).toContain(persona);
      }
      expect(text).toContain('npx carelog token');
      expect(text).toContain(`${url}/fhir/R4`);
      expect(await page.getByRole('row', { name: /record/ }).innerText()).toContain('Up to date');
    });

    test('links lead somewhere', async () => {
      const links = await page
        .locator('a[href]')
        .evaluateAll((all) => all.map((a) => (a as { href?: string }).href!));
      const addresses = [...new Set(links)].filter((link) => link.startsWith(url));
      expect(addresses.length).toBeGreaterThan(3);
      for (const address of addresses)
        expect([address, (await fetch(address)).status]).toEqual([address, 200]);
    });

    test('fetches nothing from elsewhere, and nothing that fails', () => {
      expect(requested.filter((address) => !address.startsWith(url) && !address.startsWith('data:'))).toEqual(
        [],
      );
      expect(complaints).toEqual([]);
    });

    test.each([
      ['a desk', { width: 1280, height: 900 }],
      ['a telephone', { width: 360, height: 740 }],
    ])('has no accessibility problem that axe finds, on %s', async (_, viewport) => {
      await page.setViewportSize(viewport);
      await page.evaluate(axe);
      const violations = await page.evaluate<string[]>(
        'axe.run().then(({ violations }) => violations.map(({ id, nodes }) => `${id}: ${nodes.map((n) => n.target).join(", ")}`))',
      );
      expect(violations).toEqual([]);
      const sideways = await page.evaluate<boolean>(
        'document.documentElement.scrollWidth > window.innerWidth',
      );
      expect(sideways).toBe(false);
    });

    test('is drawn: a page with its style sheet, not a blank one', async () => {
      await page.setViewportSize({ width: 1280, height: 900 });
      const banner = await page.evaluate<string>(
        'getComputedStyle(document.querySelector("header")).backgroundColor',
      );
      expect(banner).toBe('rgb(0, 94, 184)'); // NHS blue
      expect((await page.screenshot()).length).toBeGreaterThan(20_000);
    });

    test('the first Tab leads to the content', async () => {
      await page.keyboard.press('Tab');
      await page.keyboard.press('Enter');
      expect(new URL(page.url()).hash).toBe('#maincontent');
    });
  },
);

async function startCarelog(dataFolder: string): Promise<[ChildProcess, string]> {
  const env = {
    ...process.env,
    PORT: '0',
    CARELOG_DATA: dataFolder,
    CARELOG_DEMO: 'off',
    CARELOG_LOG: 'error',
  };
  const main = path.join(root, 'apps/carelog/src/main.ts');
  const server = spawn(process.execPath, [main], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const ready = new Promise<string>((resolve, reject) => {
    let said = '';
    server.stdout.on('data', (chunk) => {
      said += String(chunk);
      const url = /Carelog ready at (\S+)/.exec(said)?.[1];
      if (url !== undefined) resolve(url);
    });
    server.on('exit', () => reject(new Error(`The server ended before it was ready: ${said}`)));
  });
  return [server, await ready];
}
