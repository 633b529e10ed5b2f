/** For specs: an authority that nobody knows, and certificates that it signs (X.509, RFC 5280; encoded by ITU-T X.690). */
import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';

export interface MadeCertificate {
  /** PEM. */
  readonly cert: string;
  readonly key: string;
}
export interface MadeAuthority extends MadeCertificate {
  /** For one DNS name. */
  certificateFor(name: string): MadeCertificate;
}

export function makeAuthority(): MadeAuthority {
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const isAuthority = extension('551d13', true, sequence(der(0x01, Buffer.from([0xff]))));
  const own = certificate('Authority of a spec', keys.publicKey, isAuthority, keys.privateKey);
  return {
    ...pemOf(own, keys.privateKey),
    certificateFor(name) {
      const its = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const names = extension('551d11', false, sequence(der(0x82, Buffer.from(name))));
      return pemOf(certificate(name, its.publicKey, names, keys.privateKey), its.privateKey);
    },
  };
}

function certificate(subject: string, key: KeyObject, withExtension: Buffer, signer: KeyObject): Buffer {
  const algorithm = sequence(der(0x06, Buffer.from('2a8648ce3d040302', 'hex')));
  serial += 1;
  const toSign = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.from([serial])),
    algorithm,
    nameOf('Authority of a spec'),
    sequence(der(0x17, Buffer.from('200101000000Z')), der(0x17, Buffer.from('491231235959Z'))),
    nameOf(subject),
    key.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(withExtension)),
  );
  return sequence(toSign, algorithm, der(0x03, Buffer.from([0]), sign('sha256', toSign, signer)));
}
let serial = 0;

const nameOf = (text: string): Buffer =>
  sequence(der(0x31, sequence(der(0x06, Buffer.from('550403', 'hex')), der(0x0c, Buffer.from(text)))));

const extension = (oid: string, isCritical: boolean, content: Buffer): Buffer =>
  sequence(
    der(0x06, Buffer.from(oid, 'hex')),
    ...(isCritical ? [der(0x01, Buffer.from([0xff]))] : []),
    der(0x04, content),
  );

const sequence = (...parts: Buffer[]): Buffer => der(0x30, ...parts);

function der(tag: number, ...parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const length = content.length < 128 ? [content.length] : [0x82, content.length >> 8, content.length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), content]);
}

const pemOf = (certificate: Buffer, key: KeyObject): MadeCertificate => ({
  cert: `-----BEGIN CERTIFICATE-----\n${certificate.toString('base64').replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`,
  key: String(key.export({ type: 'pkcs8', format: 'pem' })),
});
