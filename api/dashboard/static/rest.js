// Questions to /api/v1. A refusal becomes a Refused with the problem's own words.

const ROOT = "/api/v1";
const LARGEST_PAGE = 1000;

/** The API answered that it will not do this. Any other error means that it did not answer. */
export class Refused extends Error {
  constructor(problem) {
    super(problem.detail ?? problem.title);
    this.status = problem.status;
  }
}

let behindMs = 0; // our clock, behind the server's

/** The server's clock, Unix ms, to the second. */
export const serverNow = () => Date.now() + behindMs;

async function ask(path, options = {}) {
  const answer = await fetch(ROOT + path, { ...options, signal: AbortSignal.timeout(10_000) });
  behindMs = Date.parse(answer.headers.get("Date")) - Date.now() || 0;
  const content = await answer.json();
  if (!answer.ok) throw new Refused(content);
  return content;
}

const deviceAt = (id) => `/devices/${encodeURIComponent(id)}`;

export const fleet = () => ask("/fleet");
export const channels = async () => (await fleet()).channels;
export const device = (id) => ask(deviceAt(id));
export const rules = async (id) => (await ask(`${deviceAt(id)}/rules`)).items;

export async function alerts({ deviceId = null, limit = 20 } = {}) {
  const of = deviceId === null ? "" : `&device_id=${encodeURIComponent(deviceId)}`;
  return (await ask(`/alerts?limit=${limit}${of}`)).items;
}

export const models = async () => (await ask("/models")).items;

const send = (method, path, body = {}) =>
  ask(path, { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
const put = (path, body) => send("PUT", path, body);

/** A new key for a device, in the line that installs its agent. */
export const joining = (id, wanted) => send("POST", `${deviceAt(id)}/key`, wanted);

/** When the newest reading of a device was taken; null: it is not known yet. */
export async function lastSeen(id) {
  try {
    return (await device(id)).last_seen_at;
  } catch (problem) {
    if (problem.status === 404) return null;
    throw problem;
  }
}

export const changeRule = async (id, change) => (await put(`${deviceAt(id)}/rules`, change)).items;

/** Say what an alert was: right or false_alarm. */
export const judge = ({ device_id: id, alert_id }, opinion) => put(`${deviceAt(id)}/verdicts`, { alert_id, opinion });

/** Say that an alert was seen; gives the alert as it is now. */
export const acknowledge = ({ device_id: id, alert_id }) => put(`${deviceAt(id)}/acknowledgements`, { alert_id });

export const snooze = (id, seconds) => put(`${deviceAt(id)}/snooze`, { seconds });

/** End what silences a device: its own snooze, or the one of its group or of everything. */
export const endSnooze = (id, { selector }) =>
  selector === id ? send("DELETE", `${deviceAt(id)}/snooze`) : send("DELETE", "/snoozes", { selector });

const listed = (path) => async () => (await ask(`${path}?limit=${LARGEST_PAGE}`)).items;
export const people = listed("/people");
export const chats = listed("/chats");
export const groups = listed("/groups");

export const keepPerson = (person) => put("/people", person);
export const removePerson = (name) => send("DELETE", "/people", { name });
export const codeFor = (name) => send("POST", `/people/${encodeURIComponent(name)}/code`);
/** Have an example sent through a channel of fleetpulse notify. */
export const tryChannel = (target) => send("POST", `/chats/${encodeURIComponent(target)}/test`);
export const removeChat = (target) => send("DELETE", "/chats", { target });
export const keepGroup = (group) => put("/groups", group);
export const removeGroup = (name) => send("DELETE", "/groups", { name });

/** The newest readings, or their rollups, since a moment, oldest first; at most `pages` times 1,000.
 *
 * resolution: raw, 1m, 1h or auto; the answer says which it is.
 */
export async function history(id, sinceMs, resolution, pages) {
  const since = Math.max(0, Math.round(sinceMs));
  const query = `since=${since}&order=desc&limit=${LARGEST_PAGE}&resolution=${resolution}`;
  const found = [];
  let cursor = "";
  let given = resolution;
  for (let page = 0; page < pages && cursor !== null; page += 1) {
    const answer = await ask(`${deviceAt(id)}/readings?${query}${cursor && `&cursor=${cursor}`}`);
    found.push(...answer.items);
    given = answer.resolution;
    cursor = answer.next_cursor;
  }
  return { items: found.reverse().map(pointOf), resolution: given };
}

/** What a chart draws of an item: of a rollup the means, and no status. */
function pointOf(item) {
  if (!item.channels) return item;
  const means = Object.entries(item.channels).map(([name, { mean }]) => [name, mean]);
  return { measured_at: item.measured_at, probability: item.probability, status: "unknown", ...Object.fromEntries(means) };
}
