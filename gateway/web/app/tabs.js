// Of several tabs, one works: it hears and answers, the others wait. The one that the person opened last has it.

const NAME = "assent";

/** @param {{ active: () => void, passive: () => void }} roles @returns {{ here: () => void }} */
export function tabs({ active, passive }) {
  /** @param {boolean} steal */
  const take = (steal) => {
    navigator.locks
      .request(NAME, { steal }, () => {
        active();
        // Kept until this tab ends or another one takes it.
        return new Promise(() => {});
      })
      .catch(() => {
        passive();
        take(false);
      });
  };
  if (document.visibilityState === "visible") take(true);
  else {
    passive();
    take(false);
  }
  return { here: () => take(true) };
}
