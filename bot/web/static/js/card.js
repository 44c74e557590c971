// One riff in the stream, from "2nd in line" to a loop; its element carries data-riff (the id),
// data-state (the riff's) and data-own.

import { Deck } from "./deck.js";
import { announce, find, hueOf, icon, make, setText, stamp } from "./dom.js";
import { keepPainted, paintNoise } from "./spectrogram.js";
import { aboutSeconds, brief, commandOf, positionText, relativeTime, stageText } from "./words.js";

const PENDING = new Set(["queued", "running"]);
const ENDINGS = {
  cancelled: "Cancelled.",
  failed: "This riff did not work out. Please try again.",
  expired: "This riff waited too long and was taken off the list.",
};

/** Shows a riff and keeps up with it.

    `studio` is what the card may do: { player, send(text), cancel(id), refuse(error), isOwner() }. */
export class Card {
  element = stamp("riff-template");
  riff;
  #studio;
  #article = find(".riff", this.element);
  #decks = [];
  #shown = "";
  #noise = -1;

  constructor(riff, studio) {
    this.#studio = studio;
    this.#article.dataset.riff = riff.id;
    const heading = find(".prompt", this.element);
    heading.id = `riff-${riff.id}`;
    heading.textContent = riff.prompt;
    heading.dataset.long = String(riff.prompt.length > 90);
    this.#article.setAttribute("aria-labelledby", heading.id);
    if (riff.negative) {
      const avoid = find(".avoid", this.element);
      avoid.textContent = `without ${riff.negative}`;
      avoid.hidden = false;
    }
    this.update(riff);
  }

  get pending() {
    return PENDING.has(this.riff.state);
  }

  get playable() {
    return this.#decks.length > 0;
  }

