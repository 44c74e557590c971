// A clip's own page: the server wrote everything that is to be read, this brings the player.

import { Deck } from "./deck.js";
import { announce, find, setText } from "./dom.js";
import { Player } from "./player.js";
import { Steps } from "./steps.js";

const player = new Player();
const shelf = document.getElementById("decks");
if (shelf) build(JSON.parse(shelf.dataset.riff), Number(shelf.dataset.index));
offerCopying();

function build(riff, index) {
  const clip = riff.clips.find((one) => one.index === index);
  const deck = new Deck(player, clip, riff.prompt, say);
  shelf.append(deck.element);
  addEventListener("keydown", (event) => {
    if (event.key !== " " || event.target !== document.body) return;
    event.preventDefault();
    deck.toggle();
  });
  if (riff.clips.length < 2) return;
  const steps = new Steps(riff, (at) => {
    const { id } = riff.clips[at];
    if (id !== clip.id) location.assign(`/clip/${id}`);
  });
  steps.choose(riff.clips.indexOf(clip));
  shelf.append(steps.element);
}

function say(sentence) {
  const note = document.getElementById("note");
  note.hidden = false;
  setText(note, sentence);
}

// Where the page is not secure, browsers keep the clipboard to themselves, and there is no button.
function offerCopying() {
  const button = document.getElementById("copy");
  if (!button || !navigator.clipboard) return;
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(find("#command").textContent);
    } catch {
      return say("The browser did not allow copying.");
    }
    setText(button, "Copied");
    announce("Command copied");
    setTimeout(() => setText(button, "Copy"), 2000);
  });
}
