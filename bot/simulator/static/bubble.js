// Draws one message. Text becomes text nodes, never markup: a device may be called <script>.

const TAGS = {
  bold: "strong",
  italic: "em",
  underline: "u",
  strikethrough: "s",
  code: "code",
  pre: "pre",
  blockquote: "blockquote",
  expandable_blockquote: "blockquote",
};

export function element(tag, className = "", ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

export function timeOf(at) {
  return new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}

export function dayOf(at) {
  const day = new Date(at);
  const today = new Date();
  const yesterday = new Date(today.getFullYear(), today.getMonth(), today.getDate() - 1);
  if (day.toDateString() === today.toDateString()) return "Today";
  if (day.toDateString() === yesterday.toDateString()) return "Yesterday";
  const year = day.getFullYear() === today.getFullYear() ? undefined : "numeric";
  return day.toLocaleDateString([], { weekday: "long", day: "numeric", month: "long", year });
}

// The part of `text` between two offsets, with its entities (offsets in UTF-16, as in JavaScript).
export function formatted(text, entities, actions, from = 0, to = text.length) {
  const nodes = [];
  let at = from;
  let rest = entities;
  while (rest.length > 0) {
    const [entity] = rest;
    const begin = Math.max(entity.offset, at);
    const end = Math.min(entity.offset + entity.length, to);
    const inner = rest.slice(1).filter((other) => other.offset < end);
    rest = rest.slice(1).filter((other) => other.offset >= end);
    if (end <= begin) continue;
    nodes.push(text.slice(at, begin));
    const made = entityElement(entity, text.slice(begin, end), actions);
    made.append(...formatted(text, inner, actions, begin, end));
    nodes.push(made);
    at = end;
  }
  nodes.push(text.slice(at, to));
  return nodes;
}

function entityElement(entity, covered, actions) {
  if (entity.type === "text_link" || entity.type === "url") return link(entity.url ?? covered);
  if (entity.type === "bot_command") return command(covered, actions);
  if (entity.type === "spoiler") return spoiler();
  return element(TAGS[entity.type] ?? "span");
}

function link(address) {
  const made = element("a");
  const url = parsed(address);
  if (!url) return element("span");
  made.href = url.href;
  made.target = "_blank";
  made.rel = "noopener noreferrer";
  return made;
}

function parsed(address) {
  try {
    const url = new URL(address.includes("://") ? address : `http://${address}`);
    return ["http:", "https:", "tg:"].includes(url.protocol) ? url : null;
  } catch {
    return null;
  }
}

function command(covered, actions) {
  const made = element("button", "command");
  made.type = "button";
  made.addEventListener("click", () => actions.say(covered));
  return made;
}

function spoiler() {
  const made = element("button", "spoiler");
  made.type = "button";
  made.addEventListener("click", () => made.classList.add("seen"));
  return made;
}

export function bubble(item, replied, actions) {
  const body = element("div", "bubble");
  if (replied) body.append(element("p", "replied", summary(replied)));
  if (item.photo_url) body.append(photo(item, actions));
  const text = element("div", "text");
  if (item.text) text.append(...formatted(item.text, item.entities, actions));
  text.append(stamp(item));
  body.append(text);
  const row = element("li", `message ${item.from}${item.photo_url ? " with-photo" : ""}`, body);
  row.dataset.id = item.id;
  if (item.buttons.length > 0) row.append(keyboard(item, actions));
  return row;
}

function summary(item) {
  return item.text || "Photo";
}

function stamp(item) {
  const time = element("time", "", timeOf(item.at));
  time.dateTime = new Date(item.at).toISOString();
  time.title = new Date(item.at).toLocaleString();
  const made = element("span", "stamp");
  if (item.edited_at !== null) {
    const edited = element("span", "edited", "edited");
    edited.title = new Date(item.edited_at).toLocaleString();
    made.append(edited, " ");
  }
  made.append(time);
  return made;
}

function photo(item, actions) {
  const image = element("img");
  image.src = item.photo_url;
  image.alt = summary(item);
  [image.width, image.height] = item.photo_size;
  const made = element("button", "photo", image);
  made.type = "button";
  made.title = "Enlarge";
  made.addEventListener("click", () => actions.enlarge(item));
  return made;
}

function keyboard(item, actions) {
  const rows = item.buttons.map((row) =>
    element("div", "keys", ...row.map((button) => key(item, button, actions))),
  );
  return element("div", "keyboard", ...rows);
}

function key(item, button, actions) {
  if (button.url !== undefined) {
    const made = link(button.url);
    made.classList.add("key", "outside");
    made.append(button.text);
    return made;
  }
  const made = element("button", "key", button.text);
  made.type = "button";
  made.addEventListener("click", () => actions.press(item, button.data, made));
  return made;
}
