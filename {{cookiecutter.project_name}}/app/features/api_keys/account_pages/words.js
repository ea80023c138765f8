// What people read where the API refuses something of keys.

import { addWords } from "../../account_pages/pages/words.js";

addWords({
  "An account has 50 API keys at most": "You have 50 keys already. Remove one first.",
  "Unknown scopes, or scopes that you don't have": ["Your account may no longer do all of this. Choose again.", "scope"],
  "API key not found": "That key is gone already.",
  "Invalid client id or secret": null, // only programs see the rest
  "Send the client's id and secret in one way only": null,
  "The key doesn't have these scopes": null,
});
