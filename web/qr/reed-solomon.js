/**
 * Error correction of QR codes: Reed-Solomon over GF(256), polynomial 0x11D. Pure.
 */

/**
 * @param {number} a 0..255
 * @param {number} b 0..255
 */
function multiply(a, b) {
  let product = 0;
  for (let i = 7; i >= 0; i--) {
    product = (product << 1) ^ ((product >> 7) * 0x11d);
    product ^= ((b >> i) & 1) * a;
  }
  return product;
}

/** @param {number} degree number of correction bytes */
function generatorOf(degree) {
  const factors = [...new Uint8Array(degree - 1), 1];
  let root = 1;
  for (let i = 0; i < degree; i++) {
    for (let j = 0; j < degree; j++) {
      factors[j] = multiply(factors[j], root) ^ (factors[j + 1] ?? 0);
    }
    root = multiply(root, 2);
  }
  return factors;
}

/**
 * @param {number[]} data bytes
 * @param {number} n correction bytes wanted
 * @returns {number[]}
 */
export function correctionOf(data, n) {
  const generator = generatorOf(n);
  const remainder = Array(n).fill(0);
  for (const byte of data) {
    const factor = byte ^ remainder.shift();
    remainder.push(0);
    generator.forEach((it, i) => (remainder[i] ^= multiply(it, factor)));
  }
  return remainder;
}
