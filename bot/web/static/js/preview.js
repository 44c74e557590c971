// The picture of a riff while it is drawn: small and blurred at first, sharper with every step.

import { find, make, watchMedia } from "./dom.js";
import { keepPainted, paintFlat, readPicture } from "./spectrogram.js";

const CALM_MS = 2000;
let still = false;
watchMedia("(prefers-reduced-motion: reduce)", (reduced) => (still = reduced));

/** Paints previews into a card's working area, each faded in over the one before. */
export class Preview {
  #area;
  #noise;
  #front = null;
  #shownAt = -Infinity;

  constructor(area) {
    this.#area = area;
    this.#noise = find(".noise", area);
  }

  /** Whether there is anything to see yet. */
  get seen() {
    return this.#front !== null;
  }

  /** Show a PNG, given in base64. */
  async show(base64) {
    // Where motion is unwanted, the picture changes rarely.
    if (still && performance.now() - this.#shownAt < CALM_MS) return;
    this.#shownAt = performance.now();
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    const picture = await readPicture(new Blob([bytes], { type: "image/png" })).catch(() => null);
    if (!picture) return;
    const canvas = make("canvas", { className: "look", aria: { hidden: "true" } });
    keepPainted(canvas, () => paintFlat(canvas, picture));
    const before = this.#front;
    (before ?? this.#noise).after(canvas);
    this.#front = canvas;
    this.#area.dataset.seen = "true";
    setTimeout(() => before?.remove(), 600);
  }

  /** How far the drawing is, 0 to 1: less blur the further. */
  sharpen(fraction) {
    this.#area.style.setProperty("--blur", `${(7 * (1 - fraction) ** 1.5 + 1).toFixed(1)}px`);
  }
}
