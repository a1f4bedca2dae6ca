"use strict";
// Has the page follow the loop: where the server says that something has changed, each part that differs is replaced
// by what a page that is loaded anew has in its place. Without this script the page is the same, and stands still.
const lost = document.getElementById("lost");
const filter = document.getElementById("filter");
let [pause, asked] = [0, 0];

async function refresh() {
  const answer = await fetch(location.href);
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const other = fresh.getElementById(part.id);
    if (!other || part.innerHTML === other.innerHTML) continue;
    const open = [...part.querySelectorAll("details[open]")].map((one) => one.id);
    const [focused, left] = [document.activeElement?.id, part.querySelector(".scroll")?.scrollLeft ?? 0];
    part.replaceChildren(...other.childNodes);
    open.forEach((id) => document.getElementById(id)?.setAttribute("open", ""));
    if (part.querySelector(".scroll")) part.querySelector(".scroll").scrollLeft = left;
    if (focused && part.querySelector(`#${CSS.escape(focused)}`)) document.getElementById(focused).focus();
  }
  document.title = fresh.title;
  lost.hidden = true;
}

// One at a time: of two answers the older one could come last, and stay. Whoever asks meanwhile has it asked once more.
async function tried() {
  if (asked++) return;
  for (let seen = 0; seen < asked; await refresh().catch(() => { lost.hidden = false; })) seen = asked;
  asked = 0;
}

function follow() {
  const source = new EventSource("/api/events");
  source.onopen = () => lost.hidden || tried();  // nothing may have changed meanwhile
  source.onmessage = tried;
  source.onerror = () => {
    lost.hidden = false;
    if (source.readyState === EventSource.CLOSED) setTimeout(follow, 1000);
  };
}

filter?.addEventListener("input", () => {
  clearTimeout(pause);
  pause = setTimeout(() => {
    history.replaceState(null, "", `?${new URLSearchParams(new FormData(filter))}`);
    tried();
  }, 150);
});
follow();
