import { describe, expect, it } from 'vitest';
import { originOf, type HookOrigin } from './hook-origins.ts';

const FILE: readonly HookOrigin[] = [
  { origin: 'https://epr.example.nhs.uk:8443', allowPrivate: true },
  { origin: 'http://10.1.2.3:9000', allowPrivate: true, allowHttp: true },
  { origin: 'https://10.1.2.4', allowHttp: true },
];
const asListed = (all: readonly HookOrigin[]) => new Map(all.map((it) => [it.origin, it]));
const without = undefined;
const listed = asListed(FILE);
const open = asListed([...FILE, { origin: 'https://*' }]);

describe('an endpoint', () => {
  it.each([
    ['public, where nothing is said', 'https://app.example.com/hook?x=1', without],
    ['public by address', 'https://8.8.8.8/hook', without],
    ['public by address in IPv6', 'https://[2606:4700::1111]/', without],
    ['listed, with a port', 'https://epr.example.nhs.uk:8443/hook', listed],
    ['listed, private and without TLS', 'http://10.1.2.3:9000/hook', listed],
    ['any public one beside those that are listed', 'https://app.example.com/hook', open],
    ['on port 443 by name', 'https://app.example.com:443/hook', without],
  ] as const)('that is allowed: %s', (_, endpoint, origins) => {
    expect(originOf(endpoint, origins)).toMatchObject({
      kind: 'allowed',
      url: { href: new URL(endpoint).href },
    });
  });

  it.each([
    ['no address', 'app.example.com/hook', without, 'absolute https address'],
    ['another scheme', 'ftp://app.example.com/', without, 'absolute https address'],
    ['a file', 'file:///etc/passwd', without, 'absolute https address'],
    ['no TLS', 'http://app.example.com/hook', without, 'plain http'],
    ['no TLS, though listed', 'http://epr.example.nhs.uk:8443/', listed, 'not sent to http://epr'],
    ['another port', 'https://app.example.com:8443/', without, 'port 443'],
    ['another port, though any public one may be sent to', 'https://app.example.com:22/', open, 'port 443'],
    ['with a user', 'https://ann@app.example.com/', without, 'user and password'],
    ['with a password', 'https://:secret@app.example.com/', without, 'user and password'],
    ['not listed', 'https://app.example.com/', listed, 'Ask who runs this server'],
    ['a name that ends as a listed one', 'https://epr.example.nhs.uk.evil.example:8443/', listed, 'Ask who runs this server'], // prettier-ignore
    [
      'a listed host as the user',
      'https://epr.example.nhs.uk:8443@evil.example/',
      listed,
      'user and password',
    ],
    ['private by address', 'https://10.0.0.1/', without, 'no address that notifications are sent to'],
    ['listed, private, and not allowed to be', 'https://10.1.2.4/', listed, 'no address'],
    ['loopback in hexadecimal', 'https://0x7f.0.0.1/', without, 'no address'],
    ['loopback in octal', 'https://0177.0.0.1/', without, 'no address'],
    ['loopback as one number', 'https://2130706433/', without, 'no address'],
    ['loopback cut short', 'https://127.1/', without, 'no address'],
    ['loopback in wide digits', 'https://①②⑦.⓪.⓪.①/', without, 'no address'],
    ['loopback in IPv6', 'https://[::1]/', without, 'no address'],
    ['IPv4 within IPv6', 'https://[::ffff:169.254.169.254]/', without, 'no address'],
    ['metadata', 'https://169.254.169.254/latest/meta-data', without, 'no address'],
  ] as const)('that is refused: %s', (_, endpoint, origins, reason) => {
    expect(originOf(endpoint, origins)).toEqual({ kind: 'refused', reason: expect.stringContaining(reason) as string }); // prettier-ignore
  });
});
