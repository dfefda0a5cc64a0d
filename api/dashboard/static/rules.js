// The rules of a device, and their limits to change.

import { element, setText } from "./dom.js";
import { Refused, changeRule } from "./rest.js";

const SEVERITIES = ["info", "warning", "critical"];

/** A form for each rule; `changed` is called with the rules in force after a change. */
export function rulesTable(deviceId, changed) {
  const node = element("div", { className: "rules" });
  const forms = new Map();

  function update(rules) {
    for (const rule of rules) {
      if (!forms.has(rule.rule)) {
        const form = ruleForm(rule, save);
        forms.set(rule.rule, form);
        node.append(form.node);
      }
      forms.get(rule.rule).update(rule);
    }
  }

  async function save(change) {
    const inForce = await changeRule(deviceId, change);
    update(inForce);
    changed(inForce);
  }

  return { node, update };
}

function ruleForm(rule, save) {
  const limit = numberInput(`Limit of ${rule.rule}`, rule.lowest, rule.highest);
  const hold = numberInput(`Seconds past the limit until ${rule.rule} counts`, 0, 300);
  const severity = element("select", { "aria-label": `Severity of ${rule.rule}`, name: "severity" },
    ...SEVERITIES.map((each) => element("option", { value: each }, each)));
  const enabled = element("input", { type: "checkbox", name: "enabled", "aria-label": `Watch ${rule.rule}` });
  const apply = element("button", { type: "submit", className: "apply" }, "Save");
  const reset = element("button", { type: "button", className: "plain" }, "Default");
  const says = element("p", { className: "says", role: "status" });
  limit.name = "limit";
  hold.name = "hold_s";
  const side = rule.direction === "above" ? "at or above" : "at or below";
  const node = element(
    "form",
    { className: "rule", dataset: { rule: rule.rule }, noValidate: true },
    element("label", { className: "rule-name" }, enabled, element("strong", {}, rule.rule),
      element("span", { className: "hint" }, hintOf(rule))),
    // A rule on a yes-or-no has one limit only.
    rule.lowest === rule.highest
      ? element("span", {}, rule.label)
      : element("label", {}, `${rule.label} ${side} `, limit, ` ${rule.unit}`),
    element("label", {}, "for ", hold, " s"),
    element("label", {}, "severity ", severity),
    element("div", { className: "buttons" }, apply, reset),
    says,
  );
  let inForce = rule;

  const given = () => ({
    limit: limit.valueAsNumber,
    hold_s: hold.valueAsNumber,
    severity: severity.value,
    enabled: enabled.checked,
  });
  const differences = () =>
    Object.fromEntries(Object.entries(given()).filter(([name, value]) => value !== inForce[name]));
  const mark = () => {
    apply.disabled = !Object.keys(differences()).length;
    reset.hidden = inForce.changed_at === null;
  };

  async function send(change) {
    apply.disabled = true;
    try {
      await save({ rule: rule.rule, ...change });
      tell("Saved.", false);
    } catch (problem) {
      tell(problem instanceof Refused ? problem.message : "Not saved: the API does not answer.", true);
    }
    mark();
  }

  function tell(text, failed) {
    setText(says, text);
    says.classList.toggle("is-failed", failed);
  }

  function fill() {
    limit.value = inForce.limit;
    hold.value = inForce.hold_s;
    severity.value = inForce.severity;
    enabled.checked = inForce.enabled;
  }

  node.addEventListener("input", () => {
    tell("", false);
    mark();
  });
  node.addEventListener("submit", (submit) => {
    submit.preventDefault();
    const change = differences();
    const missing = Object.values(change).some((value) => Number.isNaN(value));
    if (missing) tell("Enter a number.", true);
    else send(change);
  });
  reset.addEventListener("click", () =>
    send({ limit: null, hold_s: null, threshold: null, severity: null, enabled: null }));

  return {
    node,
    /** Show what is in force now, unless somebody is just changing it. */
    update(current) {
      const untouched = !Object.keys(differences()).length || current.changed_at !== inForce.changed_at;
      const first = limit.value === "";
      inForce = current;
      if (untouched || first) fill();
      node.classList.toggle("is-off", !current.enabled);
      mark();
    },
  };
}

/** How a rule is watched; of the silence, what it means to switch it off. */
function hintOf(rule) {
  if (rule.watches === "silence") return "off: it may be offline";
  return rule.predicted ? "foreseen" : "watched";
}

function numberInput(label, lowest, highest) {
  return element("input", { type: "number", step: "any", min: lowest, max: highest, "aria-label": label, required: true });
}
