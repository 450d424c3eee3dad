import { describe, expect, it } from 'vitest';
import { traceparent } from './service-parameters.js';

describe(traceparent, () => {
  const given = (value: string | undefined) => traceparent((name) => (name === 'traceparent' ? value : undefined));
  const valid = `00-${'0a'.repeat(16)}-${'b1'.repeat(8)}-01`;

  it('is the span that the caller names', () => {
    expect(given(valid)).toBe(valid);
    expect(given(` ${valid}`)).toBe(valid);
  });

  it.each([undefined, '', 'x', valid.toUpperCase(), `${valid}-more`, valid.slice(1), `01${valid.slice(2)}`])(
    'passes over what is none: %s',
    (value) => expect(given(value)).toBeUndefined(),
  );
});
