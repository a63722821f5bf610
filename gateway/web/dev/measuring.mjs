// What the measurements share: the clock, and how times are told.

/** Milliseconds since 1970, finer than `Date`; a page says the same of its own clock. */
export const now = () => performance.timeOrigin + performance.now();

/** @param {number[]} times @param {number} part */
export const percentile = (times, part) => [...times].sort((a, b) => a - b)[Math.ceil(times.length * part) - 1] ?? NaN;

/** @param {string[]} cells */
export const row = (...[name = "", ...cells]) => console.log(`${name.padEnd(62)}${cells.map((cell) => cell.padStart(10)).join("")}`);

const ms = (/** @type {number} */ time) => `${time.toFixed(time < 100 ? 1 : 0)} ms`;

/** Median, 95 of 100, and the worst. @param {string} name @param {number[]} times */
export const told = (name, times) => row(`${name} (${times.length})`, ms(percentile(times, 0.5)), ms(percentile(times, 0.95)), ms(Math.max(...times)));
