/** Keys of the viewer: one command a press; W, A, S and D for as long as they are down. */
import { carryOut, moveHeld } from "./carry-out.ts";
import { type CommandId, commandOf } from "./commands.ts";
import type { Viewer } from "./viewer.ts";

/** Longest step of a held key, so that a slow frame does not throw the view far. */
const MAX_STEP_MS = 50;

const isTyping = (event: KeyboardEvent): boolean =>
  (event.target instanceof Element && event.target.closest("input, select, textarea, [contenteditable]") !== null) ||
  document.querySelector("dialog[open]") !== null;

/** Listens until the trace is closed. */
export function connectKeyboard(viewer: Viewer): void {
  const { signal } = viewer.closing;
  const held = new Map<CommandId, boolean>();
  const clock = { last: 0, frame: 0 };

  const tick = (now: number): void => {
    clock.frame = 0;
    if (held.size === 0) return;
    // A frame's time can lie before the key press that asked for it.
    const ms = Math.min(MAX_STEP_MS, Math.max(0, now - clock.last));
    clock.last = now;
    for (const [id, fast] of held) moveHeld(viewer, id, fast, ms);
    clock.frame = requestAnimationFrame(tick);
  };

  const onDown = (event: KeyboardEvent): void => {
    if (isTyping(event)) return;
    const command = commandOf(event);
    if (command === undefined) return;
    // A panel that has the focus scrolls with the keys that scroll.
    if (viewer.details.contains(document.activeElement) && /^(Arrow|Page|Home)/.test(event.code)) return;
    event.preventDefault();
    if (command.held !== true) {
      carryOut(viewer, command.id, event.shiftKey, event.code);
      return;
    }
    if (event.repeat) return;
    carryOut(viewer, command.id, event.shiftKey);
    held.set(command.id, event.shiftKey);
    clock.last = performance.now();
    if (clock.frame === 0) clock.frame = requestAnimationFrame(tick);
  };

  viewer.shell.keys.addEventListener("keydown", (event) => onDown(event as KeyboardEvent), { signal });
  globalThis.addEventListener(
    "keyup",
    ({ code, key }) => {
      const released = commandOf({ code, key, ctrlKey: false, metaKey: false, altKey: false });
      if (released !== undefined) held.delete(released.id);
    },
    { signal },
  );
  globalThis.addEventListener("blur", () => held.clear(), { signal });
}
