/**
 * What is wrong with a text as the value of an HTTP header (RFC 9110 section 5.5), to be read after the field's name;
 * undefined where nothing is. A line end in one would let its author write headers of his own.
 */
export function headerValueProblem(value: string): string | undefined {
  if (/[\0-\x08\x0a-\x1f\x7f]/.test(value)) return 'contains line ends or control characters';
  if (/[^\0-\xff]/.test(value)) return 'contains characters beyond Latin-1';
  return value === value.trim() ? undefined : 'begins or ends with a blank';
}

/** Whether a text is a token (RFC 9110 section 5.6.2), as names of headers and schemes of authentication are. */
export function isHttpToken(text: string): boolean {
  return /^[\w!#$%&'*+.^`|~-]+$/.test(text);
}
