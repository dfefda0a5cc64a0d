// A live chart of one channel of one device: its value, its limit, and the probability of stress.

import { element } from "./dom.js";
import { amount, moment, unitAfter } from "./format.js";
import * as rest from "./rest.js";

const MOST_PAGES = 20;
const RAW_MINUTES = 360; // a longer period is drawn from what fits it
const ROLLUPS_EVERY_MS = 30_000;
const SHORTEST_MS = 60_000; // of what the time axis shows
const SHADES = { soon: "--soon", stressed: "--stressed" };

// Which channel shows a rule's limit, where the rule watches something made of a channel.
const SHOWN_BY = { load_mean_60s: "load_pct", supply_voltage_v: "voltage_v" };

/** The limit to draw over a channel: that of the rule which watches it; null: none does. */
export function limitOf(rules, channelName) {
  const rule = rules.find((each) => each.enabled && shownBy(each) === channelName);
  return rule ? rule.limit : null;
}

/** The name of the channel that shows what this rule watches; undefined for a rule that is not there. */
export function channelOf(rules, ruleName) {
  const rule = rules.find((each) => each.rule === ruleName);
  return rule && shownBy(rule);
}

const shownBy = ({ watches }) => SHOWN_BY[watches] ?? watches;

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export class Chart {
  constructor(deviceId, { height, minutes, compact = false }) {
    this.deviceId = deviceId;
    this.height = height;
    this.minutes = minutes;
    this.compact = compact;
    this.#forget();
    this.limit = null;
    this.channel = null;
    this.offsetMs = 0;
    this.firstMs = 0;
    this.note = element("p", { className: "chart-note" }, "loading");
    this.plotted = element("div", { className: "plot" });
    this.node = element("div", { className: "chart" }, this.plotted, this.note);
    this.node.style.setProperty("--chart-height", `${height}px`);
    this.resized = new ResizeObserver(() => this.#resize());
    this.resized.observe(this.node);
    this.dark = matchMedia("(prefers-color-scheme: dark)");
    this.recolour = () => this.#rebuild();
    this.dark.addEventListener("change", this.recolour);
  }

  close() {
    this.resized.disconnect();
    this.dark.removeEventListener("change", this.recolour);
    this.plot?.destroy();
  }

  /** Draw this channel and limit from now on. */
  show(channel, limit) {
    if (channel?.name === this.channel?.name && limit === this.limit) return;
    this.channel = channel;
    this.limit = limit;
    this.#rebuild();
  }

  /** Another period; its readings are fetched by the next `refresh`. */
  setMinutes(minutes) {
    this.minutes = minutes;
    this.#forget();
  }

  #forget() {
    this.readings = [];
    this.loaded = false;
    this.resolution = this.minutes > RAW_MINUTES ? "auto" : "raw";
    this.askedAt = 0;
  }

  /** Fetch what is new up to the device's newest reading, and draw it. */
  async refresh({ first_seen_at: firstMs, last_seen_at: newestMs }, nowMs) {
    this.offsetMs = nowMs - Date.now();
    this.firstMs = firstMs;
    const from = nowMs - this.minutes * 60_000;
    const last = this.readings.at(-1)?.measured_at ?? null;
    if (this.#isBehind(newestMs, last)) {
      const { minutes } = this;
      const since = last === null ? from : this.#isRolled() ? last : last + 1;
      const found = await rest.history(this.deviceId, since, this.resolution, MOST_PAGES);
      if (minutes !== this.minutes) return; // the period was changed meanwhile
      this.#add(found);
    }
    const kept = this.readings.findIndex((reading) => reading.measured_at >= from);
    if (kept > 0) this.readings.splice(0, kept);
    this.#draw();
  }

  #isRolled() {
    return this.resolution === "1m" || this.resolution === "1h";
  }

  #isBehind(newestMs, last) {
    if (!this.loaded) return true;
    if (this.#isRolled() && Date.now() - this.askedAt < ROLLUPS_EVERY_MS) return false;
    return newestMs !== null && (last === null || newestMs > last);
  }

  #add({ items, resolution }) {
    // The newest rollup grows until its time is over: it comes again, and replaces itself.
    if (items.length && this.readings.at(-1)?.measured_at === items[0].measured_at) this.readings.pop();
    this.readings.push(...items);
    this.resolution = resolution;
    this.loaded = true;
    this.askedAt = Date.now();
  }

  #draw() {
    const empty = this.channel === null || !this.readings.length;
    this.note.textContent = empty ? (this.loaded ? "No readings in this period." : "loading") : "";
    this.note.hidden = !empty;
    if (!this.channel) return;
    if (this.plot) this.plot.setData(this.#columns());
    else this.#rebuild();
    this.#showNewest();
  }

  /** Without a pointer over the chart its legend tells the newest values. */
  #showNewest() {
    if (!this.plot || this.compact || this.plot.cursor.left >= 0) return;
    this.plot.setLegend({ idx: this.plot.data[0].length - 1 });
  }

  /** Times (s), values, limit and probabilities; a silence becomes a gap. */
  #columns() {
    const columns = [[], [], [], []];
    this.statuses = [];
    const silence = 3 * this.#cadenceMs();
    let before = null;
    const [from] = this.#period();
    if (this.readings.length && this.readings[0].measured_at > from * 1000) {
      this.#append(columns, from * 1000, null, null, "unknown"); // the limit is drawn all the way
    }
    for (const reading of this.readings) {
      if (before !== null && reading.measured_at - before > silence) {
        this.#append(columns, before + 1, null, null, "unknown");
      }
      before = reading.measured_at;
      const value = reading[this.channel.name] ?? null;
      this.#append(columns, before, value, reading.probability, reading.status);
    }
    return columns;
  }

  #append(columns, atMs, value, probability, status) {
    columns[0].push(atMs / 1000);
    columns[1].push(value);
    columns[2].push(this.limit);
    columns[3].push(probability);
    this.statuses.push(status);
  }

  #cadenceMs() {
    const newest = this.readings.slice(-60);
    const steps = newest.slice(1).map((each, index) => each.measured_at - newest[index].measured_at);
    steps.sort((one, other) => one - other);
    return Math.max(5000, steps[Math.floor(steps.length / 2)] ?? 0);
  }

  #resize() {
    const width = this.node.clientWidth;
    if (this.plot && width && width !== this.plot.width) {
      this.plot.setSize({ width, height: this.height });
    }
  }

  #rebuild() {
    this.plot?.destroy();
    this.plot = null;
    const width = this.node.clientWidth;
    if (this.channel === null || !width || !this.loaded) return;
    this.plot = new window.uPlot(this.#options(width), this.#columns(), this.plotted);
    this.#showNewest();
  }

  #options(width) {
    const unit = unitAfter(this.channel, 0);
    const grid = { stroke: css("--line"), width: 1 };
    const axis = { stroke: css("--muted"), font: "11px system-ui, sans-serif", grid, ticks: grid };
    const shown = (value) => (value === null ? "–" : `${amount(this.channel, value)} ${unit}`.trim());
    return {
      width,
      height: this.height,
      legend: { show: !this.compact },
      cursor: { show: !this.compact, y: false, drag: { x: false, y: false }, points: { size: 6 } },
      padding: [8, 4, 0, 0],
      scales: {
        x: { range: () => this.#period() },
        y: { range: (plot, low, high) => this.#span(low, high) },
        p: { range: [0, 1] },
      },
      axes: [
        { ...axis, size: 26, values: (plot, moments, index, space, step) => moments.map((at) => clock(at, step)) },
        { ...axis, size: 48, values: (plot, values) => values.map((value) => `${+value.toFixed(2)}`) },
        { ...axis, size: 54, scale: "p", side: 1, grid: { show: false }, splits: [0, 0.5, 1],
          values: (plot, values) => values.map((value) => `${Math.round(100 * value)} %`) },
      ],
      series: [
        { label: "time", value: (plot, at) => (at === null ? "–" : moment(at * 1000)) },
        { label: this.channel.label, scale: "y", stroke: css("--value"), width: 2, points: { show: false },
          value: (plot, value) => shown(value) },
        { label: "limit", scale: "y", stroke: css("--stressed"), width: 1.5, dash: [6, 4],
          points: { show: false }, value: (plot, value) => shown(value) },
        { label: "probability", scale: "p", stroke: css("--probability"), width: 1.5,
          fill: css("--probability-fill"), points: { show: false },
          value: (plot, value) => (value === null ? "–" : `${Math.round(100 * value)} %`) },
      ],
      hooks: { drawClear: [(plot) => this.#shade(plot)] },
    };
  }

  /** What the time axis shows (s): the period, or less of it if the device is younger. */
  #period() {
    const now = Date.now() + this.offsetMs;
    const first = Math.min(this.firstMs, this.readings[0]?.measured_at ?? Infinity, now - SHORTEST_MS);
    return [Math.max(now - this.minutes * 60_000, first) / 1000, now / 1000];
  }

  /** Room for the values and the limit, so that one sees how far away it is. */
  #span(low, high) {
    if (low === null || high === null) return [0, 1];
    const room = Math.max(0.08 * (high - low), 0.01 * Math.abs(high), 0.05);
    return [low - room, high + room];
  }

  /** Colour the background where the device was, or was about to be, stressed. */
  #shade(plot) {
    const [times] = plot.data;
    const { ctx } = plot;
    ctx.save();
    ctx.globalAlpha = 0.14;
    for (let index = 0; index + 1 < times.length; index += 1) {
      const shade = SHADES[this.statuses[index]];
      if (!shade) continue;
      let end = index + 1;
      while (end + 1 < times.length && this.statuses[end] === this.statuses[index]) end += 1;
      const left = Math.max(plot.valToPos(times[index], "x", true), plot.bbox.left);
      const right = plot.valToPos(times[end], "x", true);
      ctx.fillStyle = css(shade);
      ctx.fillRect(left, plot.bbox.top, Math.max(0, right - left), plot.bbox.height);
      index = end - 1;
    }
    ctx.restore();
  }
}

/** The time of day of a mark on the axis; of one at midnight, or of days, the day. */
function clock(seconds, step) {
  const at = new Date(seconds * 1000);
  const isMidnight = at.getHours() + at.getMinutes() + at.getSeconds() === 0;
  if (isMidnight && step >= 3600) return at.toLocaleDateString([], { day: "numeric", month: "short" });
  const parts = [at.getHours(), at.getMinutes(), ...(step < 60 ? [at.getSeconds()] : [])];
  return parts.map((part) => String(part).padStart(2, "0")).join(":");
}
