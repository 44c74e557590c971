// The files of takes: sounds as buffers of exactly their own samples, and pictures.

import { loadPicture } from "../spectrogram.js";
import { RATE } from "./clocks.js";
import { modulo } from "./joins.js";
import { analyse } from "./analysis.js";

const KEPT = 16;
const FIRST_WAIT = 300;
const LONGEST_WAIT = 5000;

/** Fetches and decodes ahead of time, and tries again as long as a take is wanted. Fires `sound`
    and `picture` with a take's id when one is there. */
export class Takes extends EventTarget {
  #path;
  #withSound;
  #sounds = new Map();
  #pictures = new Map();
  #wanted = new Set();
  #loading = new Set();
  // Decodes without asking whether the page may be heard.
  #decoder = new OfflineAudioContext(1, 1, RATE);

  constructor(path, { withSound }) {
    super();
    this.#path = path;
    this.#withSound = withSound;
  }

  /** The sound of a take, an AudioBuffer, or undefined. */
  sound(take) {
    return this.#sounds.get(take);
  }

  /** Its picture, { width, height, loudness }, or undefined. */
  picture(take) {
    return this.#pictures.get(take);
  }

  /** Have the takes of these segments at hand, and let others go. */
  want(segments) {
    this.#wanted = new Set(segments.map(({ take }) => take));
    for (const segment of segments) this.#load(segment);
    for (const shelf of [this.#sounds, this.#pictures]) {
      for (const take of shelf.keys()) {
        if (shelf.size <= KEPT) break;
        if (!this.#wanted.has(take)) shelf.delete(take);
      }
    }
  }

  async #load(segment) {
    const { take } = segment;
    if (this.#loading.has(take)) return;
    this.#loading.add(take);
    let wait = FIRST_WAIT;
    while (this.#wanted.has(take) && !this.#isComplete(segment)) {
      try {
        await this.#fetchAll(segment);
      } catch {
        await new Promise((resolve) => setTimeout(resolve, wait));
        wait = Math.min(2 * wait, LONGEST_WAIT);
      }
    }
    this.#loading.delete(take);
  }

  #isComplete({ take }) {
    return this.#pictures.has(take) && (!this.#withSound || this.#sounds.has(take));
  }

  async #fetchAll(segment) {
    const { take, files } = segment;
    const hasPicture = files.includes("png");
    const picture = hasPicture ? this.#fetchPicture(segment) : null;
    picture?.catch(() => {});
    if ((this.#withSound || !hasPicture) && !this.#sounds.has(take)) {
      const sound = await this.#fetchSound(segment);
      this.#sounds.set(take, sound);
      this.#tell("sound", take);
    }
    if (this.#pictures.has(take)) return;
    const sound = this.#sounds.get(take);
    // Music without its picture is better than neither: it is then read off the sound.
    const made = await (picture?.catch(() => (sound ? analyse(sound) : Promise.reject())) ?? analyse(sound));
    this.#pictures.set(take, made);
    this.#tell("picture", take);
  }

  #fetchPicture({ take }) {
    return this.#pictures.has(take) ? Promise.resolve(this.#pictures.get(take)) : loadPicture(this.#url(take, "png"));
  }

  // The WAV first, as the server's own renderer does: an MP3 loses a little, and its decoder may
  // add silence at both ends.
  async #fetchSound({ take, files, samples }) {
    const kinds = ["wav", "mp3"].filter((kind) => files.includes(kind));
    for (const kind of kinds) {
      const response = await fetch(this.#url(take, kind));
      if (!response.ok) continue;
      return fit(await this.#decoder.decodeAudioData(await response.arrayBuffer()), samples);
    }
    throw new Error("the sound is missing");
  }

  #url(take, kind) {
    return `${this.#path}/takes/${encodeURIComponent(take)}/${kind}`;
  }

  #tell(name, take) {
    this.dispatchEvent(new CustomEvent(name, { detail: take }));
  }
}

// Exactly as long as the timeline says, or loops would drift against the beat.
function fit(buffer, length) {
  if (buffer.length === length) return buffer;
  const { numberOfChannels, sampleRate } = buffer;
  const fitted = new AudioBuffer({ length, numberOfChannels, sampleRate });
  for (let channel = 0; channel < numberOfChannels; channel++) {
    const from = buffer.getChannelData(channel);
    fitted.getChannelData(channel).set(Float32Array.from({ length }, (_, i) => from[modulo(i, from.length)]));
  }
  return fitted;
}
