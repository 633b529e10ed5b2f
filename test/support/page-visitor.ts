/** A browser without a screen: keeps cookies, follows redirects, and fills in the forms it is shown. */

export interface Visit {
  readonly status: number;
  readonly headers: Headers;
  readonly html: string;
  readonly url: string;
  /** Where a redirect led outside of the server; the page is empty then. */
  readonly left?: URL;
}

export interface PageVisitor {
  open(url: string): Promise<Visit>;
  /** Sends the form of the page that holds a field or button `step` of this value, with what is typed into it. */
  submit(page: Visit, step: string, answers?: Readonly<Record<string, string>>): Promise<Visit>;
}

/** Stays on the server at `origin`. */
export function visitPages(origin: string): PageVisitor {
  const cookies: { name: string; value: string; path: string }[] = [];

  async function follow(url: string, init: RequestInit = {}): Promise<Visit> {
    let address = new URL(url);
    let request = init;
    for (let hops = 0; hops < 10; hops++) {
      const sent = cookies
        .filter(({ path }) => address.pathname.startsWith(path))
        .map(({ name, value }) => `${name}=${value}`);
      const headers = { ...request.headers, cookie: sent.join('; '), accept: 'text/html' };
      const response = await fetch(address, { ...request, headers, redirect: 'manual' });
      response.headers.getSetCookie().forEach(remember);
      const location = response.headers.get('location');
      if (location === null) {
        const { status } = response;
        return { status, headers: response.headers, html: await response.text(), url: address.href };
      }
      address = new URL(location, address);
      request = {};
      if (address.origin !== origin)
        return {
          status: response.status,
          headers: response.headers,
          html: '',
          url: address.href,
          left: address,
        };
    }
    throw new Error(`${url} redirects without end`);
  }

  function remember(line: string): void {
    const [pair = '', ...attributes] = line.split(/; */);
    const [name = '', value = ''] = pair.split('=');
    const path = attributes.find((one) => /^path=/i.test(one))?.slice(5) ?? '/';
    const known = cookies.findIndex((cookie) => cookie.name === name && cookie.path === path);
    if (known >= 0) cookies.splice(known, 1);
    if (!/expires=Thu, 01 Jan 1970/i.test(line)) cookies.push({ name, value, path });
  }

  return {
    open: (url) => follow(url),
    async submit(page, step, answers = {}) {
      const form = [...page.html.matchAll(/<form[\s\S]*?<\/form>/g)]
        .map(([text]) => text)
        .find((text) => elements(text).some(({ name, value }) => name === 'step' && value === step));
      if (form === undefined) throw new Error(`no form for "${step}" on: ${page.html}`);
      const action = /action="([^"]+)"/.exec(form)?.[1] ?? page.url;
      const hidden = elements(form).filter(({ type }) => type === 'hidden');
      const body = new URLSearchParams({
        ...Object.fromEntries(hidden.map(({ name, value }) => [name, value])),
        step,
        ...answers,
      });
      return follow(new URL(action, page.url).href, { method: 'POST', body });
    },
  };
}

/** Attributes of the inputs and buttons of a form. */
function elements(form: string): Record<string, string>[] {
  return [...form.matchAll(/<(?:input|button)\b([^>]*)>/g)].map(([, attributes = '']) =>
    Object.fromEntries(
      [...attributes.matchAll(/([\w-]+)="([^"]*)"/g)].map(([, name, value]) => [name, value]),
    ),
  );
}
