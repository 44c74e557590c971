// The spectrogram that scrolls under the playhead, and below it the mix as a river: both by the
// timeline, so that what comes next can be seen before it is heard.

import { RATE } from "./clocks.js";
import { modulo } from "./joins.js";
import { veil } from "./colours.js";

const COLOURS = veil(0.92);
const STRIPS = 10;
const RIVER = 0.11;
const GAP = 0.035;
const BEND = 0.6 * RATE;

export class Roll {
  #canvas;
  #pen;
  #takes;
  #colours;
  #seconds;
  #playhead;
  #calm;
  #pictures = new Map();
  #shade = null;

  /** `seconds` fit between the edges; the playhead stands at this share of the width. In `calm`
      the picture stands still, and is turned over like a page. */
  constructor(canvas, takes, colours, { seconds, playhead, calm }) {
    this.#canvas = canvas;
    this.#pen = canvas.getContext("2d");
    this.#takes = takes;
    this.#colours = colours;
    [this.#seconds, this.#playhead, this.#calm] = [seconds, playhead, calm];
    takes.addEventListener("picture", ({ detail }) => this.#pictures.delete(detail));
    new ResizeObserver(() => this.#fit()).observe(canvas);
    this.#fit();
  }

  #fit() {
    const { clientWidth, clientHeight } = this.#canvas;
    const density = Math.min(devicePixelRatio, 2);
    this.#canvas.width = Math.max(1, Math.round(clientWidth * density));
    this.#canvas.height = Math.max(1, Math.round(clientHeight * density));
    this.#pictures.clear();
    const shade = this.#pen.createLinearGradient(0, 0, this.#canvas.width, 0);
    const at = this.#playhead;
    const stops = this.#calm
      ? [[0, 1], [1, 1]]
      : [[0, 0], [0.06, 0.75], [at, 1], [Math.min(at + 0.004, 1), 0.62], [0.9, 0.5], [1, 0]];
    for (const [place, alpha] of stops) shade.addColorStop(place, `rgba(0,0,0,${alpha})`);
    this.#shade = shade;
  }

  /** Draw with this sample at the playhead; returns where that is, as a share of the width. */
  draw(segments, sample) {
    const pen = this.#pen;
    const { width, height } = this.#canvas;
    const samplesPerPixel = (this.#seconds * RATE) / width;
    const span = width * samplesPerPixel;
    const first = this.#calm ? Math.floor(sample / span) * span : sample - this.#playhead * span;
    // Whole pixels only: a picture that is copied as it is costs least, and stays sharp.
    const origin = Math.round(first / samplesPerPixel);
    const view = { width, height: Math.round(height * (1 - RIVER - GAP)), samplesPerPixel, origin };
    pen.clearRect(0, 0, width, height);
    this.#forget(segments);
    segments.forEach((segment, index) => this.#drawSegment(view, segment, segments[index + 1]));
    this.#drawRiver(view, segments, height);
    pen.globalCompositeOperation = "destination-in";
    pen.fillStyle = this.#shade;
    pen.fillRect(0, 0, width, height);
    pen.globalCompositeOperation = "source-over";
    return this.#calm ? (sample - first) / span : this.#playhead;
  }

  #forget(segments) {
    if (this.#pictures.size <= segments.length + 4) return;
    const shown = new Set(segments.map(({ take }) => take));
    for (const take of this.#pictures.keys()) if (!shown.has(take)) this.#pictures.delete(take);
  }

  #drawSegment(view, segment, next) {
    const picture = this.#pictureOf(segment, view);
    if (!picture) return;
    const pixel = (sample) => Math.round(sample / view.samplesPerPixel) - view.origin;
    const [begin, full] = [pixel(segment.start), pixel(segment.start + segment.fade)];
    const [leave, gone] = next ? [pixel(next.start), pixel(next.start + next.fade)] : [Infinity, Infinity];
    this.#fade(view, picture, segment, begin, full, (share) => share);
    this.#stretch(view, picture, segment, full, leave);
    if (next) this.#fade(view, picture, segment, leave, gone, (share) => 1 - share);
  }

  #fade(view, picture, segment, from, to, alphaOf) {
    for (let strip = 0; strip < STRIPS; strip++) {
      const [a, b] = [strip, strip + 1].map((k) => Math.round(from + ((to - from) * k) / STRIPS));
      this.#pen.globalAlpha = alphaOf((strip + 0.5) / STRIPS);
      this.#stretch(view, picture, segment, a, b);
    }
    this.#pen.globalAlpha = 1;
  }

  // The loop again and again between two pixels.
  #stretch(view, picture, segment, from, to) {
    const end = Math.min(to, view.width);
    let x = Math.max(from, 0);
    const origin = Math.round(segment.origin / view.samplesPerPixel) - view.origin;
    while (x < end) {
      const column = modulo(x - origin, picture.width);
      const run = Math.min(picture.width - column, end - x);
      this.#pen.drawImage(picture, column, 0, run, view.height, x, 0, run, view.height);
      x += run;
    }
  }

  // A take's picture in the size in which it is shown.
  #pictureOf(segment, { height, samplesPerPixel }) {
    const { take, samples } = segment;
    if (!this.#pictures.has(take)) {
      const picture = this.#takes.picture(take);
      if (!picture || height < 1) return null;
      const width = Math.max(1, Math.round(samples / samplesPerPixel));
      const scaled = new OffscreenCanvas(width, height);
      const pen = scaled.getContext("2d");
      pen.imageSmoothingQuality = "high";
      pen.drawImage(coloured(picture), 0, 0, width, height);
      this.#pictures.set(take, scaled);
    }
    return this.#pictures.get(take);
  }

  #drawRiver(view, segments, height) {
    const top = view.height + height * GAP;
    const depth = height * RIVER;
    const x = (sample) => sample / view.samplesPerPixel - view.origin;
    const prompts = [...new Set(segments.flatMap(({ shares }) => shares.map(({ prompt }) => prompt)))];
    if (!prompts.length) prompts.push("");
    const banks = segments.map((segment) => banksOf(segment, prompts));
    prompts.forEach((prompt, index) => {
      this.#pen.fillStyle = this.#colours.of(prompt);
      this.#pen.beginPath();
      this.#shore(view, segments, x, (k) => top + depth * banks[k][index], false);
      this.#shore(view, segments, x, (k) => top + depth * banks[k][index + 1], true);
      this.#pen.fill();
    });
  }

