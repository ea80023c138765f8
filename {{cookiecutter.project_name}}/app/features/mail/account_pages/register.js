// Where only confirmed addresses log in: what to do after the registration.

import { find } from "../../account_pages/pages/forms.js";
import { onRefusal, showStep } from "../../account_pages/pages/logging_in.js";
import "./words.js";

const showUnverified = () => showStep(find("#unverified"));

onRefusal("email_not_verified", showUnverified);
// With REGISTRATION=discreet, the login after a registration says neither that, nor whether the address was free.
onRefusal("invalid_grant", showUnverified);
