// What the page says: times, stages, shares.

const STAGES = {
  reading: "Reading the prompt",
  drawing: "Drawing the picture",
  sounding: "Turning it into sound",
  encoding: "Packing the loop",
};

/** "just now", "4 min ago", "14:05", "3 Mar, 14:05"; both times in Unix seconds. */
export function relativeTime(then, now = Date.now() / 1000) {
  const age = now - then;
  if (age < 45) return "just now";
  if (age < 3600) return `${Math.max(1, Math.round(age / 60))} min ago`;
  const date = new Date(then * 1000);
  const clock = date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  if (date.toDateString() === new Date(now * 1000).toDateString()) return clock;
  return `${date.toLocaleDateString([], { day: "numeric", month: "short" })}, ${clock}`;
}

/** What a running riff is doing. */
export function stageText(progress) {
  if (!progress) return "Setting up";
  const { stage, done, total } = progress;
  if (stage === "drawing" && total > 1) return `Drawing · step ${done} of ${total}`;
  return STAGES[stage] ?? "Working";
}

/** Where a waiting riff stands; `position` counts from 1. */
export function positionText(position) {
  if (!position) return "Waiting for its turn";
  if (position === 1) return "Next in line";
  return `${ordinal(position)} in line`;
}

function ordinal(n) {
  const ending = { one: "st", two: "nd", few: "rd", other: "th" };
  return n + ending[new Intl.PluralRules("en", { type: "ordinal" }).select(n)];
}

/** "about 8 s", "about 3 min". */
export function aboutSeconds(seconds) {
  return seconds < 90 ? `about ${Math.max(1, Math.ceil(seconds))} s` : `about ${Math.round(seconds / 60)} min`;
}

/** A number without needless decimals: 5.12 → "5.12", 4.2031 → "4.2". */
export function brief(number, digits = 1) {
  return String(Number(number.toFixed(digits)));
}

/** A share as "25 %". */
export function percent(share) {
  return `${Math.round(share * 100)} %`;
}
