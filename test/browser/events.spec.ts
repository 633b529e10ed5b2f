// A dashboard in a real browser: it opens a session with its token, listens by EventSource, and misses nothing while it was offline.
import { existsSync } from 'node:fs';
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startStack, type Stack } from '../support/start-stack.ts';

const installed = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
  existsSync,
);

/** What a site would serve behind the same front as the server. */
const DASHBOARD = `<!doctype html><title>Dashboard</title><ul></ul><script>
  async function listen(token, query) {
    const answer = await fetch('/events/session', { method: 'POST', headers: { authorization: 'Bearer ' + token } });
    const events = new EventSource('/events' + query);
    events.onmessage = ({ data }) => {
      const item = document.createElement('li');
      item.textContent = JSON.parse(data).resource;
      document.querySelector('ul').append(item);
    };
    await new Promise((resolve) => (events.onopen = resolve));
    return { status: answer.status, cookies: document.cookie };
  }
</script>`;

describe.skipIf(installed === undefined)('a dashboard (needs Chromium; apt-get install chromium)', () => {
  let stack: Stack;
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;

  beforeAll(async () => {
    stack = await startStack();
    browser = await chromium.launch({ executablePath: installed ?? '', args: ['--no-sandbox'] });
    context = await browser.newContext();
    page = await context.newPage();
    await page.route('**/dashboard', (route) => route.fulfill({ contentType: 'text/html', body: DASHBOARD }));
    await page.goto(`${stack.url}/dashboard`);
    await put({ resourceType: 'Patient', id: 'watched' });
  });
  afterAll(async () => {
    await browser?.close();
    await stack?.remove();
  });

  async function put(resource: { readonly resourceType: string; readonly id: string }): Promise<void> {
    const { status } = await stack.fhir('PUT', `/${resource.resourceType}/${resource.id}`, {
      body: resource,
    });
    expect(status).toBe(201);
  }
  const flag = (id: string) => ({ resourceType: 'Flag', id, status: 'active', code: { text: 'x' }, subject: { reference: 'Patient/watched' } }); // prettier-ignore
  const shown = () => page.locator('li').allInnerTexts();

  test('listens by a session that no script can read', async () => {
    const token = await stack.token('publisher');
    const opened = await page.evaluate(`listen(${JSON.stringify(token)}, '?topic=flag')`);
    expect(opened).toEqual({ status: 204, cookies: '' });
    await put(flag('first'));
    await expect.poll(shown, { timeout: 10_000 }).toEqual(['Flag/first']);
  });

  test('is told, when it comes back, of what was recorded while it was offline', async () => {
    await context.setOffline(true);
    for (const id of ['missed-1', 'missed-2', 'missed-3']) await put(flag(id));
    await context.setOffline(false);
    await put(flag('after'));
    const all = ['first', 'missed-1', 'missed-2', 'missed-3', 'after'].map((id) => `Flag/${id}`);
    await expect.poll(shown, { timeout: 30_000 }).toEqual(all);
  });
});
