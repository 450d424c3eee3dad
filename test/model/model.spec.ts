import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Exploration, explore } from './explorer.js';
import { LAWS, SETTLES } from './laws.js';
import { ACTIONS, Protocol } from './protocol.js';
import { RULES, type Rules } from './rules.js';
import { CALM, SETTINGS } from './settings.js';
import { VARIANTS } from './variants.js';

const ROOT = join(import.meta.dirname, '../..');
const explored = new Map<string, Exploration>();

/** All that the protocol can do in a setting; explored once. */
function whole(name: string): Exploration {
  const known = explored.get(name) ?? explore(new Protocol({ ...CALM, ...SETTINGS[name] }));
  explored.set(name, known);
  return known;
}

/** A definition of the symbol: not a call of it, nor an import. */
function defines(text: string, symbol: string): boolean {
  const keyword = '(?:export |private |async |static |class |function |const )*';
  return new RegExp(`^ *${keyword}\\*?${symbol}(?:<[^>]*>)?(?:\\(| = | \\{| implements | extends )`, 'm').test(text);
}

describe('the protocol', () => {
  it.each(Object.keys(SETTINGS))('keeps every law: %s', { timeout: 60_000 }, (name) => {
    expect(whole(name).counterExample).toBeUndefined();
  });

  it('is explored with every action it has', { timeout: 60_000 }, () => {
    const taken = new Set(Object.keys(SETTINGS).flatMap((name) => [...whole(name).actions]));
    expect([...taken].sort()).toEqual(Object.keys(ACTIONS).sort());
  });

  it('is what its page says', { timeout: 60_000 }, () => {
    const page = readFileSync(join(ROOT, 'docs/model.md'), 'utf8').split('\n');
    const lines = page.map((line) => line.replaceAll(/ +/g, ' '));
    const sizes = Object.keys(SETTINGS).map((name) => {
      const { states, steps, depth } = whole(name);
      return `| ${name} | ${states} | ${steps} | ${depth} |`;
    });
    const laws = [...LAWS.map(({ name }) => name), SETTLES].map((law) => `- ${law}`);
    const variants = VARIANTS.map((each) => `| ${each.name} | \`${each.without}\` | ${each.breaks} | ${each.steps} |`);
    const actions = Object.entries(ACTIONS).map(([name, { code }]) => `| ${name} | \`${code}\` |`);
    const missing = [...sizes, ...laws, ...variants, ...actions].filter((line) => !lines.includes(line));
    expect(missing).toEqual([]);
  });
});

describe('an action', () => {
  it.each(Object.entries(ACTIONS))('names the code it stands for: %s', (_, { code }) => {
    const [file, symbol] = code.split('#') as [string, string];
    expect(existsSync(join(ROOT, file)), file).toBe(true);
    expect(defines(readFileSync(join(ROOT, file), 'utf8'), symbol), code).toBe(true);
  });
});

describe('a variant', () => {
  it.each(VARIANTS)('breaks a law: $name', ({ without, breaks, steps, setting }) => {
    const { counterExample } = explore(new Protocol(setting, { ...RULES, [without]: false }));
    expect(counterExample?.law).toBe(breaks);
    expect(Math.abs(counterExample!.trace.length - steps), counterExample?.trace.join('\n')).toBeLessThanOrEqual(2);
  });

  it.each(VARIANTS)('breaks it for want of its rule alone: $name', { timeout: 60_000 }, ({ setting }) => {
    expect(explore(new Protocol(setting)).counterExample).toBeUndefined();
  });

  it('exists for every rule', () => {
    const given = new Set<keyof Rules>(VARIANTS.map(({ without }) => without));
    expect([...given].sort()).toEqual((Object.keys(RULES) as (keyof Rules)[]).sort());
  });

  it('names laws that there are', () => {
    const laws = new Set([SETTLES, ...LAWS.map(({ name }) => name)]);
    expect(VARIANTS.filter(({ breaks }) => !laws.has(breaks))).toEqual([]);
  });
});
