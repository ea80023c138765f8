// What people read where the API, or the browser, refuses something of passkeys.

import { addWords } from "../../account_pages/pages/words.js";

addWords({
  "Invalid passkey": "This passkey doesn’t work here, or took too long. Try again, or use your password.",
  "Passkey not found": "That passkey is removed already.",
  "This passkey is registered already": "This passkey is registered already.",
  "An account has 20 passkeys at most": "You have 20 passkeys, and can’t have more. Remove one first.",
});

/** By the name of a DOMException of WebAuthn. @type {Record<string, string>} */
const REFUSALS = {
  InvalidStateError: "This device has a passkey of your account already.",
  NotAllowedError: "No passkey was used: it was cancelled, took too long, or there is none here.",
  NotSupportedError: "This device can’t have a passkey for this site.",
  SecurityError: "Passkeys don’t work at this address.",
};

/**
 * What to say if the browser, or its user, refused; throws any other error again.
 * @param {unknown} error
 */
export function refusalInWords(error) {
  const text = error instanceof DOMException && REFUSALS[error.name];
  if (!text) throw error;
  return [{ text }];
}
