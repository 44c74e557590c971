// Two ramps from silence to full loudness for spectrogram pictures.
//
// Both run along the blue-yellow axis with lightness strictly monotone, which is what protan and
// deutan eyes keep; and their 256 colours are equally far apart in OKLab (Ottosson 2020), so equal
// steps of loudness look equal. Night goes from midnight blue to lamplight, day from paper to ink.

// [lightness 0…1, chroma, hue in degrees] in OKLCH.
const NIGHT = [
  [0.16, 0.03, 264],
  [0.3, 0.085, 264],
  [0.45, 0.075, 258],
  [0.6, 0.035, 230],
  [0.74, 0.07, 92],
  [0.86, 0.125, 84],
  [0.975, 0.045, 95],
];
const DAY = [
  [0.985, 0.006, 95],
  [0.92, 0.035, 88],
  [0.8, 0.03, 110],
  [0.66, 0.045, 235],
  [0.5, 0.085, 258],
  [0.34, 0.105, 266],
  [0.19, 0.06, 268],
];

const FINE = 2048;

/** 256 colours as [red, green, blue] bytes: index 0 is silence, 255 the loudest. */
export function ramp(theme) {
  const path = smooth((theme === "day" ? DAY : NIGHT).map(toLab));
  const along = [0];
  for (let i = 1; i < path.length; i++) along.push(along[i - 1] + distance(path[i - 1], path[i]));
  const total = along[along.length - 1];
  const colours = [];
  for (let step = 0, i = 1; step < 256; step++) {
    const target = (total * step) / 255;
    while (i < along.length - 1 && along[i] < target) i++;
    const share = (target - along[i - 1]) / (along[i] - along[i - 1]);
    colours.push(toBytes(mix(path[i - 1], path[i], share)));
  }
  return colours;
}

function toLab([lightness, chroma, hue]) {
  const angle = (hue * Math.PI) / 180;
  return [lightness, chroma * Math.cos(angle), chroma * Math.sin(angle)];
}

// A Catmull-Rom spline through the points, so that no kink shows as a band.
function smooth(points) {
  const path = [];
  const last = points.length - 1;
  for (let i = 0; i <= FINE; i++) {
    const at = (i / FINE) * last;
    const k = Math.min(Math.floor(at), last - 1);
    const t = at - k;
    const [p0, p1, p2, p3] = [-1, 0, 1, 2].map((d) => points[Math.min(Math.max(k + d, 0), last)]);
    path.push(p1.map((_, c) => catmullRom(p0[c], p1[c], p2[c], p3[c], t)));
  }
  return path;
}

function catmullRom(a, b, c, d, t) {
  const cubic = 3 * (b - c) + d - a;
  const square = 2 * a - 5 * b + 4 * c - d;
  return b + 0.5 * t * (c - a + t * (square + t * cubic));
}

const mix = (a, b, share) => a.map((value, c) => value + (b[c] - value) * share);
const distance = (a, b) => Math.hypot(...a.map((value, c) => value - b[c]));

// OKLab → linear sRGB → sRGB; the matrices are those of the definition.
function toBytes([lightness, a, b]) {
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ].map((linear) => {
    const level = Math.min(Math.max(linear, 0), 1);
    return Math.round(255 * (level <= 0.0031308 ? 12.92 * level : 1.055 * level ** (1 / 2.4) - 0.055));
  });
}
