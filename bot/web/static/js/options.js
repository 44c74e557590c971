// The options panel: every choice that has an option's name, for people who do not want to type it.

import { find, icon, make } from "./dom.js";

// How a chosen value reads on its chip.
const CHIPS = {
  bpm: (value) => `${value} bpm`,
  length: (value) => value,
  negative: (value) => `without ${value}`,
  to: (value) => `into ${value}`,
  steps: (value) => (value === "1" ? "1 step" : `${value} steps`),
  guidance: (value) => `guidance ${value}`,
};

/** Reads the panel; `onChange()` is called whenever it opens, closes or is edited. */
export class Options {
  #panel = find("#options");
  #opener = find("#options-button");
  #chips = find("#option-chips");
  #onChange;

  constructor(onChange) {
    this.#onChange = onChange;
    this.#opener.addEventListener("click", () => this.#toggle());
    this.#panel.addEventListener("input", () => this.#update());
    this.#panel.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      this.#toggle(false);
      this.#opener.focus();
    });
    find("#options-clear").addEventListener("click", () => {
      for (const field of this.#fields) field.value = "";
      this.#update();
      this.#fields[0].focus();
    });
  }

  get open() {
    return this.#opener.getAttribute("aria-expanded") === "true";
  }

  /** What was chosen, as [name, value] pairs. */
  get pairs() {
    return this.#fields
      .map((field) => [field.name, field.value.trim()])
      .filter(([, value]) => value)
      .map(([name, value]) => [name, name === "length" ? `${value} ${find("#length-unit").value}` : value]);
  }

  get #fields() {
    return [...this.#panel.querySelectorAll("input")];
  }

  #toggle(open = !this.open) {
    this.#opener.setAttribute("aria-expanded", String(open));
    this.#panel.hidden = !open;
    this.#update();
    if (open) this.#fields[0].focus({ preventScroll: true });
  }

  #update() {
    const pairs = this.open ? [] : this.pairs;
    this.#chips.replaceChildren(...pairs.map(([name, value]) => this.#chip(name, CHIPS[name](value))));
    this.#chips.hidden = !pairs.length;
    find("#options-clear").hidden = !this.pairs.length;
    this.#opener.dataset.used = String(this.pairs.length > 0);
    this.#onChange();
  }

  #chip(name, text) {
    const chip = make("button", { type: "button", className: "chip" }, make("span", { textContent: text }), icon("close"));
    chip.setAttribute("aria-label", `Remove ${text}`);
    chip.addEventListener("click", () => {
      find(`[name=${name}]`, this.#panel).value = "";
      this.#update();
      find("#message").focus();
    });
    return make("li", {}, chip);
  }
}
