// Using a passkey: the browser's part of it.

import { api } from "../../account_pages/pages/api.js";

/** Safari has had these functions since 2025, other browsers for longer; older ones log in by password. */
export const isSupported = typeof globalThis.PublicKeyCredential?.parseRequestOptionsFromJSON === "function";

/**
 * Have the browser ask for one, and return what the API wants to see of it. Throws ApiError, and DOMException if there
 * is none or somebody cancels.
 * @param {CredentialRequestOptions} [how]
 * @returns {Promise<PublicKeyCredentialJSON & {response: {userHandle?: string}}>}
 */
export async function getPasskey(how = {}) {
  const options = await api("POST", "/auth/passkeys/login/options");
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
  const credential = /** @type {PublicKeyCredential} */ (await navigator.credentials.get({ ...how, publicKey }));
  return credential.toJSON();
}
