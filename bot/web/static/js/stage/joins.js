// How one sound goes while the next comes: the law of the server's own renderer
// (`bot.live.timeline.fade_gains`), so that the page, /live.mp3 and an export sound the same.

const POINTS = 513;

/** Gains of what leaves and what comes, `progress` (0 to 1) of the way through a join of sounds
    with this correlation: equal power, levelled by what alike sounds add (Fink, Holters, Zölzer,
    DAFx 2016). */
export function fadeGains(progress, correlation) {
  const angle = (Math.PI / 2) * Math.min(Math.max(progress, 0), 1);
  const [leaving, coming] = [Math.cos(angle), Math.sin(angle)];
  const alike = Math.min(Math.max(correlation, 0), 1);
  const level = Math.sqrt(1 + 2 * alike * leaving * coming);
  return [leaving / level, coming / level];
}

/** Both as curves for `AudioParam.setValueCurveAtTime`, which draws straight lines between the
    points: 513 of them are within 2e-6 of the law. */
export function fadeCurves(correlation) {
  const [leaving, coming] = [new Float32Array(POINTS), new Float32Array(POINTS)];
  for (let i = 0; i < POINTS; i++) {
    [leaving[i], coming[i]] = fadeGains(i / (POINTS - 1), correlation);
  }
  return { leaving, coming };
}

/** How alike a loop is to itself `lag` samples later, from sample `first` over `length`: 0 to 1. */
export function likeness(samples, first, lag, length) {
  const period = samples.length;
  let [both, one, other] = [0, 0, 0];
  for (let i = 0; i < length; i++) {
    const a = samples[modulo(first + i, period)];
    const b = samples[modulo(first + lag + i, period)];
    both += a * b;
    one += a * a;
    other += b * b;
  }
  return one * other > 0 ? Math.min(Math.max(both / Math.sqrt(one * other), 0), 1) : 0;
}

/** The remainder that is never negative. */
export const modulo = (value, period) => ((value % period) + period) % period;
