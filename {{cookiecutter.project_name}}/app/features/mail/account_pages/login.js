// Where only confirmed addresses log in: what to do.

import { find } from "../../account_pages/pages/forms.js";
import { onRefusal, showStep } from "../../account_pages/pages/logging_in.js";
import "./words.js";

onRefusal("email_not_verified", () => showStep(find("#unverified")));
