// The stage of a live session: /stage/KEY?layout=…, see options.js for what may follow.
//
//   feed ─► state ─► panels (words), roll (spectrogram and river), shape (the mix)
//     └───► clocks ─► performer (sound); takes fetches sounds and pictures for all of them
//
// It only looks and listens. What it shows is what is heard, a second behind the server.

import { find, setText } from "../dom.js";
import { RATE, ServerClock } from "./clocks.js";
import { PromptColours } from "./colours.js";
import { StageFeed } from "./feed.js";
import { readOptions } from "./options.js";
import { Panels } from "./panels.js";
import { BEHIND, Performer } from "./performer.js";
import { Roll } from "./roll.js";
import { barOf, Shape } from "./shape.js";
import { Takes } from "./takes.js";
import { fingerprint, upgraded } from "./upgrade.js";

const WORDS = {
  connecting: ["", ""],
  lost: ["One moment", "Riffbot does not answer just now; this page goes on by itself as soon as it does."],
  gone: ["This stage has another address now", "Ask a moderator for the new one: !live key tells them."],
  full: ["The house is full", "Too many look on already; this page tries again by itself."],
  off: ["No live session is on", "It begins here by itself once a moderator types !live start."],
};
const SECONDS = { wide: 11, bar: 9, corner: 7 };
const PLAYHEAD = 0.34;
const LOST_AFTER = 6000;
const WORDS_EVERY = 250;
// It moves slowly, and costs most to draw.
const SHAPE_EVERY = 66;
const REMEMBERED = 30 * RATE;

