// The alerts: one row per episode, with its steps and its causes in words.

import { alertDeeds } from "./deeds.js";
import { element, keyed, setClass, setText } from "./dom.js";
import { ago, moment, percent, span } from "./format.js";
import { statePill } from "./status.js";

const OUTCOMES = { true: "foreseen", false: "did not come", missed: "not foreseen" };
const SHORTEST_MS = 900; // between two looks

/** Alerts that are asked for and shown: with each round of the page, and each second while one is open. */
export function alertWatch(ask, show) {
  let askedAt = 0;
  let round = 0; // what was asked before somebody did something is not shown
  let isOpen = false;

  async function refresh() {
    if (Date.now() - askedAt < SHORTEST_MS) return;
    askedAt = Date.now();
    const mine = (round += 1);
    const found = await ask();
    if (mine !== round) return;
    isOpen = found.some(({ closed_at: closedAt }) => closedAt === null);
    show(found);
  }

  return {
    refresh,
    look: async () => (isOpen ? refresh() : undefined),
    /** Somebody has just done something: what is on its way is out of date. */
    renew() {
      round += 1;
      askedAt = 0;
    },
  };
}

/** A list of alerts; `withDevice` says whether rows name their device, `changed` is called when
 * somebody has done something. */
export function alertList({ withDevice, empty, changed }) {
  const list = element("ol", { className: "alerts" });
  const none = element("p", { className: "empty" }, empty);
  const rows = new Map();
  return {
    node: element("div", {}, list, none),
    update(alerts) {
      none.hidden = alerts.length > 0;
      keyed(list, rows, alerts, (alert) => alert.alert_id, (alert) => alertRow(alert, withDevice, changed));
    },
    /** snoozeOf: from a device's name to its snooze, or to null or undefined. */
    silence(snoozeOf) {
      for (const row of rows.values()) row.silence(snoozeOf);
    },
    tick(nowMs) {
      for (const row of rows.values()) row.tick(nowMs);
    },
  };
}

/** Whether an alert is about fleetpulse itself, which has no page of its own. */
const isOurs = (alert) => alert.kind === "fleetpulse";
/** Whether it is a notice, in whole sentences: about fleetpulse, or about a device over weeks. */
const isNotice = (alert) => isOurs(alert) || alert.rule === "cooling";

function alertRow(shownFirst, withDevice, changed) {
  const pill = statePill();
  const device = isOurs(shownFirst) ? element("strong", {}, "fleetpulse itself") : deviceLink(shownFirst);
  const rule = element("span", { className: "rule" });
  const age = element("span", { className: "age" });
  const steps = element("p", { className: "steps" });
  const causes = element("p", { className: "causes" });
  const outcome = element("span", { className: "outcome" });
  const seen = element("p", { className: "seen" });
  const deeds = alertDeeds(shownFirst, { isOfDevice: !isNotice(shownFirst), changed });
  const node = element(
    "li",
    {},
    element("div", { className: "line" }, pill.node, ...(withDevice ? [device] : []), rule, outcome, age),
    steps,
    causes,
    seen,
    deeds.node,
  );
  let shown = null;
  return {
    node,
    update(alert) {
      shown = alert;
      setClass(node, alert.closed_at === null ? `open is-${alert.severity}` : "over");
      pill.update(alert.state, isNotice(alert));
      setText(rule, isNotice(alert) ? alert.rule.replaceAll("-", " ") : alert.rule);
      setText(steps, isNotice(alert) ? ownSteps(alert) : stepsOf(alert));
      setText(causes, alert.causes.join("; "));
      causes.hidden = !alert.causes.length;
      setText(outcome, OUTCOMES[alert.outcome] ?? "");
      setClass(outcome, `outcome is-${alert.outcome}`);
      setText(seen, seenBy(alert));
      seen.hidden = !seen.textContent;
      deeds.update(alert);
    },
    silence(snoozeOf) {
      deeds.silence(snoozeOf(shown.device_id) ?? null);
    },
    tick(nowMs) {
      if (shown) setText(age, ago(shown.changed_at, nowMs));
      deeds.tick(nowMs);
    },
  };
}

/** "acknowledged by Ada 12:03:10" */
function seenBy({ acknowledged_at: at, acknowledged_by: by }) {
  return at === null ? "" : `acknowledged by ${by ?? "somebody"} ${moment(at)}`;
}

function deviceLink({ device_id: id }) {
  const link = element("a", { className: "device", href: `/devices/${encodeURIComponent(id)}` }, id);
  link.dataset.page = "";
  return link;
}

/** "since 12:03:10 → well again 12:09:01 after 5 min" */
function ownSteps(alert) {
  const began = `since ${moment(alert.opened_at)}`;
  if (alert.closed_at === null) return began;
  return `${began} → well again ${moment(alert.closed_at)} after ${span((alert.closed_at - alert.opened_at) / 1000)}`;
}

/** "last heard 12:02:40 → offline 12:03:12 → online 12:09:01 after 6 min 21 s" */
function silenceOf(alert) {
  const steps = [`offline ${moment(alert.opened_at)}`];
  const toldAt = alert.closed_at ?? alert.opened_at;
  const heardAt = alert.value === null ? null : toldAt - 1000 * alert.value;
  if (heardAt !== null) steps.unshift(`last heard ${moment(heardAt)}`);
  if (alert.closed_at !== null) {
    const word = alert.state === "online" ? "online" : "may be offline";
    steps.push(`${word} ${moment(alert.closed_at)} after ${span((alert.closed_at - (heardAt ?? alert.opened_at)) / 1000)}`);
  }
  return steps.join(" → ");
}

/** "soon 12:03:10 (83 %, in 74 s) → stressed 12:04:20 → recovered 12:09:01" */
function stepsOf(alert) {
  if (alert.rule === "offline") return silenceOf(alert);
  const steps = [];
  if (alert.stressed_at !== alert.opened_at) {
    steps.push(`soon ${moment(alert.opened_at)}${foreseen(alert)}`);
  }
  if (alert.stressed_at !== null) steps.push(`stressed ${moment(alert.stressed_at)}`);
  if (alert.closed_at !== null) {
    const lasted = span((alert.closed_at - alert.opened_at) / 1000);
    const word = alert.state === "ok" ? "passed" : alert.state;
    steps.push(`${word} ${moment(alert.closed_at)} after ${lasted}`);
  }
  return steps.join(" → ");
}

function foreseen({ probability, expected_s: expected }) {
  if (probability === null) return "";
  return ` (${percent(probability)}${expected === null ? "" : `, in ${span(expected)}`})`;
}
