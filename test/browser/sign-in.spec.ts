// The sign-in in a real browser: from an app to its page and back, with its rules for forms and frames, and without a mouse.
import { existsSync, readFileSync } from 'node:fs';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startStack, type Stack } from '../support/start-stack.ts';

const installed = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
  existsSync,
);
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

describe.skipIf(installed === undefined)('the sign-in (needs Chromium; apt-get install chromium)', () => {
  let stack: Stack | undefined;
  let app: Server;
  let browser: Browser;
  let page: Page;
  let redirectUri: string;
  const complaints: string[] = [];

  beforeAll(async () => {
    stack = await startStack();
    app = createServer((_request, response) => response.end('back at the app')).listen(0, '127.0.0.1');
    await once(app, 'listening');
    redirectUri = `http://127.0.0.1:${(app.address() as AddressInfo).port}/callback`;
    await stack.fhir('POST', '/Patient', {
      body: {
        resourceType: 'Patient',
        name: [{ family: 'Browsworth', given: ['Ada'] }],
        birthDate: '1980-02-03',
        generalPractitioner: [
          { identifier: { system: 'https://fhir.nhs.uk/Id/ods-organization-code', value: 'Y90001' } },
        ],
      },
    });
    browser = await chromium.launch({ executablePath: installed ?? '', args: ['--no-sandbox'] });
    page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    await page.goto(authorizationAddress(stack.url));
  });

  afterAll(async () => {
    await browser?.close();
    app?.close();
    await stack?.remove();
  });

  function authorizationAddress(url: string): string {
    const query = new URLSearchParams({
      client_id: 'demo-app',
      response_type: 'code',
      redirect_uri: redirectUri,
      scope: 'launch/patient patient/Patient.r patient/Observation.rs?category=vital-signs offline_access',
      aud: `${url}/fhir/R4`,
      state: 'a-state-of-the-app',
      // Of the verifier in RFC 7636, appendix B.
      code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
      code_challenge_method: 'S256',
    });
    return `${url}/openid/auth?${query}`;
  }

  async function violations(): Promise<string[]> {
    await page.evaluate(axe);
    return page.evaluate<string[]>(
      'axe.run().then(({ violations }) => violations.map(({ id, nodes }) => `${id}: ${nodes.map((n) => n.target).join(", ")}`))',
    );
  }

  async function heading(): Promise<string> {
    return page.locator('h1').innerText();
  }

  test('leads from the app to its page and back, step by step', async () => {
    expect([await heading(), await violations()]).toEqual(['Sign in', []]);
    await page.getByRole('button', { name: 'Continue' }).click();
    expect(await page.title()).toMatch(/^Error: /);
    expect(await violations()).toEqual([]);
    await page.getByRole('link', { name: 'Choose who you are' }).click();
    await page.getByLabel('Doctor with two roles').check();
    await page.getByRole('button', { name: 'Continue' }).click();
    expect([await heading(), await violations()]).toEqual(['Choose your role', []]);
    await page.getByLabel('Locum general practitioner').check();
    await page.getByRole('button', { name: 'Continue' }).click();
    expect([await heading(), await violations()]).toEqual(['Choose a patient', []]);
    await page.getByLabel('Name').fill('brows');
    await page.getByRole('button', { name: 'Find' }).click();
    await page.getByLabel('Ada Browsworth').check();
    await page.getByRole('button', { name: 'Continue' }).click();
    expect([await heading(), await violations()]).toEqual(['Allow access?', []]);
    const text = await page.locator('main').innerText();
    expect(text).toContain('Ada Browsworth, born 3 February 1980');
    expect(text).toContain('read and search Observation resources in the record of this patient, only where category is vital-signs'); // prettier-ignore
    await page.getByRole('button', { name: 'Allow', exact: true }).click();
    await page.waitForURL(`${redirectUri}?**`);
    expect(await page.locator('body').innerText()).toBe('back at the app');
    const answer = new URL(page.url()).searchParams;
    expect(answer.get('state')).toBe('a-state-of-the-app');
    expect(answer.get('code')).toMatch(/^[\w-]{20,}$/);
    expect(answer.get('iss')).toBe(`${stack?.url}/openid`);
    // A form whose redirect the browser held back would have said so here.
    expect(complaints).toEqual([]);
  });

  test('fits a telephone, and is drawn', async () => {
    await page.context().clearCookies();
    await page.setViewportSize({ width: 360, height: 740 });
    await page.goto(authorizationAddress(stack?.url ?? ''));
    expect(await violations()).toEqual([]);
    expect(await page.evaluate<boolean>('document.documentElement.scrollWidth > window.innerWidth')).toBe(
      false,
    );
    const banner = await page.evaluate<string>(
      'getComputedStyle(document.querySelector("header")).backgroundColor',
    );
    expect(banner).toBe('rgb(0, 94, 184)'); // NHS blue
  });

  test('is shown in no frame', async () => {
    const frame = await browser.newPage();
    await frame.goto(redirectUri);
    await frame.setContent(`<iframe src="${authorizationAddress(stack?.url ?? '')}"></iframe>`);
    await expect.poll(() => frame.frames()[1]?.url(), { timeout: 20_000 }).toMatch(/^chrome-error:/);
    await frame.close();
  });
});
