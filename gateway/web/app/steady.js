// Against presses that were meant for something else: a button that has just appeared, or has moved under the finger,
// takes no press for a moment. Only approving goes through this; refusing is always at once.

/** How long. */
export const STEADY_MS = 400;

export class Steady {
  constructor() {
    this.moved();
    /** When the press that now ends began; a key press begins and ends at once. */
    this.began = 0;
  }

  /** Something appeared, moved or came back into view. */
  moved() {
    this.since = performance.now();
  }

  /** Watches where presses on `button` begin. @param {HTMLElement} button */
  watch(button) {
    button.addEventListener("pointerdown", () => (this.began = performance.now()));
  }

  /** Whether this click was meant. @param {Event} event */
  deliberate(event) {
    const at = performance.now();
    const byKey = !(event instanceof MouseEvent) || event.detail === 0;
    const began = byKey ? at : this.began;
    return Math.min(began, at) - (this.since ?? at) >= STEADY_MS;
  }
}
