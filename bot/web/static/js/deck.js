// The player of one clip: disc with its button, and the picture as a slider.
//
// State to be read from outside, as attributes of the deck's element:
//   data-clip        the clip's id
//   data-playing     "true" while it sounds      data-loading  "true" while its sound is fetched
//   data-started     "true" once it has been played or moved
//   data-samples     samples per channel of the decoded sound, at 44.1 kHz; once it was loaded
//   data-source      "mp3" or "wav": which file was decoded
//   data-position    seconds from the loop's start, about ten times a second while playing
//   data-level       RMS of what leaves for the loudspeaker in dBFS, likewise
// The slider's own aria-valuenow carries the position too, once a second.

import { find, setText, stamp, watchMedia } from "./dom.js";
import { keepPainted, loadPicture, paintDisc, paintFlat } from "./spectrogram.js";
import { brief } from "./words.js";

const STEP = 0.25;
const PAUSE = 28;
let still = false;
watchMedia("(prefers-reduced-motion: reduce)", (reduced) => (still = reduced));

// Pictures are fetched when they come near the screen, not fifty at once.
const nearby = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      nearby.unobserve(target);
      target.dispatchEvent(new CustomEvent("near"));
    }
  },
  { rootMargin: "600px" },
);

/** Builds, feeds and animates one deck. */
export class Deck {
  element = stamp("deck-template");
  #player;
  #clip;
  #title;
  #onTrouble;
  #strip = find(".strip", this.element);
  #playhead = find(".playhead", this.element);
  #disc = find(".disc-art", this.element);
  #frame = 0;
  #timer = 0;
  #lastReport = 0;
  #alive = new AbortController();

  /** `onTrouble` gets a sentence when the clip cannot be loaded. */
  constructor(player, clip, title, onTrouble) {
    this.#player = player;
    this.#clip = clip;
    this.#title = title;
    this.#onTrouble = onTrouble;
    this.element.dataset.clip = clip.id;
    this.#strip.setAttribute("aria-label", `Position in ${title}`);
    this.#strip.setAttribute("aria-valuemax", brief(clip.seconds, 2));
    find(".picture", this.element).dataset.empty = "true";
    find(".play", this.element).addEventListener("click", () => this.toggle());
    this.#strip.addEventListener("keydown", (event) => this.#onKey(event));
    this.#strip.addEventListener("pointerdown", (event) => this.#onPointer(event));
    this.#strip.addEventListener("focus", () => this.#report());
    this.element.addEventListener("near", () => this.#show());
    nearby.observe(this.element);
    const { signal } = this.#alive;
    player.addEventListener("change", ({ detail }) => detail === clip.id && this.#update(), { signal });
    this.#update();
  }

  toggle() {
    return Promise.resolve(this.#player.toggle(this.#clip)).catch(() => this.#fail());
  }

  /** Start without a click, where the browser allows it; true if it plays. */
  async playByItself() {
    await this.#player.playIfAllowed(this.#clip).catch(() => this.#fail());
    return this.#player.isPlaying(this.#clip);
  }

  /** Let go of the player; the deck leaves the page. */
  dispose() {
    this.#alive.abort();
    nearby.unobserve(this.element);
    this.#unschedule();
  }

  focusPlay() {
    find(".play", this.element).focus();
  }

  #fail() {
    this.#onTrouble("The sound could not be loaded; please try the play button again.");
  }

  async #show() {
    try {
      const picture = await loadPicture(this.#clip.links.png);
      const flat = find(".picture", this.element);
      keepPainted(flat, () => paintFlat(flat, picture));
      keepPainted(this.#disc, () => paintDisc(this.#disc, picture));
      delete flat.dataset.empty;
    } catch {
      this.#onTrouble("The picture could not be loaded; reload the page to try again.");
    }
  }

  #update() {
    const playing = this.#player.isPlaying(this.#clip);
    const { dataset } = this.element;
    if (playing || this.#player.position(this.#clip) > 0) dataset.started = "true";
    if (playing && dataset.samples === undefined) this.#noteSound();
    dataset.playing = String(playing);
    dataset.loading = String(this.#player.isLoading(this.#clip));
    setText(find(".play [data-text]", this.element), `${playing ? "Pause" : "Play"} ${this.#title}`);
    this.#unschedule();
    this.#draw();
    this.#report();
    if (playing) this.#schedule();
    else this.element.style.removeProperty("--glow");
  }

  async #noteSound() {
    const { buffer, source } = await this.#player.load(this.#clip);
    this.element.dataset.samples = buffer.length;
    this.element.dataset.source = source;
  }

  #tick() {
    this.#draw();
    if (performance.now() - this.#lastReport >= 100) this.#meter();
    this.#schedule();
  }

  // Some 25 frames a second are smooth enough, and leave the processor to whoever draws riffs on it;
  // asking for every frame would cost most of a redraw even where nothing moves.
  #schedule() {
    this.#timer = setTimeout(() => {
      this.#frame = requestAnimationFrame(() => this.#tick());
    }, PAUSE);
  }