  // One bank of a stream from left to right, or back: level within a segment, bent at joins.
  #shore(view, segments, x, y, back) {
    const points = [];
    segments.forEach(({ start, fade }, k) => {
      const bend = Math.max(fade, BEND);
      if (k) points.push([x(start), y(k - 1)], [x(start + bend), y(k)]);
      else points.push([Math.min(0, x(start)), y(0)]);
    });
    if (!points.length) return;
    points.push([view.width, y(segments.length - 1)]);
    if (back) points.reverse();
    points.forEach(([px, py], k) => {
      if (!k) return this.#pen.lineTo(px, py);
      const [qx, qy] = points[k - 1];
      const middle = (px + qx) / 2;
      this.#pen.bezierCurveTo(middle, qy, middle, py, px, py);
    });
  }
}

// Where streams begin and end, 0 to 1 from the top; what nobody asked for is one of them.
function banksOf({ shares }, prompts) {
  const parts = prompts.map((prompt) => shares.find((one) => one.prompt === prompt)?.share ?? 0);
  const total = parts.reduce((sum, part) => sum + part, 0) || 1;
  let sum = shares.length ? 0 : 0.42;
  const rest = shares.length ? 1 : 0.16;
  const banks = [sum];
  parts.forEach((part, k) => {
    sum += shares.length ? (rest * part) / total : k ? 0 : rest;
    banks.push(sum);
  });
  return banks;
}

function coloured({ width, height, loudness }) {
  const canvas = new OffscreenCanvas(width, height);
  const pen = canvas.getContext("2d");
  const image = pen.createImageData(width, height);
  for (let i = 0; i < loudness.length; i++) image.data.set(COLOURS[loudness[i]], 4 * i);
  pen.putImageData(image, 0, 0);
  return canvas;
}
