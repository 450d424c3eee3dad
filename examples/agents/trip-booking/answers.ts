import type { MessageJson } from 'perdure';
import type { Offer, Trip } from './travel-desk.js';

const DAY_MS = 86_400_000;
const LONGEST_STAY_DAYS = 60;

/**
 * The trip a message asks for: a text such as `Lisbon, 2027-05-01 to 2027-05-05`, or data `{ destination, from, to }`.
 * Undefined when there is none, the dates do not exist, or the stay is not of 1 to 60 nights.
 */
export function readTrip(message: MessageJson): Trip | undefined {
  const match = /^\s*(\S.{0,98}?)\s*,\s*(\d{4}-\d\d-\d\d)\s*(?:to|until|-|–)\s*(\d{4}-\d\d-\d\d)\s*$/i.exec(
    textOf(message),
  );
  const { destination = match?.[1], from = match?.[2], to = match?.[3] } = dataOf(message);
  if (typeof destination !== 'string' || typeof from !== 'string' || typeof to !== 'string') return undefined;
  const nights = (dayOf(to) - dayOf(from)) / DAY_MS;
  const isTrip = /^\S.{0,99}$/.test(destination) && nights >= 1 && nights <= LONGEST_STAY_DAYS;
  return isTrip ? { destination, from, to, nights } : undefined;
}

/** The offer a message chooses by its number, counted from 1: a text such as `2`, or data `{ offer: 2 }`. */
export function readChoice(message: MessageJson, offers: readonly Offer[]): Offer | undefined {
  const { offer = /^\D{0,20}(\d+)\D{0,20}$/.exec(textOf(message))?.[1] } = dataOf(message);
  return offers[Number(offer) - 1];
}

/** Whether the message says yes: `approve`, `yes`, or data `{ approved: true }`. */
export function isApproval(message: MessageJson): boolean {
  return dataOf(message).approved === true || /^\s*(approved?|yes)[\s.!]*$/i.test(textOf(message));
}

/** Whether the message calls it off: `cancel`, `stop`, `no`, or data `{ approved: false }`. */
export function isRefusal(message: MessageJson): boolean {
  return dataOf(message).approved === false || /^\s*(cancel|stop|no)[\s.!]*$/i.test(textOf(message));
}

function textOf({ parts = [] }: MessageJson): string {
  return parts.map(({ text = '' }) => text).join(' ');
}

function dataOf({ parts = [] }: MessageJson): Record<string, unknown> {
  const data = parts.find((part) => part.data !== undefined)?.data;
  return typeof data === 'object' && data !== null && !Array.isArray(data) ? data : {};
}

/** The start of an ISO day in milliseconds; NaN for a day that is not in the calendar. */
function dayOf(text: string): number {
  const ms = Date.parse(`${text}T00:00:00.000Z`);
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(text) ? ms : NaN;
}