class StagePage {
  #options = readOptions(location.search, {
    inObs: "obsstudio" in window,
    calm: matchMedia("(prefers-reduced-motion: reduce)").matches,
  });
  #path = `/api/stage/${location.pathname.split("/").filter(Boolean).pop()}`;
  #feed = new StageFeed(this.#path);
  #server = new ServerClock();
  #colours = new PromptColours();
  #panels = new Panels(this.#colours, this.#options.hide);
  #takes = new Takes(this.#path, { withSound: this.#options.sound });
  #performer = this.#options.sound
    ? new Performer(this.#takes, this.#server, this.#options.volume ** 2)
    : null;
  #state = null;
  #shown = [];
  #standing = "connecting";
  #files = null;
  #lostTimer = null;
  #roll = null;
  #shape = null;
  #drawnAt = 0;
  #shapedAt = 0;
  #saidAt = 0;

  start() {
    this.#dress();
    this.#feed.addEventListener("state", ({ detail }) => this.#onState(detail));
    this.#feed.addEventListener("standing", ({ detail }) => this.#onStanding(detail));
    this.#feed.addEventListener("pong", ({ detail }) =>
      this.#server.pong(detail.sent, detail.received, detail.now),
    );
    this.#feed.start();
    // A local file that frames the page (obs.html) wants to know whether it is there.
    addEventListener("message", ({ data, source }) => {
      if (data === "riffbot stage?") source?.postMessage("riffbot stage", "*");
    });
    if (this.#performer) this.#startSound();
    requestAnimationFrame((time) => this.#onFrame(time));
    // Frames stop where nobody looks; words and the timeline do not.
    setInterval(() => this.#tidy(), 1000);
  }

  /** For tests, and for whoever debugs a stage: see Performer.report. */
  get report() {
    return { standing: this.#standing, ...this.#performer?.report };
  }

  #dress() {
    const { layout, corner, background, scale, calm, hide } = this.#options;
    Object.assign(document.body.dataset, { layout, corner, background, calm });
    document.documentElement.style.setProperty("--scale", scale);
    find(".brand").hidden = hide.has("brand");
    const look = { calm };
    find("#stage").hidden = false;
    this.#roll = new Roll(find("#roll"), this.#takes, this.#colours, {
      ...look,
      seconds: SECONDS[layout],
      playhead: PLAYHEAD,
    });
    this.#shape = new Shape(find("#shape"), this.#takes, this.#colours, look);
    find("#stage").hidden = true;
  }

  #startSound() {
    const button = find("#unlock");
    this.#performer.addEventListener("playing", () => (button.hidden = true));
    this.#performer.addEventListener("blocked", () => (button.hidden = this.#options.inObs));
    button.addEventListener("click", () => this.#performer.unlock());
    this.#performer.start();
  }

  #onState(state) {
    const another = state?.session !== this.#state?.session;
    this.#state = state;
    if (!state) {
      this.#shown = [];
      this.#performer?.silence();
    } else {
      if (another) {
        this.#shown = [];
        this.#server.forget();
        this.#feed.pingAgain();
      }
      this.#server.hint(performance.now(), state.now);
      this.#remember(state.segments);
      this.#takes.want(this.#shown);
      this.#performer?.play(state.session, state.segments);
    }
    this.#say();
  }

  // What is over for the server is still to be seen to the left of the playhead, without words
  // that may have been taken back since.
  #remember(segments) {
    const first = segments[0]?.number ?? Infinity;
    const past = this.#shown.filter(({ number }) => number < first);
    this.#shown = [...past, ...segments];
    this.#colours.keep(this.#shown.flatMap(({ shares }) => shares.map(({ prompt }) => prompt)));
  }

  async #onStanding(standing) {
    this.#standing = standing;
    clearTimeout(this.#lostTimer);
    if (standing === "up") {
      this.#server.forget();
      if (this.#state) this.#server.hint(performance.now(), this.#state.now);
      await this.#reloadIfUpgraded();
    } else if (standing === "gone") {
      this.#onState(null);
    } else {
      // Short losses are nobody's business: the music goes on meanwhile.
      this.#lostTimer = setTimeout(() => this.#say(), this.#state ? LOST_AFTER : 0);
      return;
    }
    this.#say();
  }

  async #reloadIfUpgraded() {
    const files = await fingerprint();
    if (files === null) return;
    if (this.#files !== null && upgraded(this.#files, files)) location.reload();
    this.#files = files;
  }

  #say() {
    const on = this.#state !== null && this.#standing !== "gone";
    const what = on ? (this.#standing === "lost" ? "lost" : null)
      : this.#standing === "up" ? "off" : this.#standing;
    const [title, text] = WORDS[what] ?? ["", ""];
    const idle = what === "off" || what === "lost" || what === "full";
    find("#stage").hidden = !on;
    find("#word").hidden = !title || (on && what === "lost") || (idle && this.#options.hide.has("idle"));
    setText(find("#word-title"), title);
    setText(find("#word-text"), text);
    Object.assign(document.body.dataset, { standing: this.#standing, on });
  }

  get #sample() {
    const time = performance.now();
    return this.#performer?.heardAt(time) ?? this.#server.sampleAt(time) - BEHIND * RATE;
  }

  #tidy() {
    if (!this.#state || !this.#server.known) return;
    const sample = this.#sample;
    const over = (index) => this.#shown[index + 1]?.start < sample - REMEMBERED;
    this.#shown = this.#shown.filter((_, index) => !over(index));
  }

  #onFrame(time) {
    requestAnimationFrame((next) => this.#onFrame(next));
    const least = 1000 / this.#options.fps;
    if (time - this.#drawnAt < least - 4 || !this.#state || !this.#server.known) return;
    this.#drawnAt = time;
    const sample = this.#sample;
    const heard = this.#shown.filter(({ start }) => start <= sample).pop() ?? this.#shown[0];
    const place = this.#roll.draw(this.#shown, sample);
    if (this.#options.calm) find("#playhead").style.left = `${(100 * place).toFixed(2)}%`;
    if (time - this.#shapedAt >= SHAPE_EVERY - 4) {
      this.#shapedAt = time;
      this.#shape.draw(heard, sample, time / 1000, barOf(this.#state.grid));
    }
    if (time - this.#saidAt >= WORDS_EVERY) {
      this.#saidAt = time;
      this.#panels.show(this.#state, heard, sample);
    }
  }
}

const page = new StagePage();
page.start();
window.riffbotStage = page;
