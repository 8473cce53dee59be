/**
 * Gives a file to the person, as a download.
 */

/** The browser reads it after the click, in its own time. */
const READ_WITHIN_MS = 60_000;

/**
 * @param {Blob} blob
 * @param {string} name of the file
 */
export function saveFile(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), READ_WITHIN_MS);
}
