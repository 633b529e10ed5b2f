// The start page in a real browser: what it says, that it can be used without sight or a mouse, and that it calls nobody else.
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startStack, type Stack } from '../support/start-stack.ts';

const installed = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
  existsSync,
);
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

describe.skipIf(installed === undefined)('the start page (needs Chromium; apt-get install chromium)', () => {
  let stack: Stack | undefined;
  let url: string;
  let browser: Browser;
  let page: Page;
  const requested: string[] = [];
  const complaints: string[] = [];

  beforeAll(async () => {
    stack = await startStack();
    ({ url } = stack);
    browser = await chromium.launch({ executablePath: installed ?? '', args: ['--no-sandbox'] });
    page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    page.on('request', (request) => requested.push(request.url()));
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
    await page.goto(url, { waitUntil: 'networkidle' });
  });

  afterAll(async () => {
    await browser?.close();
    await stack?.remove();
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
    expect(await page.getByRole('row', { name: /^record / }).innerText()).toContain('Up to date');
  });

  test('links lead somewhere', async () => {
    const links = await page
      .locator('a[href]')
      .evaluateAll((all) => all.map((a) => (a as { href?: string }).href!));
    const addresses = [...new Set(links)].filter((link) => link.startsWith(url));
    expect(addresses.length).toBeGreaterThan(3);
    for (const address of addresses) expect([address, (await fetch(address)).status]).toEqual([address, 200]);
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
    const sideways = await page.evaluate<boolean>('document.documentElement.scrollWidth > window.innerWidth');
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
    // The page is told by the browser where it is, a moment after the key.
    await expect.poll(() => new URL(page.url()).hash).toBe('#maincontent');
  });
});
