// A picture read off a sound, for takes that have none: the loop that ships, and sounds of others.

const SIZE = 4096;
const COLUMNS_PER_SECOND = 50;
const ROWS = 128;
const [LOWEST, HIGHEST] = [40, 10000];
const RANGE = 48;

const turns = Float32Array.from({ length: SIZE / 2 }, (_, k) => Math.cos((2 * Math.PI * k) / SIZE));
const halves = Float32Array.from({ length: SIZE / 2 }, (_, k) => Math.sin((2 * Math.PI * k) / SIZE));
const bell = Float32Array.from({ length: SIZE }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / SIZE));

/** { width, height, loudness } of a loop, pitches spaced evenly from 40 Hz to 10 kHz. */
export function analyse(buffer) {
  const samples = buffer.getChannelData(0);
  const width = Math.max(1, Math.round(buffer.duration * COLUMNS_PER_SECOND));
  const levels = new Float32Array(width * ROWS);
  let loudest = -Infinity;
  for (let x = 0; x < width; x++) {
    const power = spectrum(samples, Math.round((x / width) * samples.length) - SIZE / 2);
    for (let y = 0; y < ROWS; y++) {
      const level = band(power, 1 - (y + 1) / ROWS, 1 - y / ROWS, buffer.sampleRate);
      levels[y * width + x] = level;
      loudest = Math.max(loudest, level);
    }
  }
  const loudness = Uint8Array.from(levels, (level) =>
    Math.min(Math.max(((level - loudest + RANGE) / RANGE) * 255, 0), 255),
  );
  return { width, height: ROWS, loudness };
}

// The loudest between two heights, 0 to 1, in dB; between bins it goes evenly.
function band(power, low, high, rate) {
  const bin = (height) => (LOWEST * (HIGHEST / LOWEST) ** height * SIZE) / rate;
  const between = (place) => {
    const [k, share] = [Math.floor(place), place % 1];
    return power[k] ** (1 - share) * power[k + 1] ** share;
  };
  let most = Math.max(1e-12, between(bin(low)), between(bin(high)));
  for (let k = Math.ceil(bin(low)); k < bin(high); k++) most = Math.max(most, power[k]);
  return 10 * Math.log10(most);
}

// Radix 2, decimation in time (Cooley and Tukey 1965).
function spectrum(samples, first) {
  const [re, im] = [new Float32Array(SIZE), new Float32Array(SIZE)];
  const bits = Math.log2(SIZE);
  for (let i = 0; i < SIZE; i++) {
    let turned = 0;
    for (let b = 0; b < bits; b++) turned |= ((i >> b) & 1) << (bits - 1 - b);
    const at = (((first + i) % samples.length) + samples.length) % samples.length;
    re[turned] = samples[at] * bell[i];
  }
  for (let half = 1; half < SIZE; half *= 2) {
    const step = SIZE / (2 * half);
    for (let start = 0; start < SIZE; start += 2 * half) {
      for (let k = 0; k < half; k++) {
        const [a, b] = [start + k, start + k + half];
        const [c, s] = [turns[k * step], -halves[k * step]];
        const [x, y] = [re[b] * c - im[b] * s, re[b] * s + im[b] * c];
        [re[b], im[b]] = [re[a] - x, im[a] - y];
        [re[a], im[a]] = [re[a] + x, im[a] + y];
      }
    }
  }
  return Float32Array.from({ length: SIZE / 2 }, (_, k) => re[k] ** 2 + im[k] ** 2);
}
