// Spectrogram pictures on canvases: flat, and bent into a disc.
//
// The PNG is in Riffusion's format: white is silence, black is loud, low frequencies at the
// bottom, one column per 10 ms; stereo keeps its sides in green and blue. Here a picture is
// { width, height, loudness }, with loudness a Uint8Array, 0 silent to 255 loud, row by row.

import { watchMedia } from "./dom.js";
import { ramp } from "./palette.js";

const ramps = { night: ramp("night"), day: ramp("day") };
const painters = new WeakMap();
let colours = ramps.night;

watchMedia("(prefers-color-scheme: light)", (light) => {
  colours = light ? ramps.day : ramps.night;
  for (const canvas of document.querySelectorAll("canvas")) painters.get(canvas)?.();
});

/** Paint a canvas now, and again whenever the colour theme changes while it is in the page. */
export function keepPainted(canvas, paint) {
  painters.set(canvas, paint);
  paint();
}

/** Fetch a picture and read its loudness, stretched to use the whole ramp. */
export async function loadPicture(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error("the picture is missing");
  return readPicture(await response.blob());
}

/** Read a picture's loudness from the bytes of its PNG. */
export async function readPicture(png) {
  const bitmap = await createImageBitmap(png, { colorSpaceConversion: "none" });
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext("2d");
  context.drawImage(bitmap, 0, 0);
  const pixels = context.getImageData(0, 0, width, height).data;
  const loudness = new Uint8Array(width * height);
  for (let i = 0; i < loudness.length; i++) {
    loudness[i] = 255 - ((pixels[4 * i + 1] + pixels[4 * i + 2]) >> 1);
  }
  return { width, height, loudness: stretch(loudness) };
}

// Between the quietest 2% and the loudest 0.2%, or a noisy picture would be all middle tones.
function stretch(loudness) {
  const counts = new Uint32Array(256);
  for (const value of loudness) counts[value]++;
  const level = (share) => {
    let seen = 0;
    return counts.findIndex((count) => (seen += count) >= share * loudness.length);
  };
  const low = level(0.02);
  const span = Math.max(level(0.998) - low, 40);
  return loudness.map((value) => Math.min(Math.max(((value - low) / span) * 255, 0), 255));
}

/** Paint the picture flat; the canvas has the picture's own size. */
export function paintFlat(canvas, { width, height, loudness }) {
  canvas.width = width;
  canvas.height = height;
  paint(canvas, (image) => {
    for (let i = 0; i < loudness.length; i++) setPixel(image, i, loudness[i]);
  });
}

/** Paint the picture bent into a disc: time runs anticlockwise from the top (so that a disc which
    turns clockwise, as records do, brings it to a needle there), low frequencies outermost. */
export function paintDisc(canvas, picture) {
  const size = canvas.width;
  const centre = (size - 1) / 2;
  const outer = size / 2;
  const inner = outer * 0.3;
  paint(canvas, (image) => {
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) {
        const [dx, dy] = [x - centre, y - centre];
        const share = (Math.hypot(dx, dy) - inner) / (outer - inner);
        if (share < 0 || share > 1) continue;
        const turn = (1 - Math.atan2(dx, -dy) / (2 * Math.PI)) % 1;
        setPixel(image, y * size + x, sample(picture, turn, share));
      }
    }
  });
}

// The mean of a small neighbourhood: one pixel of the disc covers several of the picture.
function sample({ width, height, loudness }, turn, depth) {
  const column = Math.floor(turn * width);
  const row = Math.min(Math.floor(depth * height), height - 1);
  let sum = 0;
  for (let d = -1; d <= 1; d++) {
    const near = Math.min(Math.max(row + d, 0), height - 1) * width;
    sum += loudness[near + ((column + width) % width)] + loudness[near + ((column + 1) % width)];
  }
  return Math.round(sum / 6);
}

function paint(canvas, fill) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  fill(image.data);
  context.putImageData(image, 0, 0);
}

function setPixel(data, index, level) {
  const colour = colours[level];
  data[4 * index] = colour[0];
  data[4 * index + 1] = colour[1];
  data[4 * index + 2] = colour[2];
  data[4 * index + 3] = 255;
}

/** Noise that settles as `fraction` goes from 0 to 1, as a diffusion model's picture does. */
export function paintNoise(canvas, fraction) {
  const strength = 165 * (1 - 0.6 * fraction);
  paint(canvas, (image) => {
    for (let i = 0; i < canvas.width * canvas.height; i++) {
      setPixel(image, i, Math.floor(30 + strength * Math.random()));
    }
  });
}

/** A made-up picture for the welcome: four bars of a soft kick, hats and broken chords. */
export function sketchPicture() {
  const [width, height] = [768, 300];
  const bars = [[24, 31, 36, 43], [21, 28, 36, 40], [19, 26, 35, 43], [23, 30, 38, 42]];
  const loudness = new Uint8Array(width * height);
  const decay = (x, period, shift, speed) => Math.exp(-((x - shift + period) % period) / speed);
  for (let x = 0; x < width; x++) {
    const bar = bars[Math.floor((4 * x) / width)];
    const kick = decay(x, 96, 0, 16);
    const hat = decay(x, 96, 48, 9) + 0.6 * decay(x, 48, 0, 6) + 0.25 * decay(x, 24, 12, 4);
    const notes = bar.map((note, k) => [note, 0.3 + 0.7 * decay(x, 192, 48 * k, 70)]);
    for (let y = 0; y < height; y++) {
      const bin = height - 1 - y;
      let level = 0.05 + kick * Math.exp(-bin / 16) + hat * 0.4 * (bin / height) ** 1.1;
      for (const [note, strength] of notes) level += strength * overtones(bin, note);
      loudness[y * width + x] = Math.min(level * 265, 255);
    }
  }
  return { width, height, loudness };
}

// A plucked note's partials, each a narrow ridge that gets fainter upwards.
function overtones(bin, note) {
  let sum = 0;
  for (let partial = 1; partial <= 6; partial++) {
    const gap = (bin - note * partial * 1.12) / (1.6 + 0.25 * partial);
    sum += Math.exp(-gap * gap) / partial ** 0.45;
  }
  return sum;
}
