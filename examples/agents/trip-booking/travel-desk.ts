import { createHash } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Where to and when; days in ISO notation. A type and not an interface, so that it counts as JSON data. */
export type Trip = { destination: string; from: string; to: string; nights: number };

/** One way to make a trip, and its price for the whole stay. */
export type Offer = { name: string; price: number; currency: string };

const HOTELS = [
  { name: 'Harbour Rooms', perNight: 70 },
  { name: 'Old Town House', perNight: 110 },
  { name: 'Grand View', perNight: 190 },
];

/**
 * Stands for the booking system of somebody else. What is held and booked lies in files, by key, so it outlives this
 * process just as another company's system does.
 */
export class TravelDesk {
  constructor(private readonly dir = join(tmpdir(), 'perdure-travel-desk')) {}

  /** Three offers; prices depend on the destination. */
  async findOffers({ destination, nights }: Trip): Promise<Offer[]> {
    const flight = 80 + (createHash('sha256').update(destination.toLowerCase()).digest()[0] ?? 0);
    return HOTELS.map(({ name, perNight }) => ({
      name: `${name}, ${destination}, ${nights} nights with flight`,
      price: flight + perNight * nights,
      currency: 'EUR',
    }));
  }

  /** Holds the offer under the key until it is booked or released; again under the same key changes nothing. */
  async hold(key: string, offer: Offer, signal: AbortSignal): Promise<void> {
    await mkdir(this.dir, { recursive: true });
    await writeFile(this.file(key, 'held'), JSON.stringify(offer), { flag: 'wx', signal }).catch(ignore('EEXIST'));
  }

  /** Books what is held under the key and returns the reference, the same each time; undefined when nothing is held. */
  async book(key: string): Promise<string | undefined> {
    const held = await readFile(this.file(key, 'held'), 'utf8').catch(ignore('ENOENT'));
    if (held === undefined) return undefined;
    await writeFile(this.file(key, 'booked'), held);
    return createHash('sha256').update(key).digest('hex').slice(0, 8).toUpperCase();
  }

  /** Lets go of what is held under the key, if anything. */
  async release(key: string): Promise<void> {
    await rm(this.file(key, 'held'), { force: true });
  }

  private file(key: string, state: 'held' | 'booked'): string {
    return join(this.dir, `${encodeURIComponent(key)}.${state}.json`);
  }
}

function ignore(code: string): (error: NodeJS.ErrnoException) => undefined {
  return (error) => {
    if (error.code !== code) throw error;
  };
}
