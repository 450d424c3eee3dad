import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { shellWord } from './shell-word.js';

describe('shellWord', () => {
  it.each(['plain', "You're", '$(touch x) `y` "z"', '', '{"a":[1,2]}', "'''", 'a\\b', '~', '#c', 'ä'])(
    'reaches a command unchanged: %s',
    (text) => {
      expect(execFileSync('sh', ['-c', `printf %s ${shellWord(text)}`], { encoding: 'utf8' })).toBe(text);
    },
  );

  it('leaves URLs and ids without quotes', () => {
    expect(shellWord('http://localhost:8080/agents/a-b')).toBe('http://localhost:8080/agents/a-b');
  });
});
