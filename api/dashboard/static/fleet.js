// The page of the whole fleet: counts, every device, charts of the worst, the alerts.

import { alertList, alertWatch } from "./alerts.js";
import { Chart, limitOf } from "./chart.js";
import { somethingChanged, snoozeWords } from "./deeds.js";
import { element, keyed, setClass, setText } from "./dom.js";
import { ago, amount, span, unitAfter } from "./format.js";
import { recordTable } from "./record.js";
import * as rest from "./rest.js";
import { STATUSES, probabilityBar, statusPill } from "./status.js";

const CHARTS = 6;
const CHART_MINUTES = 15;
const RULES_EVERY_MS = 30_000;
const MODELS_EVERY_MS = 30_000;
// What most people look at comes first; channels that are named nowhere here come between.
const FIRST_COLUMNS = ["temperature_c", "load_pct", "memory_pct", "disk_pct", "power_w", "clock_ghz", "fan_cfm"];
const LAST_COLUMNS = ["requested_clock_ghz", "load_1m", "throttled", "undervoltage", "voltage_v"];
const LARGE_FLEET = 200; // devices: more are drawn only when asked for, and asked for less often

export function fleetPage() {
  let shownStatus = null; // only devices of this status; null: all
  let words = "";
  let most = LARGE_FLEET;
  let newest = null;
  let modelsAt = 0;

  const counts = new Map(STATUSES.map((status) => [status, countTile(status, choose)]));
  const filter = element("input", {
    type: "search",
    placeholder: "Filter by name or kind",
    "aria-label": "Filter devices by name or kind",
    className: "filter",
  });
  const shown = element("p", { className: "shown" });
  const more = element("button", { type: "button", className: "more" }, "Show all");
  const table = deviceTable();
  const charts = chartPanels();
  const alerts = alertList({ withDevice: true, empty: "Nothing has happened yet.", changed });
  const watch = alertWatch(rest.alerts, (found) => {
    alerts.update(found);
    silence();
  });
  const record = recordTable({ empty: "Nothing was foreseen or missed in the last 30 days." });
  const welcome = element(
    "p",
    { className: "empty" },
    "No device has sent a reading yet. Start one with `fleetpulse agent`, or everything with `fleetpulse up`.",
  );
  const fleetPanel = panel("Devices", element("div", { className: "tools" }, shown, filter), table.node, more, welcome);
  const chartPanel = element("section", { className: "panels", "aria-label": "Charts" }, charts.node);
  const node = element(
    "div",
    { className: "page" },
    element("section", { className: "counts", "aria-label": "Devices by status" },
      ...[...counts.values()].map((tile) => tile.node)),
    fleetPanel,
    chartPanel,
    panel("Alerts", element("div", { className: "tools" }), alerts.node),
    panel("How often warnings were right", element("div", { className: "tools" }), record.node),
  );
  filter.addEventListener("input", () => {
    words = filter.value.trim().toLowerCase();
    draw();
  });
  more.addEventListener("click", () => {
    most = Infinity;
    draw();
  });

  function changed() {
    watch.renew();
    somethingChanged();
  }

  function silence() {
    const snoozes = new Map((newest?.devices ?? []).map((device) => [device.device_id, device.snooze]));
    alerts.silence((id) => snoozes.get(id));
  }

  function choose(status) {
    shownStatus = shownStatus === status ? null : status;
    for (const [each, tile] of counts) tile.press(each === shownStatus);
    draw();
  }

  function draw() {
    if (!newest) return;
    const fitting = newest.devices.filter((device) =>
      (shownStatus === null || device.status === shownStatus) &&
      (!words || `${device.device_id} ${device.kind}`.toLowerCase().includes(words)));
    table.update(newest, fitting.slice(0, most));
    more.hidden = fitting.length <= most;
    const found = fitting.length === newest.total ? `${newest.total} in all` : `${fitting.length} of ${newest.total}`;
    setText(shown, more.hidden ? found : `${found}, the worst ${most} shown`);
  }

  return {
    node,
    title: "fleetpulse",
    /** How long to wait before asking again: a large fleet is a large answer. */
    get pauseMs() {
      return newest && newest.total > LARGE_FLEET ? 5000 : 2000;
    },
    async refresh() {
      const [fleet] = await Promise.all([rest.fleet(), watch.refresh()]);
      newest = fleet;
      for (const [status, tile] of counts) tile.update(fleet.counts[status]);
      welcome.hidden = fleet.total > 0;
      table.node.hidden = fleet.total === 0;
      draw();
      silence();
      await charts.update(fleet);
      if (Date.now() - modelsAt > MODELS_EVERY_MS) {
        modelsAt = Date.now();
        record.update((await rest.models()).filter(({ in_use: used }) => used));
      }
      return fleet.generated_at;
    },
    look: watch.look,
    tick(nowMs) {
      table.tick(nowMs);
      alerts.tick(nowMs);
    },
    close() {
      charts.close();
    },
  };
}

