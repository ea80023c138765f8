// What people read where the API refuses something of second factors.

import { addWords } from "../../account_pages/pages/words.js";

addWords({
  "Invalid code": ["This code isn’t right, or was used before. Enter the one that your app shows now.", "code"],
  "A second factor is set up already": "An app is set up already. Remove it first.",
  "No second factor is set up": "No app is set up any more.",
  "Second factor required": null, // login.js asks for it
  "Remove your own by DELETE /auth/totp": null,
});
