/**
 * Something that is held: a button by finger, mouse or key, or the space bar anywhere.
 */

/**
 * @param {HTMLElement} button
 * @param {() => boolean} isOn whether holding means anything at present
 * @param {(isHeld: boolean) => void} onHold
 */
export function watchHold(button, isOn, onHold) {
  let isHeld = false;
  /** @param {boolean} held */
  const set = (held) => {
    if (held === isHeld || (held && !isOn())) return;
    isHeld = held;
    onHold(held);
  };
  button.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !isOn()) return;
    button.setPointerCapture(event.pointerId);
    set(true);
  });
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) {
    button.addEventListener(end, () => set(false));
  }
  button.addEventListener("contextmenu", (event) => {
    if (isOn()) event.preventDefault(); // a long press on a touch screen
  });
  document.addEventListener("keydown", (event) => {
    if (!isOn() || event.key !== " " || isTakenBy(event.target, button)) return;
    event.preventDefault();
    if (!event.repeat) set(true);
  });
  document.addEventListener("keyup", (event) => {
    if (event.key === " ") set(false);
  });
  window.addEventListener("blur", () => set(false));
}

/**
 * Where the space bar has a meaning of its own.
 *
 * @param {EventTarget | null} target
 * @param {HTMLElement} button
 */
function isTakenBy(target, button) {
  if (!(target instanceof Element) || target === button) return false;
  return target.closest("input, select, textarea, button, a, dialog") !== null;
}
