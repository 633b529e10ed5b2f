import { describe, expect, it } from 'vitest';
import { isPublicAddress } from './public-addresses.ts';

describe('an address that notifications are not sent to', () => {
  it.each([
    ['loopback', ['127.0.0.1', '127.255.255.254', '::1']],
    ['private', ['10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1']],
    ['of a link', ['169.254.0.1', 'fe80::1', 'fe80::1%eth0', '2a00:1450::1%eth0']],
    ['metadata of a cloud', ['169.254.169.254', 'fd00:ec2::254', '::ffff:169.254.169.254', '100.100.100.200', '192.0.0.192']], // prettier-ignore
    ['of carriers’ networks', ['100.64.0.1', '100.127.255.255']],
    ['unspecified', ['0.0.0.0', '0.1.2.3', '::']],
    ['for groups, or everybody', ['224.0.0.1', '239.1.1.1', '255.255.255.255', '240.0.0.1', 'ff02::1']],
    ['IPv4 within IPv6', ['::ffff:127.0.0.1', '::ffff:7f00:1', '::ffff:8.8.8.8', '::127.0.0.1', '::8.8.8.8']],
    ['of 6to4', ['2002:7f00:1::', '2002:808:808::1']],
    ['of NAT64', ['64:ff9b::7f00:1', '64:ff9b:1::a00:1', '64:ff9b::8.8.8.8']],
    ['of Teredo and protocols', ['2001::1', '2001:20::1']],
    ['unique local, or of sites', ['fc00::1', 'fd12:3456::1', 'fec0::1']],
    ['for documentation and benchmarks', ['192.0.2.1', '198.51.100.1', '203.0.113.1', '198.18.0.1', '198.19.255.255', '2001:db8::1', '3fff::1']], // prettier-ignore
    ['discarded', ['100::1']],
    ['none at all', ['', 'localhost', '127.1', '0x7f000001', '1.2.3.4.5', '8.8.8.8:53', '[2a00:1450::1]']],
  ])('%s', (_, addresses) => {
    expect(addresses.filter(isPublicAddress)).toEqual([]);
  });

  it('has public neighbours that are', () => {
    const public_ = ['8.8.8.8', '9.255.255.255', '11.0.0.1', '100.63.255.255', '100.128.0.1', '126.255.255.255', '128.0.0.1', '172.15.255.255', '172.32.0.1', '192.167.1.1', '198.17.1.1', '198.20.0.1', '223.255.255.255', '2001:200::1', '2003::1', '2a00:1450:4009::200e', '2606:4700::1111']; // prettier-ignore
    expect(public_.filter((address) => !isPublicAddress(address))).toEqual([]);
  });
});
