// How often warnings were right: a row for each model, or for a device, and each span of days.

import { element, keyed, setText } from "./dom.js";
import { percent, span } from "./format.js";

const TITLES = ["", "warnings right", "stress foreseen", "median lead", "called false"];

/** A table of track records; `empty` is shown while nothing was ever foreseen or missed. */
export function recordTable({ empty }) {
  const body = element("tbody");
  const head = element("tr", {}, ...TITLES.map((title) => element("th", { scope: "col" }, title)));
  const table = element("div", { className: "scroll", hidden: true },
    element("table", { className: "record" }, element("thead", {}, head), body));
  const none = element("p", { className: "empty", hidden: true }, empty);
  const rows = new Map();
  return {
    node: element("div", {}, table, none),
    /** named: [{name, track_record}], name: what goes before the span of days, or "" */
    update(named) {
      const spans = named.flatMap(({ name, track_record: records }) =>
        records.map((record) => ({ ...record, title: [name, `${record.days} days`].filter(Boolean).join(", ") })));
      const something = spans.some(({ true: right, false: wrong, missed }) => right + wrong + missed > 0);
      none.hidden = something;
      table.hidden = !something;
      keyed(body, rows, something ? spans : [], ({ title }) => title, recordRow);
    },
  };
}

function recordRow({ title }) {
  const cells = TITLES.slice(1).map(() => element("td"));
  const node = element("tr", {}, element("th", { scope: "row" }, title), ...cells);
  return {
    node,
    update(record) {
      const warnings = record.true + record.false;
      const stresses = record.true + record.missed;
      const texts = [
        share(record.true, warnings),
        share(record.true, stresses),
        record.median_lead_s === null ? "–" : span(record.median_lead_s),
        String(record.disputed),
      ];
      texts.forEach((text, index) => setText(cells[index], text));
    },
  };
}

/** "12 of 15 (80 %)" */
function share(part, whole) {
  return whole ? `${part} of ${whole} (${percent(part / whole)})` : "–";
}
