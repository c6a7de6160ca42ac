// Zoom, move, compare and keys. The page says and does everything without this script; nothing of it leaves the browser.
"use strict";

(() => {
  const STEP = 1.25, LARGEST = 16, SMALLEST = 0.1, PAN = 0.25;
  const stages = [...document.querySelectorAll(".stage")].map(prepared);
  const together = document.getElementById("together");
  if (together) together.closest("p").hidden = false;

  function prepared(stage) {
    const image = stage.querySelector("img");
    const tools = document.querySelector(`.tools[data-for="${stage.id}"]`);
    const view = { stage, image, tools, scale: 1, whole: true, quiet: false };
    const ready = () => { tools.hidden = false; show(view); };
    const lost = () => { image.hidden = true; stage.querySelector(".lost").hidden = false; };
    if (image.complete) (image.naturalWidth ? ready : lost)();
    image.addEventListener("load", ready);
    image.addEventListener("error", lost);
    tools.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button) act(view, button.dataset.do);
    });
    stage.addEventListener("scroll", () => { if (!view.quiet) follow(view); view.quiet = false; });
    stage.addEventListener("wheel", (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      act(view, event.deltaY < 0 ? "in" : "out");
    }, { passive: false });
    drag(view);
    return view;
  }

  function fitting({ stage, image }) {
    const height = Math.min(innerHeight * 0.72, image.naturalHeight);
    return Math.min(stage.clientWidth / image.naturalWidth, height / image.naturalHeight, 1);
  }

  function act(view, what, alone = false) {
    const { stage } = view;
    const middle = centre(view);
    const now = view.whole ? fitting(view) : view.scale;
    if (what === "in" || what === "out") {
      view.scale = Math.min(LARGEST, Math.max(SMALLEST, what === "in" ? now * STEP : now / STEP));
      view.whole = false;
    } else if (what === "fit") {
      view.whole = true;
    } else if (what === "own") {
      view.scale = 1 / devicePixelRatio;
      view.whole = false;
    } else {
      const [x, y] = { left: [-1, 0], right: [1, 0], up: [0, -1], down: [0, 1] }[what];
      stage.scrollBy(x * stage.clientWidth * PAN, y * stage.clientHeight * PAN);
      return;
    }
    show(view);
    centreOn(view, middle);
    if (!alone) others(view).forEach((each) => act(each, what, true));
  }

  function show(view) {
    const { stage, image, tools, whole } = view;
    const scale = whole ? fitting(view) : view.scale;
    stage.classList.toggle("moved", !whole);
    stage.classList.toggle("grab", !whole);
    stage.classList.toggle("sharp", scale * devicePixelRatio >= 3);
    image.style.width = whole ? "" : `${image.naturalWidth * scale}px`;
    stage.style.height = whole ? "" : `${Math.max(stage.clientHeight, Math.min(innerHeight * 0.72, image.naturalHeight * fitting(view)))}px`;
    tools.querySelector(".zoom").textContent = `${Math.round(scale * devicePixelRatio * 100)} %`;
  }

  function centre({ stage }) {
    return [
      (stage.scrollLeft + stage.clientWidth / 2) / stage.scrollWidth,
      (stage.scrollTop + stage.clientHeight / 2) / stage.scrollHeight,
    ];
  }

  function centreOn({ stage }, [x, y]) {
    stage.scrollTo(x * stage.scrollWidth - stage.clientWidth / 2, y * stage.scrollHeight - stage.clientHeight / 2);
  }

  function others(view) {
    return together && together.checked ? stages.filter((each) => each !== view) : [];
  }

  function follow(view) {
    for (const each of others(view)) {
      each.quiet = true;
      centreOn(each, centre(view));
    }
  }

  function drag(view) {
    const { stage } = view;
    let from = null;
    stage.addEventListener("pointerdown", (event) => {
      if (view.whole || event.button !== 0) return;
      from = [event.clientX + stage.scrollLeft, event.clientY + stage.scrollTop];
      stage.setPointerCapture(event.pointerId);
      stage.classList.add("held");
      event.preventDefault();
      stage.focus({ preventScroll: true });
    });
    stage.addEventListener("pointermove", (event) => {
      if (from) stage.scrollTo(from[0] - event.clientX, from[1] - event.clientY);
    });
    for (const end of ["pointerup", "pointercancel"]) {
      stage.addEventListener(end, () => { from = null; stage.classList.remove("held"); });
    }
  }

  // Keys: one alone acts only where the reader leaves it on, and never while they type or choose.
  const keys = document.querySelector(".keys");
  const on = document.getElementById("keys-on");
  const KEPT = "tocsin.keys";
  const kept = () => { try { return localStorage.getItem(KEPT); } catch { return null; } };
  if (keys) {
    keys.hidden = false;
    on.checked = kept() !== "off";
    on.addEventListener("change", () => { try { localStorage.setItem(KEPT, on.checked ? "on" : "off"); } catch { /* not kept */ } });
  }
  const first = document.getElementById("act-first");
  const doing = {
    v: () => first && first.focus(),
    a: () => { if (first && first.value === "accept") { first.checked = true; first.focus(); } },
    "+": () => stages[0] && act(stages[0], "in"),
    "-": () => stages[0] && act(stages[0], "out"),
    0: () => stages[0] && act(stages[0], "fit"),
    1: () => stages[0] && act(stages[0], "own"),
  };
  document.addEventListener("keydown", (event) => {
    const busy = event.ctrlKey || event.altKey || event.metaKey || event.target.closest("select, textarea, input:not([type=radio]):not([type=checkbox])");
    if (!on || !on.checked || busy || !Object.hasOwn(doing, event.key)) return;
    event.preventDefault();
    doing[event.key]();
  });
  addEventListener("resize", () => stages.forEach((view) => { if (view.image.naturalWidth) show(view); }));
})();
