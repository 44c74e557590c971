// What this browser's riffs came from: the server keeps what was asked, not where it was pointed at.

const KEY = "riffbot.origins";
const KEPT = 200;

/** Where a riff came from, or null: { how, of, id, body }, with the name of what it builds on, the
    id of the riff that is (null for an upload), and what was posted. */
export function originOf(riffId) {
  return read().find(([id]) => id === riffId)?.[1] ?? null;
}

/** Remember it across reloads; the oldest is forgotten. */
export function rememberOrigin(riffId, origin) {
  const others = read().filter(([id]) => id !== riffId);
  localStorage.setItem(KEY, JSON.stringify([...others, [riffId, origin]].slice(-KEPT)));
}

function read() {
  try {
    const stored = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(stored) ? stored : [];
  } catch {
    return [];
  }
}

const NAMES = { variation: "variation of", extend: "extension of", remix: "remix of", again: "another take on" };

/** The quiet line under a prompt as [text, name, id], or null: "variation of", "jazz piano". */
export function originLine(riff) {
  const origin = originOf(riff.id);
  if (origin) return [NAMES[origin.how], origin.of, origin.id];
  // Variations and extensions keep the prompt of what they come from.
  if (riff.kind === "variation" || riff.kind === "extend") return [NAMES[riff.kind], riff.prompt, null];
  if (riff.kind === "remix") return ["remix of an earlier sound", "", null];
  return null;
}
