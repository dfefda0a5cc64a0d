// The page of people: who is told, in which chats, and how a chat becomes somebody's.

import { channelsPanel, isChannel } from "./channels.js";
import { attempt, deedButton, somethingChanged } from "./deeds.js";
import { element, field, keyed, setClass, setText } from "./dom.js";
import { panel } from "./fleet.js";
import { may } from "./me.js";
import { pairingCard } from "./pairing.js";
import * as rest from "./rest.js";

const ROLES = ["owner", "viewer"];
const HOW_TO = "Adding and removing needs a key with the scope admin, or this machine's own browser.";

export function peoplePage() {
  const isAdmin = may("admin");
  const card = pairingCard();
  const form = personForm(showCode);
  const people = peopleList({ addChat: showCode, change: form.fill });
  const listed = element("ul", { className: "chats" });
  const listedRows = new Map();
  const listedPanel = panel("Chats from the settings", tools(), listed,
    element("p", { className: "hint" }, "They are an owner's of everything, and are removed in the settings (FLEETPULSE_TELEGRAM_CHATS)."));
  const groups = groupsPanel();
  const channels = channelsPanel();
  const node = element("div", { className: "page" },
    element("section", { className: "device-top" },
      element("h1", {}, "People and their chats"),
      element("p", { className: "about" }, "Alerts go to the chats of the people whose devices they are about.")),
    card.node,
    panel("People", tools(), people.node),
    isAdmin ? form.node : element("p", { className: "notice" }, HOW_TO),
    groups.node,
    listedPanel,
    channels.node);

  async function showCode(person) {
    const made = await rest.codeFor(person.name);
    card.show(person.name, made, rest.serverNow());
    somethingChanged();
  }

  return {
    node,
    title: "People - fleetpulse",
    /** Somebody who waits for a chat to be paired, or for a test, wants to see it. */
    get pauseMs() {
      if (channels.isTrying()) return 1000;
      return card.isWaiting() ? 2000 : 5000;
    },
    async refresh() {
      const [known, chats, grouped] = await Promise.all([rest.people(), rest.chats(), rest.groups()]);
      people.update(known, chats);
      const nobodys = chats.filter((chat) => chat.person === null && !isChannel(chat));
      listedPanel.hidden = !nobodys.length;
      keyed(listed, listedRows, nobodys, ({ target }) => target, () => chatRow(false));
      groups.update(grouped);
      channels.update(chats.filter(isChannel));
      card.update(chats);
      return rest.serverNow();
    },
    tick(nowMs) {
      card.tick(nowMs);
      channels.tick(nowMs);
    },
    close() {},
  };
}

const tools = () => element("div", { className: "tools" });

/** "every device", or the devices, groups and kinds. */
const ownWords = ({ owns }) => (owns.length ? owns.join(", ") : "every device");

function peopleList({ addChat, change }) {
  const list = element("ul", { className: "people" });
  const none = element("p", { className: "empty" }, "Nobody has been added yet.");
  const rows = new Map();
  return {
    node: element("div", {}, list, none),
    update(people, chats) {
      none.hidden = people.length > 0;
      const found = people.map((person) => ({ ...person, chats: chats.filter((chat) => chat.person === person.name) }));
      keyed(list, rows, found, ({ name }) => name, (person) => personRow(person, { addChat, change }));
    },
  };
}

function personRow({ name }, { addChat, change }) {
  const role = element("span", { className: "pill" });
  const owns = element("span", { className: "owns" });
  const chats = element("ul", { className: "chats" });
  const none = element("p", { className: "empty" }, "No chat yet.");
  const says = element("span", { className: "says is-failed", role: "status" });
  const rows = new Map();
  let shown = null;
  const remove = async () => {
    if (!confirm(`Remove ${name}? Their chats are then told and answered no more.`)) return;
    if (await attempt(() => rest.removePerson(name), says)) somethingChanged();
  };
  const buttons = may("admin") ? [
    deedButton("Add a chat", name, () => attempt(() => addChat(shown), says)),
    deedButton("Change", name, async () => change(shown)),
    deedButton("Remove person", name, remove),
  ] : [];
  return {
    node: element("li", {},
      element("div", { className: "line" }, element("strong", {}, name), role, owns),
      chats, none,
      element("div", { className: "deeds" }, ...buttons, says)),
    update(person) {
      shown = person;
      setClass(role, `pill ${person.role === "owner" ? "is-ok" : "is-unknown"}`);
      setText(role, person.role);
      setText(owns, ownWords(person));
      none.hidden = person.chats.length > 0;
      keyed(chats, rows, person.chats, ({ target }) => target, () => chatRow(may("admin")));
    },
  };
}

