// Small tools over the DOM. Texts from outside only ever become text nodes.

/** An element with properties (className, href, dataset, …) and children (elements or texts). */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "dataset") Object.assign(made.dataset, value);
    else if (name.startsWith("aria-") || name === "role") made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children);
  return made;
}

/** An input with its label, and a hint where there is one. */
export function field(label, input, hint = "") {
  return element("label", { className: "field" }, element("span", {}, label), input,
    ...(hint ? [element("span", { className: "hint" }, hint)] : []));
}

/** Change a text, and touch the page only if it is another one. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Change a class of the form "<base> <variant>", if it is another one. */
export function setClass(node, className) {
  if (node.className !== className) node.className = className;
}

/** Make the children of `parent` one row per item, in order, keeping the rows that exist.
 *
 * rows: a Map that this function keeps, key -> {node, update}.
 */
export function keyed(parent, rows, items, keyOf, create) {
  const wanted = new Set(items.map(keyOf));
  for (const [key, row] of rows) {
    if (!wanted.has(key)) {
      row.node.remove();
      row.close?.();
      rows.delete(key);
    }
  }
  let next = parent.firstChild;
  for (const item of items) {
    const key = keyOf(item);
    if (!rows.has(key)) rows.set(key, create(item));
    const row = rows.get(key);
    row.update(item);
    if (row.node === next) next = next.nextSibling;
    else parent.insertBefore(row.node, next);
  }
}
