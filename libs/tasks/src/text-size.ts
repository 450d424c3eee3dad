/** Whether a text has more than so many bytes in UTF-8; most texts need not be counted for that. */
export function isLonger(text: string, bytes: number): boolean {
  // A character in UTF-16 becomes one to three bytes.
  if (text.length > bytes) return true;
  return text.length * 3 > bytes && Buffer.byteLength(text) > bytes;
}
