// The settings page. It shows what the server lets this person see; the server decides.

import { find, make, setText } from "./dom.js";

const KEY = "riffbot.session";
const SCOPE_HELP = {
  global: "What applies wherever nobody chose otherwise. Limits here are the most that a community can give its people.",
  community: "What applies in this chat. Limits can only be stricter than everywhere.",
  user: "Your own choices, for this tab only.",
};
const HALTS = { paused: "The queue is paused", panic: "Everything is stopped" };
const FROM = {
  here: "Set here",
  default: "Default",
  configuration: "From the configuration file",
};

let session = null;
let scope = "global";
// Only who is in charge may look at queue, people and log.
let watches = false;

async function send(method, path, body) {
  const headers = {};
  if (session) headers["X-Riffbot-Session"] = session;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  } catch {
    throw new Error("I cannot reach Riffbot right now. Is it still running?");
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.error ?? `Riffbot answered with an error (${response.status}).`);
  return answer;
}

async function signIn() {
  session = sessionStorage.getItem(KEY);
  const identity = await send("POST", "/api/session", {});
  session = identity.session;
  sessionStorage.setItem(KEY, session);
  return identity;
}

// What goes wrong with the page as a whole is said on top; with one setting, beside it.
async function attempt(act) {
  const trouble = find("#trouble");
  try {
    await act();
    trouble.hidden = true;
  } catch (error) {
    trouble.textContent = error.message;
    trouble.hidden = false;
    trouble.scrollIntoView({ block: "nearest" });
  }
}

// Settings ------------------------------------------------------------------------------------

async function choose(next) {
  scope = next;
  for (const tab of document.querySelectorAll("[data-scope]")) {
    tab.setAttribute("aria-pressed", String(tab.dataset.scope === scope));
  }
  setText(find("#scope-help"), SCOPE_HELP[scope]);
  find("#changes").replaceChildren();
  find("#toml").value = "";
  show(await send("GET", `/api/settings?scope=${scope}`));
}

function show({ sections }) {
  const list = sections.map(({ title, settings }) =>
    make("section", {}, make("h2", { textContent: title }), ...settings.map(row)),
  );
  const focused = document.activeElement?.id;
  find("#settings").replaceChildren(...list);
  if (focused) document.getElementById(focused)?.focus();
}

function row(setting) {
  const id = `set-${setting.key}`;
  const wrong = make("p", { className: "wrong", hidden: true, id: `${id}-wrong` });
  wrong.setAttribute("role", "alert");
  const input = control(setting, id);
  input.setAttribute("aria-describedby", `${id}-help ${id}-wrong`);
  input.addEventListener("change", () => change(setting, input, wrong));
  const source = make("span", { className: "source" }, make("span", { textContent: whence(setting) }));
  if (setting.set) {
    const reset = make("button", { type: "button", className: "reset", textContent: "Reset" });
    reset.setAttribute("aria-label", `Reset ${setting.key}`);
    reset.addEventListener("click", () => attempt(() => update("POST", "/api/settings/reset", setting.key)));
    source.append(reset);
  }
  const later = setting.consumer ? ` Nothing reads this yet; it is kept for ${setting.consumer}.` : "";
  const help = `${setting.help} ${setting.range[0].toUpperCase()}${setting.range.slice(1)}.${later}`;
  return make(
    "div",
    { className: "row", data: { set: String(setting.set) } },
    make("label", { htmlFor: id, textContent: setting.key }),
    make("div", { className: "field" }, input, source, wrong),
    make("p", { className: "help", id: `${id}-help`, textContent: help }),
  );
}

function control({ control: { type, choices, unset }, value, entries }, id) {
  if (type === "choice") {
    const options = choices.map((one) => make("option", { value: one, textContent: one }));
    const select = make("select", { id }, ...options);
    select.value = value;
    return select;
  }
  if (type === "list") {
    return make("textarea", { id, spellcheck: false, value: entries.join("\n") });
  }
  const mode = type === "number" ? "decimal" : "text";
  const input = make("input", { id, type: "text", inputMode: mode, autocomplete: "off", value });
  // An empty field, so that nobody has to delete words that are no value.
  if (unset) Object.assign(input, { placeholder: unset, value: value === unset ? "" : value });
  return input;
}

