// A reader who logs off in one window is logged off in all: the others leave what they show of a patient at once.
"use strict";

(() => {
  const windows = new BroadcastChannel("tocsin.session");
  if (document.documentElement.dataset.loggedOff === undefined) {
    windows.addEventListener("message", () => location.replace("/ended?by=reader#told"));
  } else if (location.hash !== "#told") {
    windows.postMessage("logged-off");
  }
})();
