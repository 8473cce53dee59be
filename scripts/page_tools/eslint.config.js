/** Rules for the voice page: the recommended set, and what a page without a build needs. */

import js from "@eslint/js";
import globals from "globals";

const worklet = {
  AudioWorkletProcessor: "readonly",
  registerProcessor: "readonly",
  currentFrame: "readonly",
  sampleRate: "readonly",
};

export default [
  {
    // A config file outside of the linted folder: patterns are relative to the root.
    files: ["web/**/*.js", "tests/browser/js/**/*.mjs", "scripts/page_tools/*.js"],
    ...js.configs.recommended,
    rules: {
      ...js.configs.recommended.rules,
      "no-unused-vars": ["error", { varsIgnorePattern: "^_", argsIgnorePattern: "^_" }],
    },
  },
  {
    files: ["web/**/*.js"],
    languageOptions: { ecmaVersion: 2022, sourceType: "module", globals: globals.browser },
    rules: {
      eqeqeq: "error",
      "no-console": ["error", { allow: ["error"] }],
      "no-eval": "error",
      "no-implied-eval": "error",
      "no-var": "error",
      "object-shorthand": "error",
      "prefer-const": "error",
      "no-restricted-properties": [
        "error",
        ...["innerHTML", "outerHTML", "insertAdjacentHTML"].map((property) => ({
          property,
          message: "Words are text and never markup.",
        })),
      ],
    },
  },
  {
    files: ["web/audio/*-processor.js"],
    languageOptions: { globals: worklet },
  },
  {
    files: ["tests/browser/js/**/*.mjs", "scripts/page_tools/*.js"],
    languageOptions: { ecmaVersion: 2022, sourceType: "module", globals: globals.node },
  },
];
