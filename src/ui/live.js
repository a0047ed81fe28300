// Keeps the page up to date: when the server says that there is something new, the page is read
// again and its parts marked with data-live are exchanged. Forms are never among them. What comes
// from traffic arrives as escaped HTML of our own server and is text here too.
"use strict";
(() => {
  const live = document.getElementById("live");
  const parts = () => Array.from(document.querySelectorAll("[data-live]"));

  // What came of an action is said once; loading the page again must not say it again.
  if (location.search.includes("done=")) history.replaceState(null, "", location.pathname);
  if (!live || parts().length === 0 || !window.EventSource) return;

  let busy = false;
  let wanted = null;

  const say = (state, text) => {
    live.hidden = false;
    live.className = "live " + state;
    if (live.textContent !== text) live.textContent = text;
  };

  const isBeingSelected = (part) => {
    const selection = getSelection();
    return selection && !selection.isCollapsed && part.contains(selection.anchorNode);
  };

  // The same link or element in the fresh part, so that the keyboard stays where it was.
  const counterpart = (part, element) => {
    if (!part.contains(element)) return null;
    const selector = element.id ? "#" + CSS.escape(element.id)
      : element.getAttribute("href") ? `a[href="${CSS.escape(element.getAttribute("href"))}"]` : null;
    return selector && ((fresh) => fresh.querySelector(selector));
  };

  const exchange = (fresh) => {
    for (const part of parts()) {
      const next = fresh.getElementById(part.id);
      if (!next || part.isEqualNode(next) || isBeingSelected(part)) continue;
      for (const open of part.querySelectorAll("details[open][id]")) {
        const same = next.querySelector("#" + CSS.escape(open.id));
        if (same) same.open = true;
      }
      const find = counterpart(part, document.activeElement);
      const copy = document.importNode(next, true);
      part.replaceWith(copy);
      const focused = find && find(copy);
      if (focused) focused.focus({ preventScroll: true });
    }
    document.body.dataset.revision = fresh.body.dataset.revision || "";
  };

  const refresh = async () => {
    if (busy || document.hidden || wanted === null || wanted === document.body.dataset.revision) return;
    busy = true;
    try {
      const answer = await fetch(location.pathname, { headers: { Accept: "text/html" }, cache: "no-store" });
      if (answer.redirected) { location.reload(); return; }
      if (answer.ok) exchange(new DOMParser().parseFromString(await answer.text(), "text/html"));
      wanted = null;
    } catch (error) {
      say("lost", "not connected");
    } finally {
      busy = false;
    }
  };

  const source = new EventSource("/events");
  source.addEventListener("open", () => say("on", "live"));
  source.addEventListener("error", () => say("lost", "not connected"));
  source.addEventListener("refresh", (event) => { wanted = event.data; refresh(); });
  document.addEventListener("visibilitychange", refresh);
})();