  #unschedule() {
    clearTimeout(this.#timer);
    cancelAnimationFrame(this.#frame);
  }

  #draw() {
    let share = this.#player.position(this.#clip) / this.#clip.seconds;
    if (still) share = Math.floor(share * 16) / 16;
    this.#playhead.style.transform = `translateX(${share * this.#strip.clientWidth}px)`;
    this.#disc.style.transform = still ? "" : `rotate(${share}turn)`;
  }

  #meter() {
    this.#lastReport = performance.now();
    const level = this.#player.level();
    const position = this.#player.position(this.#clip);
    this.element.dataset.level = level.toFixed(1);
    this.element.dataset.position = position.toFixed(3);
    const glow = still ? 0.5 : Math.min(Math.max((level + 40) / 40, 0), 1);
    this.element.style.setProperty("--glow", glow.toFixed(2));
    // A focused slider that moves by itself would be read out without end.
    const second = Math.floor(position);
    const spoken = Math.floor(Number(this.#strip.getAttribute("aria-valuenow")));
    if (document.activeElement !== this.#strip && second !== spoken) this.#report();
  }

  #report() {
    const position = this.#player.position(this.#clip);
    this.element.dataset.position = position.toFixed(3);
    this.#strip.setAttribute("aria-valuenow", position.toFixed(2));
    const text = `${position.toFixed(1)} of ${brief(this.#clip.seconds)} seconds`;
    this.#strip.setAttribute("aria-valuetext", text);
  }

  #seek(seconds) {
    this.#player.seek(this.#clip, seconds);
  }

  #onKey(event) {
    const now = this.#player.position(this.#clip);
    const moves = {
      ArrowLeft: now - STEP,
      ArrowDown: now - STEP,
      ArrowRight: now + STEP,
      ArrowUp: now + STEP,
      PageDown: now - 4 * STEP,
      PageUp: now + 4 * STEP,
      Home: 0,
      End: this.#clip.seconds - STEP,
    };
    if (event.key in moves) this.#seek(moves[event.key]);
    else if (event.key === " ") this.toggle();
    else return;
    event.preventDefault();
  }

  #onPointer(event) {
    if (event.button !== 0) return;
    const seekTo = ({ clientX }) => {
      const { left, width } = this.#strip.getBoundingClientRect();
      // Just short of the end, which is the start of the next turn.
      const share = Math.min(Math.max((clientX - left) / width, 0), 0.9999);
      this.#seek(share * this.#clip.seconds);
    };
    seekTo(event);
    if (event.pointerType === "touch") return;
    this.#strip.setPointerCapture(event.pointerId);
    this.#strip.addEventListener("pointermove", seekTo);
    const done = () => this.#strip.removeEventListener("pointermove", seekTo);
    this.#strip.addEventListener("lostpointercapture", done, { once: true });
  }
}
