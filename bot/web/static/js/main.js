// The local chat: wires the room, the player and the message box to the server.

import { Api } from "./api.js";
import { Attachment } from "./attachment.js";
import { completed, isPrompt, readLine } from "./commands.js";
import { Composer } from "./composer.js";
import { announce, find, hueOf, setText } from "./dom.js";
import { rememberOrigin } from "./lineage.js";
import { Options } from "./options.js";
import { Player } from "./player.js";
import { RoomSocket } from "./socket.js";
import { keepPainted, paintDisc, sketchPicture } from "./spectrogram.js";
import { showExamples, Stream } from "./stream.js";
import { positionText } from "./words.js";

const EXAMPLES = [
  "lo-fi beat with rain",
  "jazz piano melody",
  "church bells on sunday",
  "techno synth, driving bass",
  "acoustic folk guitar",
  "chiptune arpeggio",
];
const AUTOPLAY_KEY = "riffbot.autoplay";
const STUDIO_WORDS = { ready: "Ready", starting: "Warming up", broken: "Not working" };

const api = new Api();
const player = new Player();
const socket = new RoomSocket(api);
const stream = new Stream({
  player,
  send: (text) => say(() => composer.send(text)),
  follow: (riff, how, body) => say(() => follow({ how, of: riff.prompt, id: riff.id, body })),
  retry: (origin) => say(() => (origin.id ? follow(origin) : remix(origin))),
  cancel: (id) => api.cancel(id),
  refuse: (error) => composer.refuse(error),
  isOwner: () => api.identity?.role === "owner",
  show: (id) => {
    const card = stream.card(id);
    if (card) card.comeForward();
    else announce("That riff is not in the room any more.");
  },
});
const composer = new Composer((text, typed) => say(() => (typed ? postTyped(text) : post(text))));
const options = new Options(() => noteExtras());
const attachment = new Attachment((file) => api.upload(file), {
  onChange: () => noteExtras(),
  onTrouble: (error) => composer.refuse(error),
});

// Riffs this tab asked for and when: they may start by themselves.
const asked = new Map();
// Ids the socket spoke of while the room was being read: its word is newer.
let newer = new Set();

function say(act) {
  player.unlock();
  return act();
}

// What is chosen in the panel and what is attached belong to what is typed, not to buttons.
async function postTyped(text) {
  if (attachment.source && isPrompt(text)) {
    const { prompt, options: typed } = readLine(text);
    const { source, strength, name } = attachment;
    const body = { ...Object.fromEntries(options.pairs), ...typed, prompt, source, strength };
    await remix({ how: "remix", of: name, id: null, body });
  } else {
    const line = options.open && !text.startsWith("!") ? `!riff ${text}` : text;
    await post(completed(line, options.pairs));
  }
}

async function post(text) {
  const { riff, reply, file } = await api.chat(text);
  if (riff) return took(riff);
  const help = text.trim().startsWith("!");
  stream.reply(text, reply, help ? null : () => say(() => composer.send(`!riff ${text}`)), file);
  announce(reply);
  showWelcome();
  stream.toBottom();
}

async function follow(origin) {
  composer.clearRefusal();
  took(await api.follow(origin.id, origin.how, origin.body), origin);
}

async function remix(origin) {
  took(await api.riff(origin.body), origin);
}

function took(riff, origin = null) {
  asked.set(riff.id, performance.now());
  newer.add(riff.id);
  if (origin) rememberOrigin(riff.id, origin);
  if (stream.card(riff.id)) stream.card(riff.id).showOrigin();
  else stream.put(riff);
  showWelcome();
  stream.toBottom();
}

// With something attached or chosen, what is typed is a prompt without any command.
function noteExtras() {
  composer.expectPrompt(options.open || options.pairs.length > 0 || attachment.source !== null);
}

function showWelcome() {
  find("#welcome").hidden = stream.hasRiffs;
}

function showStudio(state, detail) {
  find("#studio").dataset.state = state;
  setText(find("#studio [data-text]"), state === "reconnecting" ? "Reconnecting…" : STUDIO_WORDS[state]);
  const trouble = find("#trouble");
  trouble.hidden = !detail || !(state === "broken" || state === "starting");
  trouble.dataset.tone = state === "starting" ? "calm" : "loud";
  setText(trouble, trouble.hidden ? "" : detail);
}

