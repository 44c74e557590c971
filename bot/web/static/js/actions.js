// What can be done with a riff: cancel it, build on it, copy its command, keep its files.

import { commandOf } from "./commands.js";
import { announce, find, icon, make, setText, stamp } from "./dom.js";
import { originOf } from "./lineage.js";
import { percent } from "./words.js";

const WAYS = [
  ["again", "Again", "The same words, another seed"],
  ["variation", "Variation", "Nearly the same"],
  ["extend", "Extend", "Let it go on for longer"],
];

/** Fills a card's footer; `clip()` is the clip that the card shows at present. */
export class Actions {
  #studio;
  #card;
  #clip;
  #riff;
  #form = null;

  /** `studio` is the card's, `card` its element. */
  constructor(studio, card, clip) {
    this.#studio = studio;
    this.#card = card;
    this.#clip = clip;
  }

  /** Build the buttons for what the riff is now. */
  show(riff, pending) {
    this.#riff = riff;
    this.#closeForm();
    find(".ways", this.#card).replaceChildren(...this.#ways(pending));
    find(".actions", this.#card).replaceChildren(...(riff.clips.length ? [this.#copyButton(), this.#downloads()] : []));
  }

  /** Another clip is shown. */
  showClip() {
    find(".downloads", this.#card)?.replaceWith(this.#downloads());
  }

  #ways(pending) {
    const riff = this.#riff;
    if (pending) {
      const mayCancel = riff.requester.you || this.#studio.isOwner();
      return mayCancel ? [this.#button("close", "Cancel", (button) => this.#cancel(button))] : [];
    }
    if (!riff.clips.length) return this.#retry();
    const ways = WAYS.map(([how, text, hint]) => {
      const button = this.#button(how, text, () => this.#follow(button, how, {}));
      button.title = hint;
      return button;
    });
    const remix = this.#button("remix", "Remix…", () => (this.#form ? this.#closeForm(true) : this.#openForm(remix)));
    remix.setAttribute("aria-expanded", "false");
    remix.title = "Turn it into something else";
    return [...ways, remix];
  }

  #retry() {
    const riff = this.#riff;
    const command = commandOf(riff, { withSeed: true });
    const origin = originOf(riff.id);
    if (command) return [this.#button("again", "Try again", () => this.#studio.send(command))];
    if (origin) return [this.#button("again", "Try again", (button) => this.#busy(button, () => this.#studio.retry(origin)))];
    return [];
  }

  #button(name, text, act) {
    const button = make("button", { type: "button" }, icon(name), make("span", { textContent: text }));
    button.append(make("span", { className: "unseen", textContent: `: ${this.#riff.prompt}` }));
    button.addEventListener("click", () => act(button));
    return button;
  }

  #follow(button, how, options) {
    const { index } = this.#clip();
    const body = index ? { ...options, clip: index + 1 } : options;
    return this.#busy(button, () => this.#studio.follow(this.#riff, how, body));
  }

  /** True if it worked; a refusal is shown above the message box. */
  async #busy(button, act) {
    if (button.getAttribute("aria-busy") === "true") return false;
    button.setAttribute("aria-busy", "true");
    try {
      await act();
      return true;
    } catch (error) {
      this.#studio.refuse(error);
      return false;
    } finally {
      button.removeAttribute("aria-busy");
    }
  }

  async #cancel(button) {
    button.disabled = true;
    if (!(await this.#busy(button, () => this.#studio.cancel(this.#riff.id)))) button.disabled = false;
  }

  #openForm(opener) {
    const form = (this.#form = stamp("remix-template"));
    form.setAttribute("aria-label", `Remix ${this.#riff.prompt}`);
    const [prompt, strength] = [find("[name=prompt]", form), find("[name=strength]", form)];
    bindStrength(strength, find("output", form));
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const options = { prompt: prompt.value.trim() || null, strength: strength.value / 100 };
      if (await this.#follow(find("[type=submit]", form), "remix", options)) this.#closeForm(true);
    });
    form.addEventListener("keydown", (event) => event.key === "Escape" && this.#closeForm(true));
    find("[type=button]", form).addEventListener("click", () => this.#closeForm(true));
    opener.setAttribute("aria-expanded", "true");
    find(".riff", this.#card).append(form);
    prompt.focus({ preventScroll: true });
    form.scrollIntoView({ block: "nearest" });
  }

  #closeForm(refocus = false) {
    if (!this.#form) return;
    this.#form.remove();
    this.#form = null;
    const opener = find(".ways [aria-expanded]", this.#card);
    opener?.setAttribute("aria-expanded", "false");
    if (refocus) opener?.focus({ preventScroll: true });
  }

  #downloads() {
    const group = make("div", { className: "downloads", role: "group", aria: { label: "Download" } });
    Object.entries(this.#clip().links).forEach(([kind, address], at) => {
      const name = kind.toUpperCase();
      const link = make("a", { href: `${address}?download=1`, download: "", textContent: name });
      link.setAttribute("aria-label", `Download ${name} of ${this.#riff.prompt}`);
      link.title = `Download ${name}`;
      if (at === 0) link.prepend(icon("save"));
      group.append(link);
    });
    return group;
  }

  #copyButton() {
    const command = commandOf(this.#riff, { withSeed: true });
    if (!command) return "";
    const button = this.#button("copy", "Copy", () => copyCommand(button, command));
    find("span", button).after(make("span", { className: "spare", textContent: "command" }));
    return button;
  }
}

/** Let an output beside a strength slider say its value. */
export function bindStrength(slider, output) {
  const show = () => setText(output, percent(slider.value / 100));
  slider.addEventListener("input", show);
  show();
}

async function copyCommand(button, command) {
  const [label, rest] = button.querySelectorAll("span");
  const copied = await copyText(command);
  rest.hidden = true;
  setText(label, copied ? "Copied" : "Copying failed");
  announce(copied ? "Command copied" : "The browser did not allow copying");
  setTimeout(() => {
    rest.hidden = false;
    setText(label, "Copy");
  }, 2000);
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
