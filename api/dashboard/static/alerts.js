// The alerts: one row per episode, with its steps and its causes in words.

import { element, keyed, setClass, setText } from "./dom.js";
import { ago, moment, percent, span } from "./format.js";
import { judge } from "./rest.js";
import { statePill } from "./status.js";

const OUTCOMES = { true: "foreseen", false: "did not come", missed: "not foreseen" };
const OPINIONS = [["right", "Right"], ["false_alarm", "False alarm"]];

/** A list of alerts; `withDevice` says whether rows name their device. */
export function alertList({ withDevice, empty }) {
  const list = element("ol", { className: "alerts" });
  const none = element("p", { className: "empty" }, empty);
  const rows = new Map();
  return {
    node: element("div", {}, list, none),
    update(alerts) {
      none.hidden = alerts.length > 0;
      keyed(list, rows, alerts, (alert) => alert.alert_id, (alert) => alertRow(alert, withDevice));
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

function alertRow(shownFirst, withDevice) {
  const pill = statePill();
  const device = isOurs(shownFirst) ? element("strong", {}, "fleetpulse itself") : deviceLink(shownFirst);
  const rule = element("span", { className: "rule" });
  const age = element("span", { className: "age" });
  const steps = element("p", { className: "steps" });
  const causes = element("p", { className: "causes" });
  const outcome = element("span", { className: "outcome" });
  const verdict = verdictButtons();
  const node = element(
    "li",
    {},
    element("div", { className: "line" }, pill.node, ...(withDevice ? [device] : []), rule, outcome, age),
    steps,
    causes,
    verdict.node,
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
      verdict.update(alert);
    },
    tick(nowMs) {
      if (shown) setText(age, ago(shown.changed_at, nowMs));
    },
  };
}

/** What the owner thinks of a warning: two buttons, one of them pressed once it was said. */
function verdictButtons() {
  const says = element("span", { className: "says", role: "status" });
  let shown = null;
  const buttons = OPINIONS.map(([opinion, label]) => {
    const button = element("button", { type: "button", "aria-pressed": "false" }, label);
    button.addEventListener("click", () => say(opinion));
    return { opinion, button };
  });
  const node = element("p", { className: "verdict" }, ...buttons.map(({ button }) => button), says);

  async function say(opinion) {
    try {
      await judge(shown, opinion);
      press(opinion);
      setText(says, "");
    } catch (problem) {
      setText(says, problem.status ? problem.message : "Not kept: the API does not answer.");
    }
  }

  function press(said) {
    for (const { opinion, button } of buttons) button.setAttribute("aria-pressed", String(opinion === said));
  }

  return {
    node,
    update(alert) {
      shown = alert;
      node.hidden = alert.model_version === null || alert.stressed_at === alert.opened_at;
      press(alert.opinion);
    },
  };
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
