// The page of one device: what it measures, its chart, its rules, its alerts.

import { alertList, alertWatch } from "./alerts.js";
import { Chart, channelOf, limitOf } from "./chart.js";
import { snoozeDeed, somethingChanged } from "./deeds.js";
import { element, setText } from "./dom.js";
import { mainChannel, panel } from "./fleet.js";
import { ago, amount, moment, percent, span, unitAfter } from "./format.js";
import { recordTable } from "./record.js";
import * as rest from "./rest.js";
import { rulesTable } from "./rules.js";
import { statusPill } from "./status.js";

const PERIODS = [["15 min", 15], ["1 h", 60], ["6 h", 360], ["24 h", 1440], ["7 d", 10080]];
const RULES_EVERY = 10; // polls

export function devicePage(deviceId) {
  const asked = askedChart();
  const pill = statusPill();
  const about = element("p", { className: "about" });
  const outlook = element("p", { className: "outlook" });
  const notes = element("div", { className: "notes" });
  const tiles = element("dl", { className: "tiles" });
  const legend = element("p", { className: "hint" }, "– means: this machine does not measure it.");
  const chart = new Chart(deviceId, { height: 300, minutes: asked.minutes });
  const channelChoice = element("select", { "aria-label": "Channel of the chart" });
  const periods = element("div", { className: "segments", role: "group", "aria-label": "Period of the chart" });
  const rules = rulesTable(deviceId, (changed) => {
    limits = changed;
    draw();
  });
  const record = recordTable({ empty: "Nothing was foreseen or missed in the last 30 days." });
  const snooze = snoozeDeed(deviceId, changed);
  const alerts = alertList({ withDevice: false, empty: "No alert was ever opened for this device.", changed });
  const watch = alertWatch(() => rest.alerts({ deviceId }), (found) => {
    alerts.update(found);
    silence();
  });
  const node = element(
    "div",
    { className: "page" },
    element("section", { className: "device-top" },
      element("p", { className: "back" }, backLink()),
      element("div", { className: "name" }, element("h1", {}, deviceId), pill.node),
      outlook, about, snooze.node, notes),
    panel("Newest reading", element("div", { className: "tools" }), tiles, legend),
    panel("History", element("div", { className: "tools" }, channelChoice, periods), chart.node),
    panel("Alerts", element("div", { className: "tools" }), alerts.node),
    panel("How often its warnings were right", element("div", { className: "tools" }), record.node),
    panel("Rules", element("div", { className: "tools" }), rules.node),
  );
  let channels = null;
  let channel = null;
  let limits = [];
  let device = null;
  let polls = 0;

  for (const [label, minutes] of PERIODS) {
    const button = element("button", { type: "button", "aria-pressed": String(minutes === chart.minutes) }, label);
    button.addEventListener("click", () => {
      for (const other of periods.children) other.setAttribute("aria-pressed", String(other === button));
      chart.setMinutes(minutes);
      refreshChart();
    });
    periods.append(button);
  }
  channelChoice.addEventListener("change", () => {
    channel = channels.find(({ name }) => name === channelChoice.value);
    draw();
    refreshChart();
  });

  function changed() {
    watch.renew();
    somethingChanged();
  }

  function silence() {
    if (device) alerts.silence(() => device.snooze);
  }

  function setChannels(known) {
    if (channels) return;
    channels = known;
    const wanted = channelOf(limits, asked.rule);
    const offered = channels.filter(({ name }) => device.latest === null || device.latest[name] !== null);
    channel = offered.find(({ name }) => name === wanted) ?? mainChannel(channels, device.latest);
    channelChoice.append(...offered
      .map(({ name, label, unit }) => element("option", { value: name, selected: name === channel.name }, `${label} (${unit})`)));
    tiles.append(...channels.map(channelTile));
  }

  function draw() {
    if (!channel) return;
    chart.show(channel, limitOf(limits, channel.name));
  }

  async function refreshChart() {
    if (device) await chart.refresh(device, Date.now() + offset());
  }

  /** Whoever has come for the chart is led to it, once. */
  function showAsked() {
    if (!asked.rule || asked.isShown) return;
    asked.isShown = true;
    chart.node.scrollIntoView({ block: "center" });
    channelChoice.focus({ preventScroll: true });
  }

  const offset = () => (device === null ? 0 : device.answeredAt - device.receivedAt);

  function describe() {
    pill.update(device.status);
    setText(outlook, outlookOf(device));
    outlook.hidden = !outlook.textContent;
    const rejected = device.rejected_24h
      ? [`${device.rejected_24h} impossible values in the last 24 h were left out.`]
      : [];
    const texts = [...(device.clock_note ? [device.clock_note] : []), ...rejected];
    notes.replaceChildren(...texts.map((text) => element("p", { className: "notice" }, text)));
    for (const tile of tiles.children) updateTile(tile, channels, device.latest);
  }

  return {
    node,
    title: `${deviceId} - fleetpulse`,
    pauseMs: 2000,
    async refresh() {
      const wantsRules = polls % RULES_EVERY === 0;
      polls += 1;
      const [found, known, inForce] = await Promise.all([
        rest.device(deviceId),
        channels ?? rest.channels(),
        wantsRules ? rest.rules(deviceId) : limits,
        watch.refresh(),
      ]);
      const serverMs = found.last_seen_at === null ? Date.now() : found.last_seen_at + found.age_s * 1000;
      device = { ...found, answeredAt: serverMs, receivedAt: Date.now() };
      limits = inForce;
      setChannels(known);
      describe();
      draw();
      if (wantsRules) rules.update(limits);
      silence();
      snooze.update(device.snooze);
      record.update([{ name: "", track_record: found.track_record }]);
      await refreshChart();
      showAsked();
      return serverMs;
    },
    look: watch.look,
    tick(nowMs) {
      alerts.tick(nowMs);
      snooze.tick(nowMs);
      if (device) setText(about, aboutOf(device, nowMs));
    },
    close() {
      chart.close();
    },
  };
}

