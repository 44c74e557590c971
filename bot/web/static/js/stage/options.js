// What the stage's address says after its question mark.
//
//   layout      wide (a whole picture), bar (along the bottom), corner (a card). Default wide.
//   corner      bottom-right, bottom-left, top-right, top-left. Default bottom-right.
//   background  transparent or solid. Default solid; transparent inside OBS.
//   sound       on or off: off where the sound comes from elsewhere, as from /live.mp3. Default on.
//   volume      0 to 100. Default 100.
//   scale       size of everything, 0.5 to 3. Default 1.
//   fps         pictures per second, 5 to 60. Default 30.
//   motion      full or reduced. Default: what the system prefers.
//   hide        any of votes, next, names, heard, brand, idle, separated by commas; idle hides all
//               while no session is on.
//
// What is unknown or out of range counts as left out, so that a typing mistake in OBS never leaves
// a black picture.

const CORNERS = ["bottom-right", "bottom-left", "top-right", "top-left"];
const PARTS = ["votes", "next", "names", "heard", "brand", "idle"];

/** Read the options from `location.search`; `inObs` and `calm` (a system that prefers reduced
    motion) settle what it leaves open. */
export function readOptions(search, { inObs = false, calm = false } = {}) {
  const given = new URLSearchParams(search);
  const oneOf = (name, values, otherwise) =>
    values.includes(given.get(name)) ? given.get(name) : otherwise;
  const number = (name, low, high, otherwise) => {
    const text = given.get(name);
    const value = text === null || text.trim() === "" ? NaN : Number(text);
    return value >= low && value <= high ? value : otherwise;
  };
  const hidden = (given.get("hide") ?? "").split(",").map((part) => part.trim());
  return Object.freeze({
    layout: oneOf("layout", ["wide", "bar", "corner"], "wide"),
    corner: oneOf("corner", CORNERS, CORNERS[0]),
    background: oneOf("background", ["transparent", "solid"], inObs ? "transparent" : "solid"),
    sound: oneOf("sound", ["on", "off"], "on") === "on",
    volume: number("volume", 0, 100, 100) / 100,
    scale: number("scale", 0.5, 3, 1),
    fps: number("fps", 5, 60, 30),
    calm: oneOf("motion", ["full", "reduced"], calm ? "reduced" : "full") === "reduced",
    hide: new Set(hidden.filter((part) => PARTS.includes(part))),
    inObs,
  });
}
