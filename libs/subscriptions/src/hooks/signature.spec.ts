import { expect, it } from 'vitest';
import { signatureHeaders } from './signature.ts';

it('is what others who follow Standard Webhooks make of the same', () => {
  const signing = {
    secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    messageId: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    timestamp: 1_614_265_330,
  };
  expect(signatureHeaders(signing, Buffer.from('{"test": 2432232314}'))).toEqual({
    'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    'webhook-timestamp': '1614265330',
    'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  });
});
