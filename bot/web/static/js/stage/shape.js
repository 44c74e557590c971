// The mix as a moving shape: one lobe of colour for every prompt, as wide as its share, on an edge
// that the music pushes. Only its outline moves with the beat; its brightness does not.

import { RATE } from "./clocks.js";
import { modulo } from "./joins.js";

const POINTS = 96;
const BANDS = 12;
const SETTLE = 0.35;
const FOLLOW = 0.14;

export class Shape {
  #canvas;
  #pen;
  #takes;
  #colours;
  #calm;
  #shares = new Map();
  #bands = new Float32Array(BANDS);
  #energies = new WeakMap();
  #last = null;

  constructor(canvas, takes, colours, { calm }) {
    this.#canvas = canvas;
    this.#pen = canvas.getContext("2d");
    this.#takes = takes;
    this.#colours = colours;
    this.#calm = calm;
    const fit = () => {
      canvas.width = canvas.height = Math.max(1, Math.round(canvas.clientWidth * Math.min(devicePixelRatio, 2)));
    };
    new ResizeObserver(fit).observe(canvas);
    fit();
  }

  /** Draw what is heard at `sample`, within this segment; `time` in seconds, `bar` in samples. */
  draw(segment, sample, time, bar) {
    const passed = this.#last === null ? 1 : Math.min(Math.max(time - this.#last, 0), 0.25);
    this.#last = time;
    this.#settle(segment?.shares ?? [], passed);
    this.#listen(segment, sample, passed);
    const turn = this.#calm || !bar ? 0 : (sample / bar) * (Math.PI / 8);
    this.#paint(turn);
  }

  #settle(shares, passed) {
    const near = 1 - Math.exp(-passed / SETTLE);
    for (const { prompt } of shares) if (!this.#shares.has(prompt)) this.#shares.set(prompt, 0);
    for (const [prompt, value] of this.#shares) {
      const wanted = shares.find((one) => one.prompt === prompt)?.share ?? 0;
      const now = value + near * (wanted - value);
      if (wanted === 0 && now < 0.004) this.#shares.delete(prompt);
      else this.#shares.set(prompt, now);
    }
  }

  #listen(segment, sample, passed) {
    const near = 1 - Math.exp(-passed / FOLLOW);
    const picture = !this.#calm && segment ? this.#takes.picture(segment.take) : null;
    const energies = picture && this.#energiesOf(picture);
    const at = energies
      ? Math.floor((modulo(sample - segment.origin, segment.samples) / segment.samples) * picture.width)
      : 0;
    for (let band = 0; band < BANDS; band++) {
      const wanted = energies ? energies[at * BANDS + band] : 0.35;
      this.#bands[band] += near * (wanted - this.#bands[band]);
    }
  }

  // Mean loudness of bands, low to high, by column.
  #energiesOf(picture) {
    if (this.#energies.has(picture)) return this.#energies.get(picture);
    const { width, height, loudness } = picture;
    const energies = new Float32Array(width * BANDS);
    for (let y = 0; y < height; y++) {
      const band = Math.min(BANDS - 1, Math.floor(((height - 1 - y) / height) * BANDS));
      for (let x = 0; x < width; x++) {
        energies[x * BANDS + band] += (loudness[y * width + x] * BANDS) / (255 * height);
      }
    }
    this.#energies.set(picture, energies);
    return energies;
  }

  #paint(turn) {
    const pen = this.#pen;
    const size = this.#canvas.width;
    pen.clearRect(0, 0, size, size);
    pen.save();
    pen.translate(size / 2, size / 2);
    pen.fillStyle = this.#gradient();
    pen.globalAlpha = 0.22;
    this.#contour(size * 0.405, size * 0.085, turn, 1);
    pen.fill();
    pen.globalAlpha = 0.96;
    this.#contour(size * 0.34, size * 0.075, turn, 0);
    pen.fill();
    pen.globalCompositeOperation = "destination-out";
    pen.globalAlpha = 1;
    pen.beginPath();
    pen.arc(0, 0, size * 0.225, 0, 2 * Math.PI);
    pen.fill();
    pen.restore();
  }

  // Low bands at the top, high ones at the bottom, alike on both sides; a slow swell besides.
  #contour(radius, reach, turn, layer) {
    const pen = this.#pen;
    const points = Array.from({ length: POINTS }, (_, i) => {
      const angle = (2 * Math.PI * i) / POINTS;
      const place = (Math.abs(Math.PI - angle) / Math.PI) * (BANDS - 1);
      const [band, share] = [Math.floor(place), place % 1];
      const push = (1 - share) * this.#bands[band] + share * this.#bands[Math.min(band + 1, BANDS - 1)];
      const swell = Math.sin(3 * angle + 5 * turn + 2 * layer) + 0.7 * Math.sin(5 * angle - 7 * turn);
      const length = radius + reach * (0.9 * push - 0.35) + 0.16 * reach * swell;
      return [length * Math.sin(angle), -length * Math.cos(angle)];
    });
    pen.beginPath();
    points.forEach(([x, y], i) => {
      const [nx, ny] = points[(i + 1) % POINTS];
      if (!i) pen.moveTo((points[POINTS - 1][0] + x) / 2, (points[POINTS - 1][1] + y) / 2);
      pen.quadraticCurveTo(x, y, (x + nx) / 2, (y + ny) / 2);
    });
    pen.closePath();
  }

  // Soft where two prompts meet, for that is how they sound.
  #gradient() {
    const gradient = this.#pen.createConicGradient(-Math.PI / 2, 0, 0);
    const parts = [...this.#shares];
    if (!parts.length) parts.push(["", 1]);
    const total = parts.reduce((sum, [, share]) => sum + share, 0) || 1;
    let at = 0;
    const soft = (share) => Math.min(0.035, share / 3);
    parts.forEach(([prompt, value]) => {
      const share = value / total;
      const colour = this.#colours.of(prompt);
      const edge = parts.length > 1 ? soft(share) : 0;
      gradient.addColorStop(Math.min(1, at + edge), colour);
      gradient.addColorStop(Math.min(1, Math.max(0, at + share - edge)), colour);
      at += share;
    });
    return gradient;
  }
}

/** Samples in a bar of four beats. */
export const barOf = ({ loop, beats, bpm }) => (beats ? (4 * loop) / beats : (240 * RATE) / bpm);
