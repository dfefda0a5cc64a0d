// The chat page: asks the feed for what is new, draws it, and sends what is typed and pressed.

import { bubble, dayOf, element } from "./bubble.js";

const ASK_EVERY_MS = 1000;
const ASK_SOON_MS = 250; // just after something was sent
const SOON_FOR_MS = 5000;
const ASK_HIDDEN_MS = 5000;
const PRESS_LASTS_MS = 10000;
const TOAST_MS = 4000;

const $ = (id) => document.getElementById(id);
const [log, scroller, composer, text] = ["log", "scroller", "composer", "text"].map($);

const items = new Map();
let version = -1;
let commands = [];
let sentAt = 0;
let unread = 0;
let timer = null;
let isAsking = false;
let toastTimer = null;

const actions = { say, press, enlarge };

// What is new

async function ask() {
  clearTimeout(timer);
  if (isAsking) return;
  isAsking = true;
  try {
    const response = await fetch(`${document.body.dataset.feed}?since=${version}`);
    if (!response.ok) throw new Error(response.statusText);
    take(await response.json());
  } catch {
    show("away");
  } finally {
    isAsking = false;
    timer = setTimeout(ask, pause());
  }
}

function pause() {
  if (document.hidden) return ASK_HIDDEN_MS;
  return Date.now() - sentAt < SOON_FOR_MS ? ASK_SOON_MS : ASK_EVERY_MS;
}

function take(feed) {
  if (feed.version < version) return startAgain(); // the chat was emptied
  const isFirst = version < 0;
  const stays = isFirst || isAtEnd();
  version = feed.version;
  feed.items.forEach(put);
  feed.notices.forEach(notice);
  setCommands(feed.commands);
  show(feed.is_typing ? "typing" : feed.is_listening ? "listening" : "deaf");
  $("typing").hidden = !feed.is_typing;
  $("empty").hidden = items.size > 0;
  if (stays) toEnd();
  else if (feed.items.some((item) => item.from === "bot" && item.edited_at === null)) offerEnd();
  if (!isFirst) count(feed.items.filter((item) => item.from === "bot" && item.edited_at === null));
}

function startAgain() {
  items.clear();
  log.replaceChildren();
  version = -1;
}

function put(item) {
  const old = log.querySelector(`[data-id="${item.id}"]`);
  items.set(item.id, item);
  const made = bubble(item, items.get(item.reply_to), actions);
  if (old) return redraw(old, made);
  const last = log.lastElementChild;
  const day = dayOf(item.at);
  if (last?.dataset.day !== day) log.append(element("li", "day", day));
  else if (last.classList.contains(item.from)) made.classList.add("follows");
  made.dataset.day = day;
  log.append(made);
}

function redraw(old, made) {
  made.dataset.day = old.dataset.day;
  made.classList.toggle("follows", old.classList.contains("follows"));
  old.replaceWith(made);
}

function notice(answer) {
  const pressed = log.querySelectorAll(`[data-id="${answer.message_id}"] .pressed`);
  pressed.forEach((key) => key.classList.remove("pressed"));
  if (!answer.text) return;
  if (!answer.is_alert) return toast(answer.text);
  $("alert-text").textContent = answer.text;
  if (!$("alert").open) $("alert").showModal();
}

function show(state) {
  $("status").textContent = {
    listening: "bot",
    typing: "typing…",
    deaf: "not answering",
    away: "connecting…",
  }[state];
  document.body.dataset.state = state;
  const hint = {
    deaf:
      "The bot is not answering: it is not running or cannot reach this server." +
      " Look at what “fleetpulse up” prints, or start it with “fleetpulse bot”.",
    away: "No connection to fleetpulse. Is it running? Trying again…",
  }[state];
  $("hint").hidden = !hint;
  if (hint && $("hint").textContent !== hint) $("hint").textContent = hint;
}

