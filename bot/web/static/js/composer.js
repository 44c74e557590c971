// The message box: sends, remembers, and says why something was not taken. It never loses text.

import { promptLength } from "./commands.js";
import { announce, find, setText } from "./dom.js";

const LONGEST_PROMPT = 500;
const COUNT_FROM = 440;
const REMEMBERED = 50;

/** Sends through `onSend(text, typed)`, which throws what the server refused; `typed` tells what was
    written in the box from what a button says. */
export class Composer {
  #form = find("#composer");
  #box = find("#message");
  #count = find("#count");
  #button = find("#send");
  #refusal = find("#refusal");
  #clock = find("#refusal-clock");
  #onSend;
  #busy = false;
  #wantsPrompt = false;
  #said = [];
  #recalled = null;
  #draft = "";
  #timer = null;

  constructor(onSend) {
    this.#onSend = onSend;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#box.addEventListener("keydown", (event) => this.#onKey(event));
    this.#box.addEventListener("input", () => this.#onInput());
    find("#refusal-close").addEventListener("click", () => {
      this.clearRefusal();
      this.focus();
    });
    // On a touch screen focus would open the keyboard over the room.
    if (matchMedia("(hover: hover) and (pointer: fine)").matches) this.focus();
  }

  focus() {
    this.#box.focus({ preventScroll: true });
  }

  /** Whether what is typed next is a prompt without any command. */
  expectPrompt(expected) {
    this.#wantsPrompt = expected;
    this.#box.placeholder = expected ? "lo-fi beat" : "!riff lo-fi beat";
  }

  /** Send something that is not in the box: an example, "new seed". */
  async send(text) {
    this.clearRefusal();
    this.#remember(text);
    try {
      await this.#onSend(text, false);
    } catch (error) {
      this.refuse(error);
    }
  }

  /** Show why something was refused, and count down to when it may be tried again. */
  refuse({ message, retryAfter }) {
    this.clearRefusal();
    this.#refusal.hidden = false;
    // The paragraph is an alert: its text is read out when it changes.
    setText(find("#refusal-text"), message);
    if (retryAfter) this.#countDown(performance.now() + retryAfter * 1000);
  }

  clearRefusal() {
    clearInterval(this.#timer);
    this.#refusal.hidden = true;
    setText(find("#refusal-text"), "");
    setText(this.#clock, "");
    this.#box.removeAttribute("aria-invalid");
  }

  async #submit() {
    if (this.#busy) return;
    const text = this.#box.value;
    // An empty box with something chosen gets a sentence about what is missing.
    if (!text.trim() && !this.#wantsPrompt) return this.focus();
    this.#setBusy(true);
    this.clearRefusal();
    try {
      await this.#onSend(text.trim(), true);
      if (text.trim()) this.#remember(text.trim());
      // What was typed meanwhile stays.
      if (this.#box.value === text) this.#write("");
    } catch (error) {
      this.refuse(error);
      this.#box.setAttribute("aria-invalid", "true");
    } finally {
      this.#setBusy(false);
    }
  }

  #setBusy(busy) {
    this.#busy = busy;
    this.#button.setAttribute("aria-busy", String(busy));
  }

  #remember(text) {
    if (this.#said.at(-1) !== text) this.#said.push(text);
    this.#said.splice(0, this.#said.length - REMEMBERED);
    this.#recalled = null;
  }

  #onKey(event) {
    if (event.isComposing) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.#submit();
    } else if (event.key === "Escape") {
      this.clearRefusal();
    } else if (event.key === "ArrowUp" && this.#caretAtStart()) {
      this.#recall(-1, event);
    } else if (event.key === "ArrowDown" && this.#recalled !== null) {
      this.#recall(1, event);
    }
  }

  #caretAtStart() {
    const { selectionStart, selectionEnd, value } = this.#box;
    if (selectionStart !== selectionEnd) return false;
    return selectionStart === 0 || (this.#recalled !== null && selectionStart === value.length);
  }

  // Up goes back through what was said, down forward again to what was being typed.
  #recall(step, event) {
    const from = this.#recalled ?? this.#said.length;
    const to = from + step;
    if (to < 0 || to > this.#said.length) return;
    event.preventDefault();
    if (this.#recalled === null) this.#draft = this.#box.value;
    this.#write(to === this.#said.length ? this.#draft : this.#said[to]);
    this.#recalled = to === this.#said.length ? null : to;
  }

  #write(text) {
    this.#box.value = text;
    this.#box.setSelectionRange(text.length, text.length);
    this.#measure();
  }

  #onInput() {
    this.#recalled = null;
    this.#box.removeAttribute("aria-invalid");
    if (this.#clock.textContent === "") this.clearRefusal();
    this.#measure();
  }

  #measure() {
    if (!CSS.supports("field-sizing", "content")) {
      this.#box.style.height = "auto";
      this.#box.style.height = `${this.#box.scrollHeight}px`;
    }
    const length = promptLength(this.#box.value);
    const near = length >= COUNT_FROM;
    setText(this.#count, near ? `${length} / ${LONGEST_PROMPT}` : "");
    const wasOver = this.#count.dataset.over === "true";
    const over = length > LONGEST_PROMPT;
    this.#count.dataset.over = String(over);
    if (over && !wasOver) announce(`The prompt is longer than ${LONGEST_PROMPT} characters.`);
  }

  #countDown(until) {
    const tick = () => {
      const left = Math.ceil((until - performance.now()) / 1000);
      if (left > 0) return setText(this.#clock, `again in ${left} s`);
      this.clearRefusal();
      announce("You can ask for a riff again.");
    };
    this.#timer = setInterval(tick, 250);
    tick();
  }
}
