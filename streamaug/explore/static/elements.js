// Make elements. Text of a store becomes text of an element, never markup.
"use strict";

/** An element of the page by its id. */
const byId = (id) => document.getElementById(id);

/**
 * A new element.
 * @param {string} name Tag.
 * @param {Object} properties Properties such as className; names with a hyphen are attributes.
 * @param {...(Node|string)} children Elements and texts.
 */
function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.includes("-")) made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children);
  return made;
}

/** A table with a heading for each row: [[heading, text], ...]. */
function listing(pairs) {
  const rows = pairs.map(([heading, text]) => element("tr", {}, element("th", { scope: "row" }, heading), element("td", {}, text)));
  return element("table", {}, element("tbody", {}, ...rows));
}