export function panel(title, tools, ...content) {
  return element(
    "section",
    { className: "panel", "aria-label": title },
    element("div", { className: "panel-top" }, element("h2", {}, title), tools),
    ...content,
  );
}

function countTile(status, choose) {
  const number = element("span", { className: "number" }, "–");
  const node = element(
    "button",
    { type: "button", className: `count is-${status}`, "aria-pressed": "false", title: `Show only devices that are ${status}` },
    number,
    element("span", { className: "word" }, status),
  );
  node.addEventListener("click", () => choose(status));
  return {
    node,
    update(count) {
      setText(number, String(count));
      node.classList.toggle("is-none", count === 0);
    },
    press(pressed) {
      node.setAttribute("aria-pressed", String(pressed));
    },
  };
}

/** Every device in a row; columns are the channels that some device shown measures. */
function deviceTable() {
  const head = element("tr");
  const body = element("tbody");
  const node = element("div", { className: "scroll" },
    element("table", { className: "devices" }, element("thead", {}, head), body));
  const rows = new Map();
  let columns = "";
  let channels = [];

  function setColumns(known, devices) {
    const measured = inOrder(known).filter(({ name }) =>
      devices.some((device) => (device.latest?.[name] ?? null) !== null));
    const names = measured.map(({ name }) => name).join();
    if (names === columns) return;
    columns = names;
    channels = measured;
    rows.clear();
    body.replaceChildren();
    const titles = ["device", "status", "probability", "measured", ...channels.map(({ label }) => label)];
    head.replaceChildren(...titles.map((title, index) =>
      element("th", { scope: "col", className: index > 2 ? "right" : "" }, title)));
  }

  return {
    node,
    /** Show these devices of the fleet. */
    update(fleet, devices) {
      if (devices.length) setColumns(fleet.channels, devices);
      keyed(body, rows, devices, (device) => device.device_id, () => deviceRow(channels));
    },
    tick(nowMs) {
      for (const row of rows.values()) row.tick(nowMs);
    },
  };
}

/** Channels as columns, the most looked at first. */
function inOrder(channels) {
  const place = ({ name }) => {
    const first = FIRST_COLUMNS.indexOf(name);
    return first >= 0 ? first : FIRST_COLUMNS.length + 1 + LAST_COLUMNS.indexOf(name);
  };
  return [...channels].sort((one, other) => place(one) - place(other));
}

function deviceRow(channels) {
  const name = element("a", { className: "device" });
  name.dataset.page = "";
  const kind = element("span", { className: "kind" });
  const snoozed = element("span", { className: "snoozed" });
  const why = element("p", { className: "why" });
  const pill = statusPill();
  const bar = probabilityBar();
  const age = element("td", { className: "right age" });
  const cells = channels.map((channel) => channelCell(channel));
  const node = element(
    "tr",
    {},
    element("th", { scope: "row" }, name, kind, snoozed, why),
    element("td", { className: "status" }, pill.node),
    element("td", { className: "chance" }, bar.node),
    age,
    ...cells.map((cell) => cell.node),
  );
  let lastSeen = null;
  let snooze = null;
  return {
    node,
    update(device) {
      lastSeen = device.last_seen_at;
      snooze = device.snooze;
      setText(name, device.device_id);
      const href = `/devices/${encodeURIComponent(device.device_id)}`;
      if (name.getAttribute("href") !== href) name.href = href;
      setText(kind, device.kind);
      setText(why, device.clock_note ?? outlook(device));
      why.hidden = !why.textContent;
      setClass(node, `is-${device.status}${why.hidden ? "" : " has-why"}`);
      pill.update(device.status);
      bar.update(device);
      for (const cell of cells) cell.update(device.latest);
    },
    tick(nowMs) {
      setText(age, ago(lastSeen, nowMs));
      setText(snoozed, snoozeWords(snooze, nowMs));
      snoozed.hidden = !snoozed.textContent;
    },
  };
}

