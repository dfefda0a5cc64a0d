// A code that makes a chat somebody's: shown large, with its time, until it is used or too old.

import { element, setText } from "./dom.js";
import { span } from "./format.js";

export function pairingCard() {
  const code = element("output", { className: "code" });
  const left = element("p", { className: "left" });
  const what = element("p", {});
  const inGroups = element("p", { className: "hint" });
  const title = element("h2", { tabIndex: -1 });
  const node = element("section", { className: "panel pairing", "aria-label": "Code", hidden: true },
    title, code, what, inGroups, left);
  let waiting = null; // {name, code, expiresAt, before}
  let known = [];

  function end(says) {
    waiting = null;
    code.hidden = what.hidden = inGroups.hidden = true;
    setText(left, says);
  }

  return {
    node,
    isWaiting: () => waiting !== null,
    /** Show a new code of this person. */
    show(name, made, nowMs) {
      waiting = { name, expiresAt: made.expires_at, before: new Set(known.map(({ target }) => target)) };
      node.hidden = code.hidden = what.hidden = inGroups.hidden = false;
      setText(title, `A chat for ${name}`);
      setText(code, made.code);
      setText(what, "Open the bot in the chat that is to be theirs, and send it this code.");
      setText(inGroups, `In a group write /pair ${made.code}. It works once; whoever sends it gets ${name}'s alerts.`);
      this.tick(nowMs);
      title.focus();
    },
    /** The chats that there are: the code may have been used. */
    update(chats) {
      known = chats;
      const paired = waiting && chats.find((chat) => chat.person === waiting.name && !waiting.before.has(chat.target));
      if (paired) end(`Done: ${paired.title || paired.target} is now ${paired.person}'s chat.`);
    },
    tick(nowMs) {
      if (!waiting) return;
      const leftS = (waiting.expiresAt - nowMs) / 1000;
      if (leftS <= 0) end("The code is too old now. Make another one with “Add a chat”.");
      else setText(left, `Good for another ${span(leftS)}.`);
    },
  };
}
