// The dashboard: which page is shown, and when it asks the API again.

import { addingPage } from "./adding.js";
import { CHANGED } from "./deeds.js";
import { devicePage } from "./device.js";
import { element } from "./dom.js";
import { fleetPage } from "./fleet.js";
import { peoplePage } from "./people.js";
import { Refused } from "./rest.js";

const RETRY_MS = 2000;
const LOOK_MS = 1000;
const connection = document.getElementById("connection");
const view = document.getElementById("view");

let page = null;
let offsetMs = 0; // the server's clock minus ours
let timer = null;
let round = 0; // a newer round makes the answers of an older one void

function pageAt(path) {
  if (path === "/people") return peoplePage();
  if (path === "/add") return addingPage();
  const device = /^\/devices\/([^/]+)$/.exec(path);
  return device ? devicePage(decodeURIComponent(device[1])) : fleetPage();
}

function open(path) {
  page?.close();
  page = pageAt(path);
  document.title = page.title;
  show(page.node);
  refresh();
}

async function refresh() {
  clearTimeout(timer);
  const mine = (round += 1);
  let pause = RETRY_MS;
  try {
    const serverMs = await page.refresh();
    if (mine !== round) return;
    offsetMs = serverMs - Date.now();
    pause = page.pauseMs;
    show(page.node);
    say("live", "live");
  } catch (problem) {
    if (mine !== round) return;
    fail(problem);
  }
  page.tick(Date.now() + offsetMs);
  if (!document.hidden) timer = setTimeout(refresh, pause);
}

/** Between the rounds, what others have done about an alert that is open: it is to be seen at once. */
async function look() {
  const mine = page;
  try {
    if (!document.hidden) await mine.look?.();
    if (mine === page) mine.tick(Date.now() + offsetMs);
  } catch {
    // The next round says what is wrong.
  }
  setTimeout(look, LOOK_MS);
}

function show(node) {
  if (view.firstChild !== node) view.replaceChildren(node);
}

function fail(problem) {
  if (problem instanceof Refused && problem.status === 401) {
    globalThis.location.assign(`/login?next=${encodeURIComponent(location.pathname)}`);
  } else if (problem instanceof Refused && [403, 404].includes(problem.status)) {
    show(element("p", { className: "notice" }, problem.message));
    say("live", "live");
  } else if (problem instanceof Refused) {
    say("lost", `${problem.message} Trying again.`);
  } else {
    say("lost", "connection lost, trying again");
    console.warn(problem);
  }
}

function say(state, text) {
  document.body.classList.toggle("is-lost", state === "lost");
  connection.className = `connection is-${state}`;
  if (connection.textContent !== text) connection.textContent = text;
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) clearTimeout(timer);
  else refresh();
});
document.addEventListener(CHANGED, refresh);
document.addEventListener("click", (click) => {
  const link = click.target.closest("a[data-page]");
  if (!link || click.ctrlKey || click.metaKey || click.shiftKey || click.button) return;
  click.preventDefault();
  history.pushState(null, "", link.href);
  open(location.pathname);
  scrollTo(0, 0);
});
addEventListener("popstate", () => open(location.pathname));
open(location.pathname);
look();
