// What whoever looks at this page may do; the API decides, this only spares people buttons that fail.

const scopes = new Set(document.body.dataset.scopes.split(" "));

/** Whether the session, or whoever is at this machine, has this scope. */
export const may = (scope) => scopes.has(scope);