/** What is coming and why, in a line; empty for most. */
function outlook({ status, expected_s: expected, causes }) {
  const when = status === "soon" && expected !== null ? [`expected in ${span(expected)}`] : [];
  return [...when, ...causes].join("; ");
}

function channelCell(channel) {
  const value = element("span", { className: "value" });
  const unit = element("span", { className: "unit" });
  const node = element("td", { className: "right channel", dataset: { label: channel.label } }, value, unit);
  return {
    node,
    update(latest) {
      const known = latest?.[channel.name] ?? null;
      setText(value, amount(channel, known));
      setText(unit, unitAfter(channel, known) && ` ${unitAfter(channel, known)}`);
      node.classList.toggle("is-missing", known === null);
      const title = known === null ? "This machine does not measure it." : "";
      if (node.title !== title) node.title = title;
    },
  };
}

/** A handler that lets one kind of error pass: one chart that fails takes no other with it. */
const only = (kind) => (problem) => {
  if (!(problem instanceof kind)) throw problem;
};

/** Live charts of the devices that need it most. */
function chartPanels() {
  const node = element("div", { className: "charts" });
  const rows = new Map();
  return {
    node,
    async update(fleet) {
      const worst = fleet.devices.filter((device) => device.latest !== null).slice(0, CHARTS);
      // By name: a chart that changes its place cannot be followed.
      worst.sort((one, other) => one.device_id.localeCompare(other.device_id));
      keyed(node, rows, worst, (device) => device.device_id, (device) => chartPanel(device));
      await Promise.all(worst.map((device) => rows.get(device.device_id).refresh(device, fleet).catch(only(rest.Refused))));
    },
    close() {
      for (const row of rows.values()) row.close();
    },
  };
}

function chartPanel(device) {
  const chart = new Chart(device.device_id, { height: 170, minutes: CHART_MINUTES, compact: true });
  const pill = statusPill();
  const name = element("a", { className: "device", href: `/devices/${encodeURIComponent(device.device_id)}` }, device.device_id);
  name.dataset.page = "";
  const key = element("p", { className: "key" });
  const node = element(
    "section",
    { className: "panel chart-panel" },
    element("div", { className: "panel-top" }, element("h2", {}, name), pill.node),
    key,
    chart.node,
  );
  let rules = [];
  let rulesAt = 0;
  return {
    node,
    update(shown) {
      pill.update(shown.status);
    },
    async refresh(shown, fleet) {
      if (Date.now() - rulesAt > RULES_EVERY_MS) {
        rules = await rest.rules(shown.device_id);
        rulesAt = Date.now();
      }
      const channel = mainChannel(fleet.channels, shown.latest);
      const limit = limitOf(rules, channel.name);
      chart.show(channel, limit);
      key.replaceChildren(...chartKey(channel, limit));
      await chart.refresh(shown, fleet.generated_at);
    },
    close() {
      chart.close();
    },
  };
}

/** What the lines of a chart are. */
function chartKey(channel, limit) {
  const part = (line, text) => element("span", { className: `key-${line}` }, text);
  return [
    part("value", `${channel.label} ${channel.unit}`),
    ...(limit === null ? [] : [part("limit", `limit ${limit} ${channel.unit}`)]),
    part("probability", "probability"),
  ];
}

/** The channel that says most of a device: its temperature, else its load, else what it has. */
export function mainChannel(channels, latest) {
  const has = (name) => (latest?.[name] ?? null) !== null;
  const best = ["temperature_c", "load_pct"].find(has) ?? channels.find(({ name }) => has(name))?.name;
  return channels.find(({ name }) => name === best) ?? channels[0];
}