  /** Take in what the server says now; keyboard focus survives. */
  update(riff) {
    this.riff = riff;
    const { dataset } = this.#article;
    dataset.state = riff.state;
    dataset.own = String(riff.requester.you);
    setText(find(".who", this.element), riff.requester.name);
    find(".mine", this.element).hidden = !riff.requester.you;
    find(".reel", this.element).style.setProperty("--hue", hueOf(riff.requester.name));
    this.tickTime();
    this.#work();
    // Everything below changes rarely; rebuilding it on every step would steal the focus.
    const look = `${this.pending ? "pending" : riff.state} ${riff.requester.you} ${this.#studio.isOwner()}`;
    if (look === this.#shown) return;
    this.#shown = look;
    const hadFocus = this.element.contains(document.activeElement);
    this.#buildDecks();
    this.#facts();
    this.#actions();
    this.#note();
    if (hadFocus && !this.element.contains(document.activeElement)) this.#refocus();
  }

  /** Start the loop without a click; true if it plays. */
  playByItself() {
    return this.#decks[0].playByItself();
  }

  toggle() {
    return this.#decks[0].toggle();
  }

  /** Leave the page. */
  remove() {
    for (const deck of this.#decks) deck.dispose();
    this.element.remove();
  }

  tickTime() {
    const time = find("time", this.element);
    const { created_at: created } = this.riff;
    setText(time, relativeTime(created));
    time.dateTime = new Date(created * 1000).toISOString();
    time.title = new Date(created * 1000).toLocaleString();
  }

  #refocus() {
    if (this.playable) this.#decks[0].focusPlay();
    else find(".actions button", this.element)?.focus();
  }

  #work() {
    const { state, progress, position, expected_seconds: expected } = this.riff;
    find(".working", this.element).hidden = !this.pending;
    if (!this.pending) return;
    const queued = state === "queued";
    const share = queued ? 0 : (progress?.fraction ?? 0);
    const percent = Math.round(share * 100);
    const stage = queued ? positionText(position) : stageText(progress);
    setText(find("[data-stage]", this.element), stage);
    setText(find("[data-left]", this.element), expected ? aboutSeconds(expected) : "");
    const centre = queued ? (position ? `#${position}` : "") : `${percent}%`;
    setText(find(".center", this.element), centre);
    find(".arc", this.element).style.strokeDashoffset = String(100 - percent);
    const bar = find("[role=progressbar]", this.element);
    bar.setAttribute("aria-valuenow", percent);
    bar.setAttribute("aria-valuetext", queued ? stage : `${percent}%, ${stage}`);
    if (percent !== this.#noise) this.#drawNoise(percent);
  }

  #drawNoise(percent) {
    if (this.#noise < 0) {
      const canvas = find(".noise", this.element);
      keepPainted(canvas, () => paintNoise(canvas, this.#noise / 100));
    }
    this.#noise = percent;
    paintNoise(find(".noise", this.element), percent / 100);
  }

  #buildDecks() {
    if (this.#decks.length || !this.riff.clips.length) return;
    const { clips, prompt } = this.riff;
    this.#decks = clips.map((clip, index) => {
      const title = clips.length > 1 ? `${prompt}, ${index + 1} of ${clips.length}` : prompt;
      return new Deck(this.#studio.player, clip, title, (sentence) => this.#say(sentence));
    });
    find(".decks", this.element).replaceChildren(...this.#decks.map((deck) => deck.element));
  }

  #facts() {
    const { seed, steps, guidance, seconds_taken: taken, clips } = this.riff;
    const facts = [["seed", String(seed)]];
    if (steps != null) facts.push(["steps", String(steps)]);
    if (guidance != null) facts.push(["guidance", brief(guidance, 2)]);
    if (taken != null) facts.push(["made in", `${brief(taken)} s`]);
    if (clips.length) facts.push(["loop", `${brief(clips[0].seconds, 2)} s`]);
    find(".facts", this.element).replaceChildren(
      ...facts.map(([name, value]) =>
        make("div", {}, make("dt", { textContent: name }), make("dd", { textContent: value })),
      ),
    );
  }

  #actions() {
    const { riff } = this;
    const actions = [];
    if (this.pending && (riff.requester.you || this.#studio.isOwner())) {
      actions.push(this.#button("close", "Cancel", (button) => this.#cancel(button)));
    }
    if (!this.pending) {
      const again = () => this.#studio.send(commandOf(riff, { withSeed: !riff.clips.length }));
      actions.push(this.#button("again", riff.clips.length ? "New seed" : "Try again", again));
    }
    if (riff.clips.length) {
      const copy = this.#button("copy", "Copy", (button) => this.#copy(button));
      find("span", copy).after(make("span", { className: "spare", textContent: "command" }));
      actions.push(copy);
      actions.push(...riff.clips.map((clip) => this.#downloads(clip)));
    }
    find(".actions", this.element).replaceChildren(...actions);
  }

  #button(name, text, act) {
    const button = make("button", { type: "button" }, icon(name), make("span", { textContent: text }));
    button.append(make("span", { className: "unseen", textContent: `: ${this.riff.prompt}` }));
    button.addEventListener("click", () => act(button));
    return button;
  }

  #downloads({ links }) {
    const group = make("div", { className: "downloads", role: "group", aria: { label: "Download" } });
    for (const kind of ["mp3", "wav", "png"]) {
      const link = make("a", { href: `${links[kind]}?download=1`, download: "", textContent: kind.toUpperCase() });
      link.setAttribute("aria-label", `Download ${kind.toUpperCase()} of ${this.riff.prompt}`);
      link.title = `Download ${kind.toUpperCase()}`;
      if (kind === "mp3") link.prepend(icon("save"));
      group.append(link);
    }
    return group;
  }

  async #cancel(button) {
    button.disabled = true;
    try {
      await this.#studio.cancel(this.riff.id);
    } catch (error) {
      button.disabled = false;
      this.#studio.refuse(error);
    }
  }

  async #copy(button) {
    const [label, rest] = button.querySelectorAll("span");
    const copied = await copyText(commandOf(this.riff, { withSeed: true }));
    rest.hidden = true;
    setText(label, copied ? "Copied" : "Copying failed");
    announce(copied ? "Command copied" : "The browser did not allow copying");
    setTimeout(() => {
      rest.hidden = false;
      setText(label, "Copy");
    }, 2000);
  }

  #note() {
    const { state, error } = this.riff;
    const sentence = error ?? ENDINGS[state];
    if (sentence && !this.riff.clips.length && !this.pending) this.#say(sentence, false);
    else find(".note", this.element).hidden = true;
  }

  #say(sentence, aloud = true) {
    const note = find(".note", this.element);
    note.hidden = false;
    setText(note, sentence);
    if (aloud) announce(sentence, "assertive");
  }
}

// The clipboard of the browser needs a secure page, which a plain-HTTP address in a LAN is not.
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const helper = make("textarea", { value: text, className: "unseen" });
    const before = document.activeElement;
    document.body.append(helper);
    helper.select();
    const copied = document.execCommand("copy");
    helper.remove();
    before?.focus();
    return copied;
  }
}
