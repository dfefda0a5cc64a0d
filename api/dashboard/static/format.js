// Numbers and moments as people read them.

const DECIMALS = { "°C": 1, W: 1, "%": 1, V: 2, CFM: 1, GHz: 2, tasks: 2 };

/** A channel's value without its unit; "–" for what the machine does not measure. */
export function amount(channel, value) {
  if (value === null || value === undefined) return "–";
  if (channel.unit === "0 or 1") return value >= 0.5 ? "yes" : "no";
  return value.toFixed(DECIMALS[channel.unit] ?? 2);
}

/** The unit to write after a value; none after yes, no and "–". */
export function unitAfter(channel, value) {
  if (value === null || value === undefined || channel.unit === "0 or 1") return "";
  return channel.unit;
}

export function percent(probability) {
  return probability === null ? "–" : `${Math.round(100 * probability)} %`;
}

/** A length of time in its largest unit or two. */
export function span(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) {
    const rest = whole % 60;
    return whole < 600 && rest ? `${Math.floor(whole / 60)} min ${rest} s` : `${Math.floor(whole / 60)} min`;
  }
  if (whole < 86400) {
    const rest = Math.floor((whole % 3600) / 60);
    return rest ? `${Math.floor(whole / 3600)} h ${rest} min` : `${Math.floor(whole / 3600)} h`;
  }
  return `${Math.floor(whole / 86400)} d`;
}

/** How long ago that was, in its largest unit. */
export function ago(ms, nowMs) {
  if (ms === null) return "never";
  const seconds = Math.max(0, Math.round((nowMs - ms) / 1000));
  const [size, unit] = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]].find(
    ([size]) => seconds >= size || size === 1,
  );
  return `${Math.floor(seconds / size)} ${unit} ago`;
}

const pad = (number) => String(number).padStart(2, "0");

/** The time of day, with the date in front of it if it is another day. */
export function moment(ms, { seconds = true } = {}) {
  const at = new Date(ms);
  const time = `${pad(at.getHours())}:${pad(at.getMinutes())}${seconds ? `:${pad(at.getSeconds())}` : ""}`;
  if (at.toDateString() === new Date().toDateString()) return time;
  return `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())} ${time}`;
}
