// Chat commands: writing the one that asks for a riff, and reading what somebody typed.

const OPTION = /(?:^|\s)(?:--|[\u2013\u2014](?=[a-z]))([a-z]+)(?:\s*=\s*|\s+)("[^"]*"|\u201c[^\u201d]*\u201d|\S+)/gi;
const PROMPTS = /^\s*!(riff|remix)(?=\s|$)/i;
const TYPED = /^\s*!(\w+)(?=\s|$)/;

/** The message that asks for this riff again (with its seed, for exactly this one), or null: what
    builds on a sound has none. */
export function commandOf(riff, { withSeed }) {
  const start = { text: `!riff ${riff.prompt}`, blend: blendOf(riff), mix: mixOf(riff) }[riff.kind];
  if (!start) return null;
  const parts = [start];
  if (withSeed) parts.push("--seed", riff.seed);
  if (riff.negative) parts.push("--negative", quoted(riff.negative));
  for (const name of ["steps", "guidance", "bpm"]) if (riff[name] != null) parts.push(`--${name}`, riff[name]);
  if (riff.length) parts.push("--length", riff.length.replaceAll(" ", ""));
  if (riff.clip_count > 1 && !(riff.kind === "blend" && riff.clip_count === 5)) parts.push("--clips", riff.clip_count);
  if (riff.sampler) parts.push("--sampler", riff.sampler);
  if (!riff.loop) parts.push("--loop", "no");
  return parts.join(" ");
}

const blendOf = ({ points }) => points.length === 2 && `!blend ${points[0].prompt} -> ${points[1].prompt}`;

function mixOf({ points }) {
  const even = points.every(({ weight }) => weight === points[0].weight);
  return points.length > 1 && `!blend ${points.map((p) => (even ? p.prompt : `${p.prompt}:${p.weight}`)).join(" + ")}`;
}

const quoted = (text) => `"${text.replaceAll('"', "'")}"`;

/** What was typed, together with what the options panel says, as one command. Commands that take
    none of it stay as they are. `options` are [name, value] pairs; `to` makes a blend. */
export function completed(text, options) {
  const command = TYPED.exec(text)?.[1].toLowerCase();
  if (!options.length || (command && !["riff", "blend"].includes(command))) return text;
  const to = options.find(([name]) => name === "to")?.[1];
  const rest = options.filter(([name]) => name !== "to");
  const written = rest.map(([name, value]) => `--${name} ${/\s/.test(value) ? quoted(value) : value}`);
  let line = command ? text.trim() : `!riff ${text.trim()}`;
  if (to && command !== "blend") {
    const { prompt } = readLine(line);
    const typed = [...line.matchAll(OPTION)].map(([whole]) => whole.trim());
    line = [`!blend ${prompt} -> ${to}`, ...typed].join(" ");
  }
  return [line, ...written].join(" ");
}

/** Whether this can be read as a prompt, and not as a command that means something else. */
export function isPrompt(text) {
  return PROMPTS.test(text) || !TYPED.test(text);
}

/** A typed line as { prompt, options }. */
export function readLine(text) {
  const words = text.replace(PROMPTS, "");
  const options = {};
  for (const [, name, value] of words.matchAll(OPTION)) {
    options[name.toLowerCase()] = value.replace(/^["\u201c]|["\u201d]$/g, "");
  }
  return { prompt: words.replace(OPTION, "").replace(/\s+/g, " ").trim(), options };
}

/** How many characters of a message count as the prompt: all but the command and its options. */
export function promptLength(message) {
  return [...readLine(message).prompt].length;
}
