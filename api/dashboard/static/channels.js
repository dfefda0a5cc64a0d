// The channels of `fleetpulse notify`: a button that tries one, and what came of it.

import { attempt, deedButton, somethingChanged } from "./deeds.js";
import { element, keyed, setText } from "./dom.js";
import { panel } from "./fleet.js";
import { moment } from "./format.js";
import { may } from "./me.js";
import * as rest from "./rest.js";

const PREFIX = "notify:";
const PATIENCE_MS = 60_000; // what the notifier has not seen by then it does not send

export const isChannel = ({ target }) => target.startsWith(PREFIX);

/** The panel of the channels; hidden while there are none. */
export function channelsPanel() {
  const list = element("ul", { className: "chats" });
  const rows = new Map();
  const node = panel("Channels", element("div", { className: "tools" }), list,
    element("p", { className: "hint" }, "Mail, webhooks and other services that fleetpulse notify tells; they are set in FLEETPULSE_NOTIFY. Try sends an example through one."));
  let shown = [];
  return {
    node,
    isTrying: () => shown.some(({ test }) => isWaiting(test, rest.serverNow())),
    update(channels) {
      shown = channels;
      node.hidden = !channels.length;
      keyed(list, rows, channels, ({ target }) => target, channelRow);
    },
    tick(nowMs) {
      for (const row of rows.values()) row.tick(nowMs);
    },
  };
}

const isWaiting = (test, nowMs) => test !== null && test.answered_at === null && nowMs - test.asked_at < PATIENCE_MS;

function testWords(test, nowMs) {
  if (test === null) return "";
  if (test.answered_at !== null) return test.problem === null ? `sent ${moment(test.answered_at)}` : `${moment(test.answered_at)}: ${test.problem}`;
  return isWaiting(test, nowMs) ? "trying …" : "no answer: is fleetpulse notify running?";
}

function channelRow({ target }) {
  const name = target.slice(PREFIX.length);
  const outcome = element("span", { className: "says", role: "status" });
  const says = element("span", { className: "says is-failed", role: "status" });
  const button = deedButton("Try", name, () => attempt(async () => {
    test = await rest.tryChannel(target);
    draw(rest.serverNow());
    somethingChanged();
  }, says));
  let test = null;

  function draw(nowMs) {
    setText(outcome, testWords(test, nowMs));
    outcome.classList.toggle("is-failed", test !== null && !isWaiting(test, nowMs) && (test.answered_at === null || test.problem !== null));
  }

  return {
    node: element("li", { className: "line" }, element("strong", { className: "chat-title" }, name), ...(may("act") ? [button] : []), outcome, says),
    update(chat) {
      test = chat.test;
      draw(rest.serverNow());
    },
    tick: draw,
  };
}
