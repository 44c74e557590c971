// What the stage says in words: what sounds, who asked for it, the votes, and what comes.

import { find, make, setText } from "../dom.js";
import { RATE } from "./clocks.js";

const MODES = {
  crowd: "The crowd steers",
  queue: "One wish after another",
  duel: "A duel: two sounds, one crowd",
  hold: "Held as it is",
};
const STATES = { ordered: "in line", begun: "being drawn", made: "ready" };
const [MOST_PARTS, MOST_VOTES, MOST_NEXT, MOST_NAMES] = [4, 4, 4, 3];
const MOVED = 0.03;

export class Panels {
  #colours;
  #hide;

  constructor(colours, hide) {
    this.#colours = colours;
    this.#hide = hide;
  }

  /** Show a state, with the segment that is heard at `sample`. */
  show(state, segment, sample) {
    setText(find("#mode"), state.halted ? "Paused by a moderator" : (MODES[state.mode] ?? ""));
    setText(find("#tempo"), `${Number(state.grid.bpm.toFixed(1))} bpm`);
    this.#showParts(state, segment);
    this.#showVotes(state);
    this.#showNext(state, sample);
    const { last, median } = state.stats;
    find("#heard").hidden = this.#hide.has("heard") || (last ?? median) === null;
    setText(find("#heard-in"), `${(last ?? median ?? 0).toFixed(1)} s`);
  }

  #showParts(state, segment) {
    const parts = partsOf(state, segment);
    const lead = parts.find(({ share }) => share > 0);
    setText(find("#lead"), lead ? percent(lead.share) : "");
    fill(find("#parts"), parts.slice(0, MOST_PARTS), () => newPart(), (item, part) => {
      item.className = `part ${part.way}`;
      item.style.setProperty("--colour", this.#colours.of(part.prompt));
      setText(find(".prompt", item), part.title ?? part.prompt);
      setText(find(".percent", item), part.share > 0 ? percent(part.share) : "");
      setText(find(".by", item), this.#byline(part));
    });
  }

  #byline({ by, way, note }) {
    if (note) return note;
    const who = this.#hide.has("names") ? "" : names(by);
    const then = { coming: "on its way", going: "fading" }[way] ?? "";
    return [who, then].filter(Boolean).join(" · ");
  }

  #showVotes({ votes, mode, queue, guests }) {
    const waiting = mode === "queue" ? queue.map(({ prompt, by }) => ({ prompt, by: [by] })) : votes;
    const list = [...guests.map(({ title, by }) => ({ prompt: title, by: [by] })), ...waiting];
    find("#votes").hidden = this.#hide.has("votes") || !list.length;
    setText(find("#votes h2"), mode === "queue" ? "Waiting" : "Votes");
    const most = Math.max(...votes.map(({ strength }) => strength), 1);
    fill(find("#vote-list"), list.slice(0, MOST_VOTES), newVote, (item, { prompt, by, strength }) => {
      item.style.setProperty("--colour", this.#colours.of(prompt));
      setText(find(".name", item), prompt);
      setText(find(".by", item), this.#hide.has("names") ? "" : names(by, 1));
      find(".bar", item).hidden = strength === undefined;
      find(".bar i", item).style.transform = `scaleX(${Math.min(1, (strength ?? 0) / most).toFixed(3)})`;
    });
  }

  #showNext({ segments, next }, sample) {
    const settled = segments
      .filter(({ start }) => start > sample)
      .map(({ title, start, kind }) => ({ title: kind === "safe" ? "A calm moment" : title, due: start, state: "made" }));
    const coming = [...settled, ...next].slice(0, MOST_NEXT);
    find("#next").hidden = this.#hide.has("next") || !coming.length;
    document.body.dataset.next = !find("#next").hidden;
    fill(find("#next-list"), coming, newNext, (item, { title, due, state }) => {
      setText(find(".title", item), title);
      const seconds = Math.ceil((due - sample) / RATE);
      setText(find(".when", item), state === "made" && seconds > 0 ? `in ${seconds} s` : STATES[state] ?? "");
    });
  }
}

/** What sounds and what it turns into: [{ prompt, share, by, way }, …], the largest first. */
export function partsOf({ target, mix }, segment) {
  if (segment?.kind === "safe" || !segment) {
    const coming = target.map(({ prompt }) => ({ prompt, share: 0, by: [], way: "coming" }));
    const title = coming.length ? "Tuning in" : "Waiting for the first vote";
    return [{ prompt: "", title, share: 0, by: [], way: "", note: "A calm chord until then" }, ...coming];
  }
  const shares = segment.shares.length ? segment.shares : mix;
  const guest = segment.kind === "guest";
  const parts = shares.map((part) => {
    const aim = target.find(({ prompt }) => prompt === part.prompt)?.share ?? 0;
    const moves = !guest && Math.abs(aim - part.share) > MOVED;
    return { ...part, way: !moves ? "" : aim === 0 ? "going" : "" };
  });
  if (guest) {
    const by = parts[0]?.by ?? [];
    return [{ prompt: parts[0]?.prompt ?? "", title: segment.title, share: 1, by, way: "guest",
      note: by.length ? `A guest from ${by[0]}` : "A guest" }];
  }
  const coming = target.filter(({ prompt, share }) => share > MOVED && !shares.some((one) => one.prompt === prompt));
  return [...parts, ...coming.map((part) => ({ ...part, share: 0, way: "coming" }))];
}

const percent = (share) => `${Math.round(100 * share)}%`;

/** "Ann, Bea and 3 more". */
export function names(by, most = MOST_NAMES) {
  if (by.length <= most) return by.join(", ");
  return `${by.slice(0, most).join(", ")} and ${by.length - most} more`;
}

// As many children as items; what stays the same is left alone.
function fill(list, items, create, update) {
  while (list.children.length > items.length) list.lastElementChild.remove();
  items.forEach((item, index) => {
    if (!list.children[index]) list.append(create());
    update(list.children[index], item);
  });
}

const words = (className) => make("span", { className, dir: "auto" });
const newPart = () => make("li", {}, words("prompt"), words("percent"), words("by"));
const newVote = () => make("li", {}, words("name"), words("by"), make("div", { className: "bar" }, make("i")));
const newNext = () => make("li", {}, words("title"), words("when"));
