// The room: its riffs in order, this tab's answers between them, and a chat's way of scrolling.

import { Card } from "./card.js";
import { find, make, setText, stamp } from "./dom.js";

const KEPT = 120;
const NEAR_BOTTOM = 80;

/** The list of riffs; fires `news` with { riff, before } for every change (`before` is null for a
    riff never seen). */
export class Stream extends EventTarget {
  #list = find("#stream");
  #pill = find("#newer");
  #cards = new Map();
  #studio;
  #stuck = true;
  #unseen = 0;

  constructor(studio) {
    super();
    this.#studio = studio;
    addEventListener("scroll", () => this.#onScroll(), { passive: true });
    // Whatever makes the page grow or shrink, whoever reads the latest goes on reading it.
    new ResizeObserver(() => this.#stuck && this.toBottom()).observe(document.body);
    this.#pill.addEventListener("click", () => {
      this.toBottom();
      find("#message").focus();
    });
    setInterval(() => this.#cards.forEach((card) => card.tickTime()), 20_000);
  }

  /** Whether anybody has asked for a riff yet. */
  get hasRiffs() {
    return this.#cards.size > 0;
  }

  card(id) {
    return this.#cards.get(id);
  }

  /** The riff that this clip belongs to, or undefined. */
  cardOfClip(clipId) {
    return [...this.#cards.values()].find(({ riff }) => riff.clips.some(({ id }) => id === clipId));
  }

  /** The latest riff that can be played, or undefined. */
  get latestPlayable() {
    return [...this.#cards.values()].findLast((card) => card.playable);
  }

  /** The whole room, as read after connecting; leaves alone the ids in `newer`. */
  fill(riffs, newer) {
    for (const riff of riffs) if (!newer.has(riff.id)) this.#take(riff);
  }

  /** One riff as it is now. */
  put(riff) {
    const before = this.#cards.get(riff.id)?.riff ?? null;
    const card = this.#take(riff);
    if (!before && !this.#stuck && !riff.requester.you) this.#showPill();
    this.dispatchEvent(new CustomEvent("news", { detail: { card, before } }));
  }

  /** An answer for this tab alone; `riffIt`, if given, makes a riff of what was said; `file` is
      { name, type, data (base64) } to be saved. */
  reply(said, answer, riffIt = null, file = null) {
    const item = stamp("reply-template");
    find(".said", item).textContent = said;
    find(".answer", item).textContent = answer;
    const button = find("button", item);
    button.hidden = !riffIt;
    button.addEventListener("click", riffIt);
    if (file) find(".answer", item).append(" ", fileLink(file));
    this.#insert(item, Date.now() / 1000);
    this.toBottom();
  }

  /** Show cards anew after this tab's user or role changed. */
  refresh() {
    for (const card of this.#cards.values()) card.update(card.riff);
  }

  toBottom() {
    // An empty room shows its welcome, which is read from the top.
    if (!this.#list.childElementCount) return;
    this.#stuck = true;
    this.#hidePill();
    scrollTo({ top: document.documentElement.scrollHeight });
  }

  #take(riff) {
    let card = this.#cards.get(riff.id);
    if (card) {
      card.update(riff);
      return card;
    }
    card = new Card(riff, this.#studio);
    this.#cards.set(riff.id, card);
    this.#insert(card.element, riff.created_at);
    this.#forgetOldest();
    return card;
  }

  // By time of asking: after a lost connection older riffs may turn up late.
  #insert(item, time) {
    item.dataset.time = time;
    const later = [...this.#list.children].findLast((other) => Number(other.dataset.time) <= time);
    if (later) later.after(item);
    else this.#list.prepend(item);
  }

  #forgetOldest() {
    const [oldest] = this.#cards.values();
    if (this.#cards.size <= KEPT || oldest.pending) return;
    this.#cards.delete(oldest.riff.id);
    oldest.remove();
  }

  #onScroll() {
    const { scrollHeight } = document.documentElement;
    this.#stuck = scrollHeight - innerHeight - scrollY < NEAR_BOTTOM;
    if (this.#stuck) this.#hidePill();
  }

  #showPill() {
    this.#unseen += 1;
    setText(find("[data-text]", this.#pill), this.#unseen === 1 ? "1 new riff" : `${this.#unseen} new riffs`);
    this.#pill.hidden = false;
  }

  #hidePill() {
    this.#unseen = 0;
    this.#pill.hidden = true;
  }
}

/** The prompts of an empty room. */
export function showExamples(prompts, choose) {
  find("#examples").replaceChildren(
    ...prompts.map((prompt) => {
      const button = make("button", { type: "button", textContent: prompt });
      button.addEventListener("click", () => choose(`!riff ${prompt}`));
      return make("li", {}, button);
    }),
  );
}

function fileLink({ name, type, data }) {
  const bytes = Uint8Array.from(atob(data), (character) => character.codePointAt(0));
  const href = URL.createObjectURL(new Blob([bytes], { type }));
  return make("a", { href, download: name, textContent: `Save ${name}` });
}
