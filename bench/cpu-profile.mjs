import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packageRoot } from '#platform';

/** The end of the name of a main thread's profile; those of other threads have their numbers in place of the 0. */
const OF_MAIN_THREAD = /\.0\.\d+\.cpuprofile$/;

/**
 * Self time of the main thread, from the one `.cpuprofile` of it in a folder, between `start` and `end` (microseconds of the monotonic clock): by
 * function, and by file (ours) or package. Both are lists of a name and microseconds, the largest first.
 */
export function readCpuProfile(folder, { start, end }) {
  const [file] = readdirSync(folder).filter((name) => OF_MAIN_THREAD.test(name));
  const { nodes, samples, timeDeltas, startTime } = JSON.parse(readFileSync(join(folder, file), 'utf8'));
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const functions = new Map();
  const places = new Map();
  let at = startTime;
  samples.forEach((id, index) => {
    at += timeDeltas[index];
    if (at < start || at >= end) return;
    const frame = frames.get(id);
    add(functions, functionName(frame), timeDeltas[index + 1] ?? 0);
    add(places, placeOf(frame), timeDeltas[index + 1] ?? 0);
  });
  return { functions: descending(functions), places: descending(places) };
}

function functionName(frame) {
  const place = placeOf(frame);
  const name = frame.functionName || '(anonymous)';
  return frame.url === '' ? name : `${name} ${place}:${frame.lineNumber + 1}`;
}

function placeOf({ url, functionName: name }) {
  if (url === '') return name.startsWith('(') ? name : '(native)';
  if (url.startsWith('node:')) return url;
  const path = url.startsWith('file:') ? fileURLToPath(url) : url;
  const [, inPackages] = path.split(/\/node_modules\/(?!.*\/node_modules\/)/);
  if (inPackages) return /^(@[^/]+\/)?[^/]+/.exec(inPackages)[0];
  return path.replace(`${packageRoot()}/`, '').replace('dist/', '');
}

function add(sums, key, amount) {
  sums.set(key, (sums.get(key) ?? 0) + amount);
}

function descending(sums) {
  return [...sums].sort(([, a], [, b]) => b - a);
}
