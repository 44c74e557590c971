// One riff in the stream, from "2nd in line" to a loop; its element carries data-riff (the id),
// data-state (the riff's) and data-own.

import { Actions } from "./actions.js";
import { Deck } from "./deck.js";
import { announce, find, hueOf, make, setText, stamp } from "./dom.js";
import { originLine } from "./lineage.js";
import { Preview } from "./preview.js";
import { keepPainted, paintNoise } from "./spectrogram.js";
import { placeText, Steps } from "./steps.js";
import { aboutSeconds, brief, percent, positionText, relativeTime, stageText } from "./words.js";

const PENDING = new Set(["queued", "running"]);
const ENDINGS = {
  cancelled: "Cancelled.",
  failed: "This riff did not work out. Please try again.",
  expired: "This riff waited too long and was taken off the list.",
};

/** Shows a riff and keeps up with it.

    `studio` is what the card may do: { player, send(text), follow(riff, how, options), retry(origin),
    cancel(id), refuse(error), isOwner(), show(id) }. */
export class Card {
  element = stamp("riff-template");
  riff;
  #studio;
  #article = find(".riff", this.element);
  #decks = [];
  #chosen = 0;
  #steps = null;
  #actions;
  #preview;
  #shown = "";
  #noise = -1;

  constructor(riff, studio) {
    this.#studio = studio;
    this.#actions = new Actions(studio, this.element, () => this.riff.clips[this.#chosen]);
    this.#preview = new Preview(find(".work", this.element));
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
    this.showOrigin();
    this.#work();
    // Everything below changes rarely; rebuilding it on every step would steal the focus.
    const look = `${this.pending ? "pending" : riff.state} ${riff.requester.you} ${this.#studio.isOwner()}`;
    if (look === this.#shown) return;
    this.#shown = look;
    const hadFocus = this.element.contains(document.activeElement);
    this.#buildDecks();
    this.#facts();
    this.#actions.show(riff, this.pending);
    this.#note();
    if (hadFocus && !this.element.contains(document.activeElement)) this.#refocus();
  }

  /** Start the loop without a click; true if it plays. */
  playByItself() {
    return this.#decks[this.#chosen].playByItself();
  }

  toggle() {
    return this.#decks[this.#chosen].toggle();
  }

  /** What the picture looks like so far: a PNG in base64. */
  preview(png) {
    if (this.riff.state === "running") this.#preview.show(png);
  }

  /** Say what the riff came from, once that is known. */
  showOrigin() {
    const line = find(".origin", this.element);
    const [text, name, id] = originLine(this.riff) ?? [""];
    line.hidden = !text;
    setText(find("[data-how]", line), text);
    const [link, plain] = [find("button", line), find("b", line)];
    link.hidden = !name || !id;
    plain.hidden = !name || Boolean(id);
    setText(link, (id && name) || "");
    setText(plain, (!id && name) || "");
    link.onclick = () => this.#studio.show(id);
  }

  /** Come into view, as what another riff came from. */
  comeForward() {
    this.element.scrollIntoView({ block: "center" });
    if (this.playable) this.#decks[this.#chosen].focusPlay();
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
    if (this.playable) this.#decks[this.#chosen].focusPlay();
    else find(".ways button", this.element)?.focus();
  }

  #work() {
    const { state, progress, position, expected_seconds: expected, notice } = this.riff;
    find(".working", this.element).hidden = !this.pending;
    if (!this.pending) return;
    const queued = state === "queued";
    const share = queued ? 0 : (progress?.fraction ?? 0);
    const percent = Math.round(share * 100);
    const stage = queued ? positionText(position) : stageText(progress);
    this.#why(queued, stage);
    this.#preview.sharpen(share);
    setText(find("[data-stage]", this.element), stage);
    setText(find("[data-left]", this.element), expected && !notice ? aboutSeconds(expected) : "");
    const centre = queued ? (position ? `#${position}` : "") : `${percent}%`;
    setText(find(".center", this.element), centre);
    find(".arc", this.element).style.strokeDashoffset = String(100 - percent);
    const bar = find("[role=progressbar]", this.element);
    bar.setAttribute("aria-valuenow", percent);
    bar.setAttribute("aria-valuetext", queued ? stage : `${percent}%, ${stage}`);
    if (percent !== this.#noise) this.#drawNoise(percent);
  }

  // While everything is held up, that is the reason, and nobody knows for how long.
  #why(queued, stage) {
    const { reason, notice } = this.riff;
    const known = notice || reason?.toLowerCase() === stage.toLowerCase();
    for (const [selector, text] of [[".reason", known ? "" : reason], [".notice", notice]]) {
      const line = find(selector, this.element);
      line.hidden = !queued || !text;
      setText(line, (queued && text) || "");
    }
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
    const shelf = find(".decks", this.element);
    if (this.#preview.seen) shelf.dataset.seen = "true";
    shelf.replaceChildren(...this.#decks.map((deck) => deck.element));
    if (clips.length < 2) return;
    this.#steps = new Steps(this.riff, (index) => this.#choose(index));
    this.#steps.element.append(make("p", { className: "place" }));
    shelf.append(this.#steps.element);
    this.#choose(0);
  }

  // What plays goes on at the same place, so that neighbours can be compared.
  #choose(index) {
    const { player } = this.#studio;
    const { clips, points, kind } = this.riff;
    const [before, clip] = [clips[this.#chosen], clips[index]];
    const playing = player.isPlaying(before);
    if (before !== clip && playing) player.seek(clip, player.position(before));
    this.#chosen = index;
    this.#steps.choose(index);
    this.#decks.forEach((deck, at) => (deck.element.hidden = at !== index));
    const text = kind === "blend" && clip.alpha != null ? placeText(points, clip.alpha) : "";
    setText(find(".place", this.element), text);
    if (before === clip) return;
    this.#actions.showClip();
    if (playing) this.#decks[index].toggle();
  }

  #facts() {
    const { riff } = this;
    const { seed, steps, guidance, bpm, length, seconds_taken: taken, clips } = riff;
    const facts = [["seed", String(seed)]];
    if (steps != null) facts.push(["steps", String(steps)]);
    if (guidance != null) facts.push(["guidance", brief(guidance, 2)]);
    if (bpm != null) facts.push(["tempo", `${brief(bpm)} bpm`]);
    if (riff.kind === "remix" && riff.strength != null) facts.push(["strength", percent(riff.strength)]);
    if (riff.kind === "variation" && riff.distance != null) facts.push(["distance", percent(riff.distance)]);
    if (taken != null) facts.push(["made in", `${brief(taken)} s`]);
    if (clips.length) facts.push([riff.loop ? "loop" : "length", `${brief(clips[0].seconds, 2)} s`]);
    else if (length) facts.push(["length", length]);
    if (riff.clip_count > 1) facts.push(["clips", String(riff.clip_count)]);
    find(".facts", this.element).replaceChildren(
      ...facts.map(([name, value]) =>
        make("div", {}, make("dt", { textContent: name }), make("dd", { textContent: value })),
      ),
    );
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