function count(news) {
  unread = document.hidden ? unread + news.length : 0;
  document.title = unread > 0 ? `(${unread}) fleetpulse chat` : "fleetpulse chat";
}

// What the user does

async function send(body) {
  sentAt = Date.now();
  try {
    const response = await fetch(document.body.dataset.messages, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error((await response.json()).detail);
    return true;
  } catch (problem) {
    toast(`Not sent. ${problem.message}`);
    return false;
  } finally {
    ask();
  }
}

async function say(words) {
  closeMenu();
  toEnd();
  return send({ text: words });
}

async function press(item, data, key) {
  key.classList.add("pressed");
  setTimeout(() => key.classList.remove("pressed"), PRESS_LASTS_MS);
  const isSent = await send({ button: data, message_id: item.id });
  if (!isSent) key.classList.remove("pressed");
}

async function submit() {
  const words = text.value.trim();
  if (!words) return;
  text.value = "";
  fit();
  const isSent = await say(words);
  if (!isSent && !text.value) text.value = words;
  fit();
}

function fit() {
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight}px`;
  $("send").disabled = !text.value.trim();
}

function enlarge(item) {
  $("viewed").src = item.photo_url;
  $("viewed").alt = item.text || "Photo";
  $("viewed-caption").textContent = item.text;
  $("viewer").showModal();
}

// The command menu

function setCommands(menu) {
  if (JSON.stringify(menu) === JSON.stringify(commands)) return;
  commands = menu;
  $("suggestions").replaceChildren(...menu.slice(0, 6).map(suggestion));
  if (!$("menu").hidden) openMenu("");
}

function suggestion(command) {
  const made = element("button", "key", `/${command.command}`);
  made.type = "button";
  made.title = command.description;
  made.addEventListener("click", () => say(`/${command.command}`));
  return made;
}

function openMenu(typed) {
  const fitting = commands.filter(({ command }) => `/${command}`.startsWith(typed));
  $("menu").replaceChildren(...fitting.map(entry));
  $("menu").hidden = fitting.length === 0;
  $("menu-button").setAttribute("aria-expanded", String(fitting.length > 0));
}

function entry({ command, description }) {
  const made = element("button", "entry", element("b", "", `/${command}`), " ", description);
  made.type = "button";
  made.setAttribute("role", "menuitem");
  made.addEventListener("click", () => {
    text.value = "";
    fit();
    say(`/${command}`);
  });
  return made;
}

function closeMenu() {
  $("menu").hidden = true;
  $("menu-button").setAttribute("aria-expanded", "false");
}

function toggleMenu() {
  if (!$("menu").hidden) return closeMenu();
  if (commands.length === 0) return toast("The bot has not sent its commands yet.");
  openMenu("");
}

// Scrolling and small notices

function isAtEnd() {
  return scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 80;
}

function toEnd() {
  scroller.scrollTop = scroller.scrollHeight;
  $("newer").hidden = true;
}

function offerEnd() {
  $("newer").hidden = false;
}

function toast(words) {
  clearTimeout(toastTimer);
  $("toast").textContent = words;
  $("toast").hidden = false;
  toastTimer = setTimeout(() => ($("toast").hidden = true), TOAST_MS);
}

composer.addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});
text.addEventListener("keydown", (event) => {
  if (event.key === "Escape") closeMenu();
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  submit();
});
text.addEventListener("input", () => {
  fit();
  if (/^\/\w*$/.test(text.value)) openMenu(text.value);
  else closeMenu();
});
$("menu-button").addEventListener("click", toggleMenu);
$("newer").addEventListener("click", toEnd);
$("viewer").addEventListener("click", (event) => {
  if (event.target !== $("viewed-caption")) $("viewer").close();
});
scroller.addEventListener("scroll", () => isAtEnd() && ($("newer").hidden = true));
scroller.addEventListener("click", closeMenu);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  count([]);
  ask();
});
new ResizeObserver(() => $("newer").hidden && toEnd()).observe(scroller);
ask();
