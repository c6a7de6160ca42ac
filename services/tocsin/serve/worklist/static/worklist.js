// Moves between rows by the arrow keys while a row has the focus; without script Tab does the same.
"use strict";

const links = Array.from(document.querySelectorAll("[data-rows] .who a"));

document.addEventListener("keydown", (event) => {
  const at = links.indexOf(document.activeElement);
  if (at < 0 || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) {
    return;
  }
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: links.length - 1 }[event.key];
  if (to !== undefined && links[to] !== undefined) {
    event.preventDefault();
    links[to].focus();
    links[to].closest("li").scrollIntoView({ block: "nearest" });
  }
});
