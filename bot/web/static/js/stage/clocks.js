// Two clocks brought together: the server's, which counts samples of the session, and the one that
// plays. Each is compared with the page's own now and then, and the median of the latest
// comparisons counts: a slow answer or a busy moment moves nothing.

export const RATE = 44100;

const MOST = 31;
const FEW = 5;

/** The difference of two clocks, from noisy looks at both. */
export class Difference {
  #jump;
  #least;
  #seen = [];
  #odd = [];

  /** `jump`: a difference that is this much off, several times in a row, is a new one: a clock was
      set, or stood still while the computer slept. `least` looks are enough to go by. */
  constructor(jump, least = FEW) {
    this.#jump = jump;
    this.#least = least;
  }

  /** Whether enough was seen to go by. */
  get settled() {
    return this.#seen.length >= this.#least;
  }

  /** The difference, or null before the first look. */
  get value() {
    return this.#seen.length ? median(this.#seen) : null;
  }

  add(difference) {
    if (this.#seen.length && Math.abs(difference - this.value) > this.#jump) {
      this.#odd.push(difference);
      if (this.#odd.length < FEW) return;
      this.#seen = this.#odd;
      this.#odd = [];
      return;
    }
    this.#odd = [];
    this.#seen.push(difference);
    if (this.#seen.length > MOST) this.#seen.shift();
  }

  forget() {
    this.#seen = [];
    this.#odd = [];
  }
}

/** The server's playhead, by pings: half of a round trip is on the way there. Slow round trips are
    left out, since nobody knows which of their halves was slow. */
export class ServerClock {
  #difference = new Difference(0.25 * RATE);
  #trips = [];

  get settled() {
    return this.#difference.settled;
  }

  get known() {
    return this.#difference.value !== null;
  }

  /** `sent` and `received` by `performance.now()`, the server's sample `now` in between. */
  pong(sent, received, now) {
    const trip = received - sent;
    this.#trips = [...this.#trips.slice(1 - MOST), trip];
    if (trip > 1.5 * median(this.#trips) + 4) return;
    this.#difference.add(now - (RATE * (sent + received)) / 2000);
  }

  /** A first idea, from a message that carries the playhead. */
  hint(received, now) {
    if (!this.known) this.#difference.add(now - (RATE * received) / 1000);
  }

  /** The sample that the server is at, at a time of `performance.now()`. */
  sampleAt(time) {
    return (time * RATE) / 1000 + (this.#difference.value ?? 0);
  }

  /** Another session counts anew. */
  forget() {
    this.#difference.forget();
  }
}

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];
