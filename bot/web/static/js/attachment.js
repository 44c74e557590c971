// A sound or picture to build on: chosen, dropped or pasted, sent to the server, shown as a chip.

import { bindStrength } from "./actions.js";
import { announce, find, setText } from "./dom.js";

const MOST_MIB = 25;
const LIKELY = /\.(aac|aif|aiff|amr|flac|m4a|m4b|mka|mkv|mov|mp2|mp3|mp4|mpga|oga|ogg|opus|wav|webm|wma|png|jpe?g|webp|gif|bmp|tiff?)$/i;

/** Holds at most one file; `upload(file)` sends it and gives its { source }. */
export class Attachment {
  /** The hash by which a riff names it, or null. */
  source = null;
  name = "";
  #upload;
  #onChange;
  #onTrouble;
  #chip = find("#attached");
  #picker = find("#file");
  #latest = null;

  /** `onChange()` is called when something is attached or taken off, `onTrouble(error)` when a file
      cannot be used. */
  constructor(upload, { onChange, onTrouble }) {
    this.#upload = upload;
    this.#onChange = onChange;
    this.#onTrouble = onTrouble;
    bindStrength(find("#attached-strength"), find("#attached output"));
    find("#attach").addEventListener("click", () => this.#picker.click());
    this.#picker.addEventListener("change", () => {
      this.#take(this.#picker.files);
      this.#picker.value = "";
    });
    find("#attached-remove").addEventListener("click", () => {
      this.clear();
      find("#message").focus();
    });
    this.#listenForDrops();
    addEventListener("paste", ({ clipboardData: pasted }) => {
      // Text copied from an office program brings a picture of itself along.
      if (pasted && !pasted.types.includes("text/plain")) this.#take(pasted.files);
    });
  }

  /** How far a remix may go from the file, 0 to 1. */
  get strength() {
    return find("#attached-strength").value / 100;
  }

  clear() {
    this.#latest = null;
    this.source = null;
    this.#chip.hidden = true;
    this.#onChange();
  }

  async #take(files) {
    if (!files.length) return;
    const file = files[0];
    this.clear();
    this.#latest = file;
    try {
      if (files.length > 1) throw new Error("I can build on one sound or picture at a time.");
      await check(file);
      this.#show(file.name, true);
      const { source } = await this.#upload(file);
      if (this.#latest !== file) return;
      this.source = source;
      this.#show(file.name, false);
      announce(`${file.name} is attached; now write what it should become.`);
      find("#message").focus();
    } catch (error) {
      if (this.#latest === file) this.clear();
      this.#onTrouble(error);
    }
    this.#onChange();
  }

  #show(name, busy) {
    this.name = name;
    this.#chip.hidden = false;
    this.#chip.setAttribute("aria-busy", String(busy));
    setText(find("[data-how]", this.#chip), busy ? "reading" : "remix of");
    setText(find("b", this.#chip), name);
  }

  #listenForDrops() {
    const veil = find("#drop");
    const carriesFiles = ({ dataTransfer }) => dataTransfer?.types.includes("Files");
    let depth = 0;
    const cover = (change) => {
      depth = Math.max(0, change === 0 ? 0 : depth + change);
      veil.hidden = depth === 0;
    };
    addEventListener("dragenter", (event) => carriesFiles(event) && cover(1));
    addEventListener("dragleave", (event) => carriesFiles(event) && cover(-1));
    addEventListener("dragover", (event) => carriesFiles(event) && event.preventDefault());
    addEventListener("drop", (event) => {
      if (!carriesFiles(event)) return;
      event.preventDefault();
      cover(0);
      this.#take(event.dataTransfer.files);
    });
  }
}

// What certainly cannot be used is said before it is sent; the rest is for the server to find out.
async function check(file) {
  const { name, type, size } = file;
  if (!size) throw new Error(`${name} is empty, or not a file.`);
  if (size > MOST_MIB * 2 ** 20) {
    const has = Math.ceil(size / 2 ** 20);
    throw new Error(`${name} has ${has} MiB, and ${MOST_MIB} is the most I take; a shorter piece will do.`);
  }
  if (!/^(audio|image|video)\//.test(type) && !LIKELY.test(name)) {
    throw new Error(`I can build on sounds and pictures, and ${name} is neither.`);
  }
  if (type.startsWith("image/") && !(await createImageBitmap(file).catch(() => null))) {
    throw new Error(`${name} cannot be read as a picture; it may be damaged.`);
  }
}