function chatRow(isRemovable) {
  const title = element("span", { className: "chat-title" });
  const target = element("span", { className: "kind" });
  const hears = element("span", { className: "hears" });
  const says = element("span", { className: "says is-failed", role: "status" });
  const node = element("li", { className: "line" }, title, target, hears);
  let shown = null;
  const remove = async () => {
    if (!confirm(`Remove the chat ${nameOf(shown)}? It is then told and answered no more.`)) return;
    if (await attempt(() => rest.removeChat(shown.target), says)) somethingChanged();
  };
  let button = null;
  return {
    node,
    update(chat) {
      shown = chat;
      setText(title, nameOf(chat));
      setText(target, chat.title ? chat.target : "");
      setText(hears, chat.active ? `hears ${chat.hears}` : "is told nothing: it has blocked the bot, or was left");
      if (isRemovable && button === null) {
        button = deedButton("Remove chat", nameOf(chat), remove);
        node.append(button, says);
      }
    },
  };
}

const nameOf = ({ title, target }) => title || target;

/** The selectors in a text, divided by commas or spaces. */
const selectorsIn = (text) => text.split(/[\s,]+/).filter(Boolean);

function personForm(showCode) {
  const name = element("input", { type: "text", name: "name", required: true, maxLength: 64, autocomplete: "off" });
  const role = element("select", { name: "role" }, ...ROLES.map((each) => element("option", { value: each }, each)));
  const owns = element("input", { type: "text", name: "owns", placeholder: "every device", autocomplete: "off", spellcheck: false });
  const says = element("p", { className: "says", role: "status" });
  const keep = element("button", { type: "submit", className: "plain", value: "keep" }, "Save only");
  const form = element("form", { className: "person", noValidate: true },
    element("div", { className: "fields" },
      field("Name", name),
      field("Role", role, "An owner may acknowledge, snooze and change limits in the chat; a viewer may ask."),
      field("Devices", owns, "Names, patterns such as lab-*, groups such as @lab, kinds such as kind:raspberry; with commas.")),
    element("div", { className: "buttons" }, element("button", { type: "submit", className: "apply", value: "code" }, "Show a code"), keep),
    says);

  form.addEventListener("submit", async (submit) => {
    submit.preventDefault();
    const person = { name: name.value.trim(), role: role.value, owns: selectorsIn(owns.value) };
    const isCodeWanted = submit.submitter?.value !== "keep";
    const isDone = await attempt(async () => {
      await rest.keepPerson(person);
      if (isCodeWanted) await showCode(person);
    }, says);
    says.classList.toggle("is-failed", !isDone);
    if (!isDone) return;
    form.reset();
    setText(says, isCodeWanted ? "" : `${person.name} is kept.`);
    somethingChanged();
  });

  return {
    node: panel("Add a person's chat", tools(), form),
    /** Show what is known of a person, to change it. */
    fill(person) {
      name.value = person.name;
      role.value = person.role;
      owns.value = person.owns.join(", ");
      form.scrollIntoView({ block: "center" });
      owns.focus();
    },
  };
}

function groupsPanel() {
  const list = element("ul", { className: "groups" });
  const none = element("p", { className: "empty" }, "There are none yet: a group is devices under one name, to own, snooze and subscribe to together.");
  const rows = new Map();
  const name = element("input", { type: "text", name: "group", required: true, maxLength: 32, autocomplete: "off", spellcheck: false, placeholder: "lab" });
  const devices = element("input", { type: "text", name: "devices", required: true, autocomplete: "off", spellcheck: false, placeholder: "lab-*, pi-attic" });
  const says = element("p", { className: "says is-failed", role: "status" });
  const form = element("form", { className: "person", noValidate: true },
    element("div", { className: "fields" }, field("Group", name), field("Devices", devices, "Names, and patterns such as lab-*; with commas.")),
    element("div", { className: "buttons" }, element("button", { type: "submit", className: "apply" }, "Save")), says);

  form.addEventListener("submit", async (submit) => {
    submit.preventDefault();
    const group = { name: name.value.trim().replace(/^@/, ""), devices: selectorsIn(devices.value) };
    if (!(await attempt(() => rest.keepGroup(group), says))) return;
    form.reset();
    somethingChanged();
  });

  return {
    node: panel("Groups", tools(), list, none, form),
    update(groups) {
      none.hidden = groups.length > 0;
      keyed(list, rows, groups, (group) => group.name, groupRow);
    },
  };
}

function groupRow({ name }) {
  const devices = element("span", { className: "owns" });
  const says = element("span", { className: "says is-failed", role: "status" });
  const remove = async () => {
    if (!confirm(`Remove the group @${name}? Its devices stay.`)) return;
    if (await attempt(() => rest.removeGroup(name), says)) somethingChanged();
  };
  return {
    node: element("li", { className: "line" }, element("strong", {}, `@${name}`), devices,
      deedButton("Remove group", `@${name}`, remove), says),
    update(group) {
      setText(devices, group.devices.join(", "));
    },
  };
}
