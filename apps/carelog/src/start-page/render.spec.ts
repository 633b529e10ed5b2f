import { describe, expect, it } from 'vitest';
import { renderStartPage } from './render.ts';
import type { StartPageFacts } from './render.ts';
import { withoutRemoteFonts } from './routes.ts';

const facts: StartPageFacts = {
  version: '1.2.3',
  startedAt: new Date('2026-11-21T11:16:00Z'),
  demo: false,
  people: 1234,
  events: 56789,
  head: 56789,
  projections: [{ name: 'record', position: 56789, lag: 0, parked: 0 }],
  personas: [{ name: 'gp', title: 'General practitioner' }],
  url: 'http://127.0.0.1:8080',
};

/** What a reader sees: text without tags, one space between words. */
const textOf = (page: string): string => page.replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ');

describe('the start page', () => {
  it('says what runs, what it holds and how to get in', () => {
    const text = textOf(renderStartPage(facts));
    for (const said of [
      'People 1,234',
      'Events 56,789',
      'Head of the log Position 56,789',
      'Running since 21 November 2026 at 11:16',
      'Version 1.2.3',
      'npx carelog token gp',
      'curl -u gp:SECRET -d grant_type=client_credentials http://127.0.0.1:8080/openid/token',
      'FHIR base: http://127.0.0.1:8080/fhir/R4',
      'gp General practitioner',
    ]) {
      expect(text).toContain(said);
    }
  });

  it.each([
    ['Up to date', { lag: 0, parked: 0 }],
    ['Catching up', { lag: 12, parked: 0 }],
    ['Incomplete for 1 person', { lag: 0, parked: 1 }],
    ['Incomplete for 1,200 people', { lag: 12, parked: 1200 }],
  ])('calls a view "%s"', (state, progress) => {
    const page = renderStartPage({ ...facts, projections: [{ name: 'record', position: 5, ...progress }] });
    expect(textOf(page)).toContain(state);
  });

  it('says where the people come from only where a population is loaded', () => {
    expect(renderStartPage({ ...facts, demo: true })).toContain('made up');
    expect(renderStartPage(facts)).not.toContain('made up');
  });

  it('lets nothing through as markup', () => {
    const evil = '<script>alert(1)</script>"';
    const page = renderStartPage({
      ...facts,
      version: evil,
      url: evil,
      personas: [{ name: evil, title: evil }],
      projections: [{ name: evil, position: 1, lag: 0, parked: 0 }],
    });
    expect(page).not.toContain('<script');
    expect(page.match(/&lt;script&gt;/g)?.length).toBeGreaterThanOrEqual(6);
  });

  it('needs no script, no inline style and nothing from elsewhere', () => {
    const page = renderStartPage(facts);
    expect(page).not.toMatch(/<script|<style|\sstyle=|\son\w+=/);
    const loaded = [...page.matchAll(/<(?:link|img)[^>]*(?:href|src)="([^"]*)"/g)].map(
      ([, address]) => address,
    );
    expect(loaded.length).toBeGreaterThan(1);
    for (const address of loaded) expect(address).toMatch(/^\/assets\//);
  });
});

it('takes the typefaces out of the style sheet, and leaves the rest', () => {
  const css = 'a{color:red}@font-face{font-family:F;src:url(https://assets.nhs.uk/f.woff2)}b{color:blue}';
  expect(withoutRemoteFonts(css)).toBe('a{color:red}b{color:blue}');
});
