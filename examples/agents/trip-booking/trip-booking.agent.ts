import { defineAgent, Fail, Reject, type AgentTask, type Content, type MessageJson } from 'perdure';
import { isApproval, isRefusal, readChoice, readTrip } from './answers.js';
import { type Offer, TravelDesk } from './travel-desk.js';

const NOTHING_BOOKED = 'All right, nothing is booked.';
const MOST_QUESTIONS = 5;
const desk = new TravelDesk();

export default defineAgent({
  card: {
    name: 'Trip booking',
    description: 'Finds a trip, lets you choose, asks for your approval of the price, and books.',
    defaultInputModes: ['text/plain', 'application/json'],
    defaultOutputModes: ['text/plain', 'application/json'],
    skills: [
      {
        id: 'book-trip',
        name: 'Book a trip',
        description:
          'Say where to and when, choose one of the offers, approve the payment. "cancel" ends it at any time.',
        tags: ['travel', 'booking'],
        examples: ['I need a trip', 'Lisbon, 2027-05-01 to 2027-05-05'],
      },
    ],
  },
  retry: { attempts: 5, initialDelay: '500ms', maxDelay: '30s' },

  async run(task) {
    const trip =
      readTrip(task.message) ??
      (await ask(task, 'Where to, and when? Such as: Lisbon, 2027-05-01 to 2027-05-05', readTrip));
    if (!trip) return NOTHING_BOOKED;

    await task.status(`Looking for trips to ${trip.destination}`);
    const offers = await task.step('find offers', () => desk.findOffers(trip));
    const offer = await ask(task, [offerList(offers), { data: { offers } }], (message) => readChoice(message, offers));
    if (!offer) return NOTHING_BOOKED;

    // The task's id is the key of the hold: a step that runs twice still holds and books one trip only.
    await task.step('hold', ({ signal }) => desk.hold(task.id, offer, signal));
    if (!(await approved(task, offer))) {
      await task.step('release', () => desk.release(task.id));
      return NOTHING_BOOKED;
    }

    const reference = await task.step('book', () => desk.book(task.id));
    if (!reference) throw new Fail('The trip was no longer held for you. Nothing is booked, and nothing is paid.');
    const itinerary = { reference, ...trip, ...offer };
    await task.artifact({ name: 'itinerary.json', description: 'The booked trip' }).write({ data: itinerary });
    return `Booked: ${offer.name}, ${trip.from} to ${trip.to}. Your reference is ${reference}.`;
  },

  async onCancel(task) {
    await desk.release(task.id);
    task.log.info('released what was held');
  },
});

/** Asks until an answer can be read; undefined when the client calls it off. */
async function ask<T>(
  task: AgentTask,
  question: Content,
  read: (answer: MessageJson) => T | undefined,
): Promise<T | undefined> {
  for (let asked = 0; asked < MOST_QUESTIONS; asked++) {
    const answer = await task.requestInput(question);
    if (isRefusal(answer)) return undefined;
    const value = read(answer);
    if (value !== undefined) return value;
  }
  throw new Reject('Your answers could not be understood.');
}

/** Whether the client lets the price be charged: anything but a clear yes or no is asked again. */
async function approved(task: AgentTask, { name, price, currency }: Offer): Promise<boolean> {
  for (let asked = 0; asked < MOST_QUESTIONS; asked++) {
    const answer = await task.requestAuth(`${name} costs ${price} ${currency}. Answer "approve" to pay, or "cancel".`);
    if (isApproval(answer)) return true;
    if (isRefusal(answer)) return false;
  }
  return false;
}

function offerList(offers: readonly Offer[]): string {
  const lines = offers.map(({ name, price, currency }, index) => `${index + 1}. ${name}: ${price} ${currency}`);
  return ['Which one? Answer with its number, or "cancel".', ...lines].join('\n');
}
