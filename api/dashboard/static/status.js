// How a device is, in a colour and a word, and how likely stress is.

import { element, setClass, setText } from "./dom.js";
import { percent } from "./format.js";

export const STATUSES = ["stressed", "soon", "unknown", "ok"];

// What each state is called on the page, and in which status's colour.
const STATES = {
  ok: ["danger passed", "ok"],
  soon: ["soon", "soon"],
  stressed: ["stressed", "stressed"],
  recovered: ["recovered", "ok"],
  offline: ["offline", "unknown"],
  online: ["online", "ok"],
  unknown: ["unknown", "unknown"],
  acknowledged: ["seen", "unknown"],
};

// The same for alerts about fleetpulse itself.
const OWN_STATES = { ...STATES, stressed: ["trouble", "stressed"], recovered: ["well again", "ok"] };

export function statusPill() {
  const node = element("span", { className: "pill" });
  return {
    node,
    update(status) {
      setClass(node, `pill is-${status}`);
      setText(node, status);
    },
  };
}

export function statePill() {
  const node = element("span", { className: "pill" });
  return {
    node,
    update(state, isOurs) {
      const [word, colour] = (isOurs ? OWN_STATES : STATES)[state] ?? [state, "unknown"];
      setClass(node, `pill is-${colour}`);
      setText(node, word);
    },
  };
}

/** A bar as long as the probability, with the number. */
export function probabilityBar() {
  const fill = element("span", { className: "fill" });
  const text = element("span", { className: "number" });
  const node = element(
    "div",
    { className: "probability" },
    element("span", { className: "bar", "aria-hidden": "true" }, fill),
    text,
  );
  return {
    node,
    update({ probability, status }) {
      const width = `${Math.round(100 * (probability ?? 0))}%`;
      if (fill.style.width !== width) fill.style.width = width;
      setClass(fill, `fill is-${status}`);
      setText(text, percent(probability));
    },
  };
}
