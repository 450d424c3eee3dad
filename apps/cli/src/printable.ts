import { stripVTControlCharacters } from 'node:util';

// What agents say is not ours: their text must not move the cursor, change the title, or hide what stands there.
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;
const CONTROLS_IN_JSON = /[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;
/** Characters that turn the reading direction: text shown with them is not what it seems. */
const DIRECTIONS = /[\u202a-\u202e\u2066-\u2069]/g;

/** The text without terminal control sequences and control characters; line breaks and tabs stay. */
export function printable(text: string): string {
  return stripVTControlCharacters(text).replace(CONTROLS, '').replace(DIRECTIONS, '');
}

/** JSON text in which every character that a terminal acts on is written as `\uXXXX`; it parses to the same value. */
export function printableJson(value: unknown, indent?: number): string {
  const escape = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return JSON.stringify(value, undefined, indent).replace(CONTROLS_IN_JSON, escape);
}
