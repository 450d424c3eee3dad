import { DatabaseUnavailableError } from '#store';

interface Call<Item, Answer> {
  readonly item: Item;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

/** Answers many calls with one statement: those of one turn of the event loop, and those that come while one is under way. */
export class Batch<Item, Answer> {
  private readonly waiting: Call<Item, Answer>[] = [];
  private isBusy = false;

  /** `run` answers in the order of the items. */
  constructor(
    private readonly limit: number,
    private readonly run: (items: readonly Item[]) => Promise<readonly Answer[]>,
  ) {}

  call(item: Item): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ item, resolve, reject });
      if (this.isBusy) return;
      this.isBusy = true;
      setImmediate(() => void this.answerAll());
    });
  }

  private async answerAll(): Promise<void> {
    while (this.waiting.length > 0) await this.answer(this.waiting.splice(0, this.limit));
    this.isBusy = false;
  }

  /** What the statement refuses for one of them fails alone. */
  private async answer(calls: readonly Call<Item, Answer>[]): Promise<void> {
    try {
      const answers = await this.run(calls.map(({ item }) => item));
      calls.forEach(({ resolve }, i) => resolve(answers[i]!));
    } catch (error) {
      if (calls.length > 1 && !(error instanceof DatabaseUnavailableError)) {
        for (const call of calls) await this.answer([call]);
      } else for (const { reject } of calls) reject(error);
    }
  }
}
