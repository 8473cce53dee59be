/**
 * Which part of a long list has to exist. Pure.
 */

/**
 * @typedef {object} Range
 * @property {number} start index of the first item that exists
 * @property {number} end index after the last one
 * @property {number} before px of the items left out before
 * @property {number} after px of the items left out after
 */

/**
 * @param {number[]} heights of all items, px, measured or estimated
 * @param {number} top px scrolled away
 * @param {number} visible px that can be seen
 * @param {number} spare px kept on both sides, for scrolling
 * @returns {Range}
 */
export function rangeOf(heights, top, visible, spare) {
  const from = top - spare;
  const to = top + visible + spare;
  let y = 0;
  let start = heights.length;
  let end = heights.length;
  let before = 0;
  let after = 0;
  for (let i = 0; i < heights.length; i++) {
    const bottom = y + heights[i];
    if (start === heights.length && bottom > from) {
      start = i;
      before = y;
    }
    if (end === heights.length && y >= to && i > start) end = i;
    if (i >= end) after += heights[i];
    y = bottom;
  }
  if (start === heights.length) before = y;
  return { start, end, before, after };
}
