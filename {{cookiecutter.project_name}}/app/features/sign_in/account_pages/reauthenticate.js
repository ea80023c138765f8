// Re-authentication by logging in once more with a linked login: the page goes there, and comes back.

import { ApiError, api } from "../../account_pages/pages/api.js";
import { element, find, onSubmit } from "../../account_pages/pages/forms.js";
import { addWay } from "../../account_pages/pages/reauthenticate.js";
import { loginAddress, readProviders } from "./providers.js";

const way = {
  element: find("#reauthenticate-linked"),
  isInsteadOfPassword: false,
  isOffered: async () => {
    const [{ is_set }, identities, providers] = await Promise.all([
      api("GET", "/users/me/password"),
      api("GET", "/auth/identities"),
      readProviders(),
    ]);
    const linked = new Set(identities.map((/** @type {({provider: string})} */ { provider }) => provider));
    const forms = providers.filter(({ id }) => linked.has(id)).map(form);
    way.element.replaceChildren(...forms);
    way.isInsteadOfPassword = !is_set;
    return forms.length > 0;
  },
};
addWay(way);

/** @param {import("./providers.js").Provider} provider */
function form(provider) {
  const button = element("button", { className: "quiet", textContent: `Log in with ${provider.name} again` });
  const created = element("form", {}, button);
  onSubmit(created, async () => {
    const here = location.pathname + location.hash;
    location.assign(await addressOf(provider, here));
    await new Promise(() => {}); // the button stays busy until the page is gone
  });
  return created;
}

/**
 * @param {import("./providers.js").Provider} provider
 * @param {string} here
 */
async function addressOf(provider, here) {
  const path = `/auth/browser/providers/${provider.id}/reauthenticate`;
  try {
    return (await api("POST", path, { json: { return_to: here } })).location;
  } catch (error) {
    // Such a provider says nothing of when: a new login begins a new session, which is recent.
    if (error instanceof ApiError && error.status === 400) return loginAddress(provider, here);
    throw error;
  }
}
