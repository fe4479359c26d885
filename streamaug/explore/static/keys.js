// The keyboard.
"use strict";

/** Whether an element takes keys as text or has a use for them of its own. */
function takesKeys(target, key) {
  if (target.closest("dialog[open]")) return true; // until the next frame, a closed one still has the focus
  if (target.matches("textarea, select, input:not([type=range])")) return true;
  if (target.matches("input[type=range]")) return key.startsWith("Arrow") || key === "Home";
  // Space presses a button. Only the lists of clips and conditions leave it to the player: there, Enter does.
  return key === " " && target.matches("button, a, summary") && !target.closest("#rows, #clips");
}

/** @param {Object} actions What keys do, by key. */
function listen(actions) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || takesKeys(event.target, event.key)) return;
    const digit = /^[0-9]$/.test(event.key) && actions.digit;
    const action = digit ? () => digit(Number(event.key)) : actions[event.key];
    if (!action) return;
    event.preventDefault();
    action(event);
  });
}
