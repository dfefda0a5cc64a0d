// What people do about alerts, as under the chat's messages: buttons, and what came of them.

import { element, setText } from "./dom.js";
import { span } from "./format.js";
import { may } from "./me.js";
import { acknowledge, changeRule, endSnooze, judge, snooze } from "./rest.js";

const HOUR_S = 3600;
const OFFLINE = "offline"; // the rule that goes by readings that do not come
const OPINIONS = [["right", "Right"], ["false_alarm", "False alarm"]];

/** The event that tells the page to ask anew at once. */
export const CHANGED = "fleetpulse-changed";

export function somethingChanged() {
  document.dispatchEvent(new Event(CHANGED));
}

/** "snoozed for another 43 min, says Ada"; empty when it is over, or there is none. */
export function snoozeWords(snoozed, nowMs) {
  if (!snoozed || snoozed.until <= nowMs) return "";
  const as = snoozed.selector.startsWith("@") ? ` as ${snoozed.selector}` : "";
  const what = snoozed.selector === "*" ? "everything is snoozed" : `snoozed${as}`;
  return `${what} for another ${span((snoozed.until - nowMs) / 1000)}, says ${snoozed.said_by || "somebody"}`;
}

/** Run `act`, and say what went wrong; whether it worked. */
export async function attempt(act, says) {
  try {
    await act();
    setText(says, "");
    return true;
  } catch (problem) {
    setText(says, problem.status ? problem.message : "Not done: the API does not answer.");
    return false;
  }
}

/** A button that does one thing at a time; what: says what it is about to those who do not see the page. */
export function deedButton(label, what, act) {
  const node = element("button", { type: "button", className: "deed", "aria-label": `${label}: ${what}` }, label);
  let isBusy = false;
  node.addEventListener("click", async () => {
    if (isBusy) return;
    isBusy = true;
    await act().finally(() => (isBusy = false));
  });
  return node;
}

/** Show or hide these; whoever was at one that goes is taken to one that stays. */
function showOnly(within, shown) {
  const focused = document.activeElement;
  for (const [node, isShown] of shown) node.hidden = !isShown;
  if (!within.contains(focused) || focused.checkVisibility()) return;
  const next = [...within.querySelectorAll("button")].find((button) => button.checkVisibility());
  (next ?? within).focus();
}

/** The snooze of a device: a button that begins one, or how long it lasts and a button that ends it. */
export function snoozeDeed(deviceId, changed) {
  const words = element("span", { className: "lasts" });
  const says = element("span", { className: "says is-failed", role: "status" });
  const begin = deedButton("Snooze 1 h", deviceId, () => act(() => snooze(deviceId, HOUR_S)));
  const end = deedButton("End it", `the snooze of ${deviceId}`, () => act(() => endSnooze(deviceId, known)));
  const node = element("p", { className: "deeds", tabIndex: -1 }, words, begin, end, says);
  let known = null;
  let nowMs = 0;

  async function act(what) {
    if (await attempt(what, says)) changed();
  }

  function draw() {
    setText(words, snoozeWords(known, nowMs));
    const lasts = words.textContent !== "";
    showOnly(node, [[words, lasts], [end, lasts && may("act")], [begin, !lasts && may("act")]]);
  }

  return {
    node,
    update(snoozed) {
      known = snoozed;
      if (nowMs) draw();
    },
    tick(now) {
      nowMs = now;
      draw();
    },
  };
}

/** The chart of what an alert is about, on the page of its device, back to when it began. */
function chartLink({ device_id: id, rule, opened_at: since }, about) {
  const query = new URLSearchParams({ rule, since });
  const link = element("a", { className: "deed", href: `/devices/${encodeURIComponent(id)}?${query}`, "aria-label": `Chart: ${about}` }, "Chart");
  link.dataset.page = "";
  return link;
}

/** What may be done about an alert. isOfDevice: whether its device has a page, and can be snoozed. */
export function alertDeeds(alert, { isOfDevice, changed }) {
  const about = `${alert.rule} of ${alert.device_id}`;
  const says = element("span", { className: "says is-failed", role: "status" });
  const ack = deedButton("Ack", about, async () => {
    if (await attempt(() => acknowledge(shown), says)) changed();
  });
  const opinions = OPINIONS.map(([opinion, label]) => ({ opinion, button: deedButton(label, about, () => say(opinion)) }));
  const silence = isOfDevice ? snoozeDeed(alert.device_id, changed) : null;
  const chart = isOfDevice ? chartLink(alert, about) : null;
  const letBe = deedButton("May be offline", alert.device_id, async () => {
    if (!(await attempt(() => changeRule(alert.device_id, { rule: OFFLINE, enabled: false }), says))) return;
    isLetBe = true; // the alert ends when the consumer has seen it
    draw();
    changed();
  });
  const node = element("div", { className: "deeds", tabIndex: -1 },
    ack, ...(silence ? [silence.node] : []), letBe, ...(chart ? [chart] : []), ...opinions.map(({ button }) => button), says);
  let shown = alert;
  let snoozed = null;
  let isLetBe = false;

  async function say(opinion) {
    if (!(await attempt(() => judge(shown, opinion), says))) return;
    shown = { ...shown, opinion };
    draw();
    changed();
  }

  function draw() {
    const isOpen = shown.closed_at === null;
    const isWarning = shown.model_version !== null && shown.stressed_at !== shown.opened_at;
    const isSilence = isOfDevice && isOpen && shown.rule === OFFLINE;
    showOnly(node, [
      [ack, isOpen && shown.acknowledged_at === null && may("act")],
      ...(silence ? [[silence.node, isOpen]] : []),
      [letBe, isSilence && !isLetBe && may("act")],
      ...(chart ? [[chart, !isSilence]] : []), // of a machine that is silent there is nothing to see
      ...opinions.map(({ button }) => [button, isWarning && may("act")]),
    ]);
    for (const { opinion, button } of opinions) button.setAttribute("aria-pressed", String(opinion === shown.opinion));
    silence?.update(snoozed);
    node.hidden = ![...node.children].some((child) => !child.hidden && child !== says);
  }

  return {
    node,
    update(newest) {
      shown = newest;
      draw();
    },
    silence(known) {
      snoozed = known;
      draw();
    },
    tick(nowMs) {
      silence?.tick(nowMs);
    },
  };
}