function whence({ source, limited, adds_up }) {
  const from = FROM[source] ?? `Set for ${source}`;
  if (adds_up) return "Adds to what applies outside";
  return limited ? `${from}, cut to what is allowed` : from;
}

async function change({ key, entries }, input, wrong) {
  try {
    await update("PUT", "/api/settings", key, entries ? input.value.split("\n") : input.value);
  } catch (error) {
    wrong.textContent = error.message;
    wrong.hidden = false;
    input.setAttribute("aria-invalid", "true");
  }
}

async function update(method, path, key, value) {
  show(await send(method, path, { scope, key, value }));
  if (watches) await watch();
}

// What is going on ----------------------------------------------------------------------------

function fill(list, items, empty) {
  find(list).replaceChildren(...(items.length ? items : [make("li", { className: "note", textContent: empty })]));
}

async function watch() {
  const { halt, people, queue, log } = await send("GET", "/api/moderation");
  const state = find("#state");
  setText(state, HALTS[halt] ?? "Riffs are being made");
  state.toggleAttribute("data-halt", Boolean(halt));
  find("#pause").hidden = Boolean(halt);
  find("#unpause").hidden = halt !== "paused";
  find("#panic").hidden = halt === "panic";
  find("#skip").hidden = halt === "panic";
  find("#resume").hidden = halt !== "panic";
  fill("#queue", queue.map(({ prompt, name }) => make("li", { textContent: `“${prompt}” by ${name}` })), "Nothing is waiting.");
  fill("#people", people.map(person), "Nobody is blocked.");
  fill("#log", log.map((line) => make("li", { textContent: line })), "Nothing was done yet.");
}

function person({ user, name, reason, until }) {
  const end = until ? ` until ${new Date(until * 1000).toLocaleString()}` : "";
  const back = make("button", { type: "button", className: "act", textContent: "Let back in" });
  back.addEventListener("click", () => attempt(() => command(`!unblock ${user}`)));
  return make("li", {}, `${name}${end}${reason ? ` (${reason})` : ""} `, back);
}

async function command(text) {
  await send("POST", "/api/chat", { text });
  await watch();
}

// The file ------------------------------------------------------------------------------------

async function exported() {
  find("#toml").value = (await send("GET", `/api/settings/export?scope=${scope}`)).toml;
  find("#changes").replaceChildren();
}

async function imported(dryRun) {
  const body = { scope, toml: find("#toml").value, dry_run: dryRun };
  const { changes } = await send("POST", "/api/settings/import", body);
  if (!dryRun) show(await send("GET", `/api/settings?scope=${scope}`));
  const lines = changes.map((line) => make("li", { textContent: dryRun ? line : `Done: ${line}` }));
  fill("#changes", lines, "That changes nothing.");
  await watch();
}

function wire() {
  for (const tab of document.querySelectorAll("[data-scope]")) {
    tab.addEventListener("click", () => attempt(() => choose(tab.dataset.scope)));
  }
  for (const button of document.querySelectorAll("[data-command]")) {
    button.addEventListener("click", () => attempt(() => command(button.dataset.command)));
  }
  find("#panic").addEventListener("click", () => find("#sure").showModal());
  find("#sure").addEventListener("close", () => {
    if (find("#sure").returnValue === "yes") attempt(() => command("!panic"));
    find("#sure").returnValue = "";
  });
  find("#export").addEventListener("click", () => attempt(exported));
  find("#check").addEventListener("click", () => attempt(() => imported(true)));
  find("#apply").addEventListener("click", () => attempt(() => imported(false)));
}

async function start() {
  const { role } = await signIn();
  if (role === "owner") {
    for (const part of ["#controls", "#file", "#watch"]) find(part).hidden = false;
    wire();
    watches = true;
    await choose("community");
    await watch();
    setInterval(() => document.hidden || watch().catch(() => {}), 5000);
    return;
  }
  setText(find("#state"), "You are not signed in as owner");
  for (const tab of document.querySelectorAll("[data-scope]:not([data-scope=user])")) tab.hidden = true;
  wire();
  await choose("user");
}

attempt(start);
