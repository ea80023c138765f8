// The token of a link in an email. It is in the fragment, which browsers send to no server.

const TOKEN = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
history.replaceState(null, "", location.pathname); // so that no history and nobody who looks on has it

/**
 * The token; null if there was none: after a reload, for example.
 * @returns {string | null}
 */
export const takeToken = () => TOKEN || null;

// Another link of the kind, opened in this tab, changes only the fragment.
addEventListener("hashchange", () => location.hash && location.reload());
