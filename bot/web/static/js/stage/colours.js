// Colours of prompts and of the picture, as plain numbers: OBS may carry an older Chromium.

import { ramp } from "../palette.js";

// Of about the same lightness, so that none shouts; neighbours differ for protan and deutan eyes.
const PROMPTS = ["#f2c36b", "#7cc7e8", "#e79ac0", "#8fd6a9", "#c9b3f5", "#f2a07b", "#cfd67a", "#7fd8d0"];
const NOBODY = "#8b95ab";

/** A colour for every prompt, kept as long as it is needed. */
export class PromptColours {
  #slots = new Map();

  /** Let go of prompts that are not shown any more. */
  keep(prompts) {
    const shown = new Set(prompts);
    for (const prompt of this.#slots.keys()) if (!shown.has(prompt)) this.#slots.delete(prompt);
    for (const prompt of shown) this.#slot(prompt);
  }

  of(prompt) {
    return prompt === "" || prompt === "(removed)" ? NOBODY : PROMPTS[this.#slot(prompt)];
  }

  #slot(prompt) {
    if (!this.#slots.has(prompt)) {
      const used = [...this.#slots.values()];
      const counts = PROMPTS.map((_, slot) => used.filter((one) => one === slot).length);
      this.#slots.set(prompt, counts.indexOf(Math.min(...counts)));
    }
    return this.#slots.get(prompt);
  }
}

const lamp = ramp("night");

/** The studio's night ramp as 256 × [red, green, blue, alpha]: silence lets through what lies
    behind, and nothing is brighter than `most` (0 to 1), so that no drum flashes. */
export function veil(most) {
  return lamp.map(([red, green, blue], level) => {
    const share = level / 255;
    return [red, green, blue, Math.round(255 * Math.min(most, 1.25 * share ** 0.8))];
  });
}
