// Small helpers for the page's elements.

/** The first match of `selector`. */
export const find = (selector, root = document) => root.querySelector(selector);

/** A fresh copy of the only element in `<template id=…>`. */
export function stamp(id) {
  return document.getElementById(id).content.firstElementChild.cloneNode(true);
}

/** An element with properties, `data`/`aria` attributes and children. */
export function make(tag, { data = {}, aria = {}, ...properties } = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  Object.assign(element.dataset, data);
  for (const [name, value] of Object.entries(aria)) element.setAttribute(`aria-${name}`, value);
  element.append(...children);
  return element;
}

/** An icon of the page's sprite, hidden from screen readers. */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#i-${name}`);
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
}

/** Set text only where it differs, so that live regions and selections stay quiet. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A stable colour angle for a name, away from the red that means trouble. */
export function hueOf(name) {
  let hash = 2166136261;
  for (const character of name) hash = Math.imul(hash ^ character.codePointAt(0), 16777619);
  return 60 + ((hash >>> 0) % 270);
}

const announced = { polite: null, assertive: null };

/** Say a sentence to screen readers; `polite` waits for a pause, `assertive` does not. */
export function announce(sentence, urgency = "polite") {
  const region = document.getElementById(urgency);
  // Clearing first makes the same sentence twice in a row heard twice.
  region.textContent = "";
  clearTimeout(announced[urgency]);
  announced[urgency] = setTimeout(() => (region.textContent = sentence), 60);
}

/** Calls `listener` now and whenever the media query changes. */
export function watchMedia(query, listener) {
  const media = matchMedia(query);
  media.addEventListener("change", () => listener(media.matches));
  listener(media.matches);
}
