// What people read where the API refuses something that has to do with emails.

import { addWords } from "../../account_pages/pages/words.js";

addWords({
  "Invalid or expired token": "This link was used before, or is too old. Ask for a new one.",
  "Email address not verified": null, // unverified.js says what to do
});