/** What the address asks the chart to show: the rule of an alert, and how far back. */
function askedChart() {
  const query = new URLSearchParams(location.search);
  const ageMinutes = query.has("since") ? (Date.now() - Number(query.get("since"))) / 60_000 : 0;
  const [, minutes] = PERIODS.find(([, each]) => ageMinutes < each) ?? PERIODS.at(-1);
  return { rule: query.get("rule"), minutes, isShown: false };
}

function backLink() {
  const link = element("a", { href: "/" }, "← Fleet");
  link.dataset.page = "";
  return link;
}

function channelTile({ name, label }) {
  return element("div", { className: "tile", dataset: { channel: name } },
    element("dt", {}, label),
    element("dd", {}, element("span", { className: "value" }), element("span", { className: "unit" })));
}

function updateTile(tile, channels, latest) {
  const channel = channels.find(({ name }) => name === tile.dataset.channel);
  const known = latest?.[channel.name] ?? null;
  setText(tile.querySelector(".value"), amount(channel, known));
  setText(tile.querySelector(".unit"), unitAfter(channel, known) && ` ${unitAfter(channel, known)}`);
  tile.classList.toggle("is-missing", known === null);
  tile.title = known === null ? "This machine does not measure it." : "";
}

function outlookOf({ status, probability, expected_s: expected, causes }) {
  const why = causes.length ? `: ${causes.join("; ")}` : "";
  if (status === "soon") {
    const when = expected === null ? "" : ` in about ${span(expected)}`;
    return `Will probably be stressed${when} (${percent(probability)})${why}.`;
  }
  if (status === "stressed") return `Is stressed${why}.`;
  if (status === "unknown") return "Nothing certain is known of it now: its data are missing, too few or too old.";
  return "";
}

function aboutOf(device, nowMs) {
  const model = device.latest?.model_version;
  const parts = [
    device.kind,
    `measured ${ago(device.last_seen_at, nowMs)}`,
    `first seen ${moment(device.first_seen_at, { seconds: false })}`,
    ...(model ? [`model ${model}`] : []),
  ];
  return parts.join(" · ");
}
