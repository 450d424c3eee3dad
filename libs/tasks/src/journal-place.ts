import { type CallPlace } from '#store';

/** `3` in the handler itself, `3.left.2` in a branch: the path of the branch, and the position in it. */
export function placeText({ branch, position }: CallPlace): string {
  return branch === '' ? String(position) : `${branch}.${position}`;
}

/** The place that a text of {@link placeText} names; undefined for any other text. */
export function placeOf(text: string): CallPlace | undefined {
  const match = /^(?:((?:\d{1,9})(?:\.[A-Za-z0-9_-]{1,128}){0,64})\.)?(\d{1,9})$/.exec(text);
  return match ? { branch: match[1] ?? '', position: Number(match[2]) } : undefined;
}

/** Orders places as the handler comes to them; branches side by side by their names. */
export function comparePlaces(a: CallPlace, b: CallPlace): number {
  const [left, right] = [pathOf(a), pathOf(b)];
  for (const [i, step] of left.entries()) {
    const other = right[i];
    if (other === undefined) return 1;
    if (step !== other) return compareSteps(step, other);
  }
  return left.length - right.length;
}

/**
 * Whether what stands at `place` comes from the call at `first` or after it, so that it is not sure to be the same once that
 * call is made anew. What runs beside it, in other branches, is not touched by it.
 */
export function isFrom(place: CallPlace, first: CallPlace): boolean {
  const [path, target] = [pathOf(place), pathOf(first)];
  for (const [i, step] of target.entries()) {
    const own = path[i];
    // The call that holds the branches `first` is in.
    if (own === undefined) return false;
    if (own !== step) return isPosition(i) && Number(own) > Number(step);
  }
  return true;
}

/** Positions and names of branches by turns: `['3', 'left', '2']`. */
function pathOf(place: CallPlace): string[] {
  return placeText(place).split('.');
}

function isPosition(index: number): boolean {
  return index % 2 === 0;
}

function compareSteps(a: string, b: string): number {
  const [left, right] = [Number(a), Number(b)];
  if (!Number.isNaN(left) && !Number.isNaN(right)) return left - right;
  return a < b ? -1 : 1;
}
