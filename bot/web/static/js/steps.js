// A riff of several clips: one player, and a row of small discs to choose what it plays.

import { make, setText } from "./dom.js";
import { keepPainted, loadPicture, paintDisc } from "./spectrogram.js";
import { percent } from "./words.js";

const DISC = 88;

/** The row; `onChoose(index)` is called when somebody picks a clip. */
export class Steps {
  element = make("div", { className: "steps", role: "group", aria: { label: "Clips" } });
  #buttons;

  constructor(riff, onChoose) {
    this.#buttons = riff.clips.map((clip, index) => {
      const button = makeStep(riff, clip, index);
      button.addEventListener("click", () => onChoose(index));
      return button;
    });
    this.element.append(...this.#buttons);
    this.choose(0);
  }

  choose(index) {
    this.#buttons.forEach((button, at) => button.setAttribute("aria-pressed", String(at === index)));
  }
}

function makeStep(riff, clip, index) {
  const canvas = make("canvas", { className: "disc-art", width: DISC, height: DISC, aria: { hidden: "true" } });
  const label = make("span", { textContent: clip.alpha == null ? String(index + 1) : percent(clip.alpha) });
  const button = make("button", { type: "button", className: "step" }, canvas, label);
  const name = `Clip ${index + 1} of ${riff.clips.length}`;
  const place = clip.alpha == null ? "" : `: ${placeText(riff.points, clip.alpha)}`;
  button.title = name + place;
  button.setAttribute("aria-label", name + place);
  // A missing picture is told by the player, which needs it too.
  loadPicture(clip.links.png)
    .then((picture) => keepPainted(canvas, () => paintDisc(canvas, picture)))
    .catch(() => setText(label, `${label.textContent} ?`));
  return button;
}

/** Where a clip lies between the two prompts of a blend. */
export function placeText([from, to], alpha) {
  if (alpha === 0) return from.prompt;
  if (alpha === 1) return to.prompt;
  return `${percent(1 - alpha)} ${from.prompt}, ${percent(alpha)} ${to.prompt}`;
}
