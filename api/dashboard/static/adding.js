// The page that adds a machine: a line to run on it, and a look whether its first reading has come.

import { attempt } from "./deeds.js";
import { element, field, setText } from "./dom.js";
import { panel } from "./fleet.js";
import { moment } from "./format.js";
import { may } from "./me.js";
import * as rest from "./rest.js";

const KINDS = [["raspberry", "Raspberry Pi"], ["pc", "PC with Linux"]];
const HOW_TO = "Adding a device needs a key with the scope admin, or this machine's own browser.";
const HERE_ONLY = "This page's address leads to this machine only. An API that listens here alone, as that of “fleetpulse up” does, " +
  "is reached by no other: start a second one with “FLEETPULSE_HOST=0.0.0.0 fleetpulse api --port 8001”, and give its address below.";
const COPIED_MS = 2000;

export function addingPage() {
  const card = joiningCard();
  const node = element("div", { className: "page" },
    element("section", { className: "device-top" },
      element("h1", {}, "Add a device"),
      element("p", { className: "about" }, "One line, run on the machine, installs the agent as a service, with a key of its own.")),
    ...(may("admin") ? [warning(), joiningForm(card.show)] : [element("p", { className: "notice" }, HOW_TO)]),
    card.node);
  return {
    node,
    title: "Add a device - fleetpulse",
    pauseMs: 2000,
    async refresh() {
      await card.look();
      return rest.serverNow();
    },
    tick() {},
    close() {},
  };
}

/** Where this page was found, unless that is this machine only. */
function ownAddress() {
  const isHere = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
  return isHere ? "" : location.origin;
}

function warning() {
  return element("p", { className: "notice", hidden: ownAddress() !== "" }, HERE_ONLY);
}

function joiningForm(show) {
  const name = element("input", { type: "text", name: "device", required: true, maxLength: 64, autocomplete: "off", spellcheck: false, placeholder: "pi-attic" });
  const kind = element("select", { name: "kind" }, ...KINDS.map(([value, label]) => element("option", { value }, label)));
  const address = element("input", { type: "text", inputMode: "url", name: "address", required: true, value: ownAddress(), autocomplete: "off", spellcheck: false, placeholder: `${location.protocol}//fleet.example.org` });
  const wheel = element("input", { type: "text", name: "wheel", autocomplete: "off", spellcheck: false, placeholder: "./fleetpulse-….whl" });
  const says = element("p", { className: "says is-failed", role: "status" });
  const form = element("form", { className: "person", noValidate: true },
    element("div", { className: "fields" },
      field("Name", name, "How it is called here: letters, digits and . _ -"),
      field("Machine", kind, "With systemd, as Debian, Ubuntu and Raspberry Pi OS have it. On a bare system run “sudo apt install python3-venv” first."),
      field("Address of this API", address, "By which the machine finds it: not 127.0.0.1."),
      field("Wheel", wheel, "A file on the machine, or an address: what “make wheel” makes in a clone. Empty: this version, from PyPI.")),
    element("div", { className: "buttons" }, element("button", { type: "submit", className: "apply" }, "Show the line")),
    says);
  form.addEventListener("submit", async (submit) => {
    submit.preventDefault();
    const deviceId = name.value.trim();
    const wanted = { kind: kind.value, address: address.value.trim(), wheel: wheel.value.trim() || null };
    if (await attempt(async () => show(await rest.joining(deviceId, wanted)), says)) form.reset();
  });
  return panel("Which machine", element("div", { className: "tools" }), form);
}

function joiningCard() {
  const title = element("h2", { tabIndex: -1 });
  const line = element("code", { className: "install" });
  const copy = element("button", { type: "button", className: "deed" }, "Copy");
  const once = element("p", { className: "hint" });
  const older = element("div", {});
  const state = element("p", { role: "status" });
  const node = element("section", { className: "panel pairing", "aria-label": "Install line", hidden: true },
    title, line, copy, once, older, state);
  let waitsFor = null; // {deviceId, seenAt}: the newest reading that there was before

  copy.addEventListener("click", async () => {
    getSelection().selectAllChildren(line); // where the clipboard is closed to pages without TLS
    const isCopied = await navigator.clipboard?.writeText(line.textContent).then(() => true, () => false);
    setText(copy, isCopied ? "Copied" : "Press Ctrl-C");
    setTimeout(() => setText(copy, "Copy"), COPIED_MS);
  });

  return {
    node,
    async show({ device_id: deviceId, key_id: keyId, install, other_keys: others }) {
      waitsFor = { deviceId, seenAt: await rest.lastSeen(deviceId) };
      node.hidden = false;
      setText(title, `Run this on ${deviceId}`);
      setText(line, install);
      setText(once, `With a space before it, most shells keep it out of their history. It is shown once; “fleetpulse keys revoke ${keyId}” ends its key.`);
      older.replaceChildren(...others.map(({ key_id: other, created_at: at }) =>
        element("p", { className: "hint" }, `${deviceId} has another key still, of ${moment(at, { seconds: false })}: “fleetpulse keys revoke ${other}” ends it.`)));
      setText(state, "Waiting for its first reading …");
      title.focus();
    },
    /** Whether a reading has come since. */
    async look() {
      if (waitsFor === null) return;
      const { deviceId, seenAt } = waitsFor;
      if (await rest.lastSeen(deviceId) === seenAt) return;
      waitsFor = null;
      const link = element("a", { href: `/devices/${encodeURIComponent(deviceId)}` }, deviceId);
      link.dataset.page = "";
      state.replaceChildren("Its first reading has come: ", link);
    },
  };
}