function showIdentity({ name, role }) {
  setText(find("#my-name"), name);
  find("#my-reel").style.setProperty("--hue", hueOf(name));
  find("#owner-badge").hidden = role !== "owner";
}

async function readRoom() {
  newer = new Set();
  const { riffs } = await api.room();
  stream.fill(riffs, newer);
  showWelcome();
}

async function onNews({ detail: { card, before } }) {
  showWelcome();
  const { riff } = card;
  const own = riff.requester.you;
  const finished = card.playable && before && !before.clips.length;
  if (own && riff.state === "queued" && before?.position !== riff.position && riff.position) {
    announce(`${riff.prompt}: ${positionText(riff.position)}`);
  }
  if (own && before && ["failed", "expired"].includes(riff.state) && before.state !== riff.state) {
    announce(`${riff.prompt}: ${riff.error ?? "did not work out"}`);
  }
  if (!finished) return;
  const playing = own && mayStart(riff.id) && (await card.playByItself());
  const who = own ? "Your riff" : `A riff by ${riff.requester.name}`;
  announce(`${who}, ${riff.prompt}, is ready${playing ? " and plays" : ""}.`);
}

// By itself a riff interrupts only what played when it was asked for, never a later choice.
function mayStart(id) {
  const since = asked.get(id);
  asked.delete(id);
  return since !== undefined && find("#autoplay").checked && player.touched <= since;
}

function setUpSound() {
  const volume = find("#volume");
  volume.value = Math.round(player.volume * 100);
  volume.addEventListener("input", () => (player.volume = volume.value / 100));
  const autoplay = find("#autoplay");
  autoplay.checked = localStorage.getItem(AUTOPLAY_KEY) !== "off";
  autoplay.addEventListener("change", () => {
    localStorage.setItem(AUTOPLAY_KEY, autoplay.checked ? "on" : "off");
  });
  const opener = find("#sound-button");
  opener.addEventListener("click", () => {
    const open = opener.getAttribute("aria-expanded") !== "true";
    opener.setAttribute("aria-expanded", String(open));
    find("#sound").dataset.open = String(open);
  });
  player.addEventListener("change", () => {
    const card = stream.cardOfClip(player.playing?.id);
    document.title = card ? `▶ ${card.riff.prompt} · Riffbot` : "Riffbot";
  });
}

// Space plays and pauses wherever it means nothing else.
function onSpace(event) {
  if (event.key !== " " || event.target !== document.body || event.repeat) return;
  const card = stream.cardOfClip(player.last?.id) ?? stream.latestPlayable;
  if (!card) return;
  event.preventDefault();
  card.toggle();
}

// The link printed at start carries the owner's token; it must not stay in the address bar.
async function readOwnerLink() {
  const match = /^#owner=(.+)$/.exec(location.hash);
  if (!match) return;
  history.replaceState(null, "", location.pathname + location.search);
  try {
    await api.becomeOwner(decodeURIComponent(match[1]));
    announce("You are the owner now.");
  } catch (error) {
    composer.refuse(error);
  }
}

function wire() {
  api.addEventListener("identity", ({ detail }) => {
    showIdentity(detail);
    stream.refresh();
    socket.restartAs(detail.session);
  });
  socket.addEventListener("up", () => readRoom().catch(() => socket.restart()));
  socket.addEventListener("down", () => showStudio("reconnecting"));
  socket.addEventListener("studio", ({ detail }) => showStudio(detail.state, detail.detail));
  socket.addEventListener("riff", ({ detail }) => {
    newer.add(detail.id);
    stream.put(detail);
  });
  socket.addEventListener("preview", ({ detail }) => stream.card(detail.id)?.preview(detail.png));
  stream.addEventListener("news", onNews);
  addEventListener("keydown", onSpace);
  addEventListener("hashchange", readOwnerLink);
  for (const help of document.querySelectorAll("[data-help]")) {
    help.addEventListener("click", () => composer.send("!riffhelp"));
  }
}

async function start() {
  setUpSound();
  wire();
  showExamples(EXAMPLES, (text) => {
    say(() => composer.send(text));
    composer.focus();
  });
  const sketch = sketchPicture();
  const disc = find("#welcome-disc");
  keepPainted(disc, () => paintDisc(disc, sketch));
  await readOwnerLink();
  await socket.start();
}

start();
