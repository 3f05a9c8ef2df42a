/** What went wrong, in words, from whatever was thrown or answered. */
(function () {
  "use strict";
  const EC = (window.ExportCenter ??= {});

  const OF_ISSUERS = {
    access_denied: "The sign-in was declined.",
    consent_required: "The issuer wants your consent first.",
    interaction_required: "The issuer wants you to do something first.",
    invalid_client: "The issuer does not know this viewer: its client id is another one, or it is not registered.",
    invalid_grant: "The issuer's answer was used before, or came too late.",
    invalid_redirect_uri: "The issuer does not expect people to come back to this address.",
    invalid_scope: "The issuer does not give what this viewer is set up to ask for.",
    invalid_target: "The issuer does not know this service as a resource.",
    login_required: "The issuer wants you to sign in.",
    temporarily_unavailable: "The issuer is busy; try again in a while.",
    unauthorized_client: "The issuer does not let this viewer sign people in.",
  };

  /** Returns a sentence about an error, whoever threw it. */
  function words(error) {
    if (error instanceof EC.session.SignInNeeded) return "Your session is over. Sign in again.";
    const known = OF_ISSUERS[error?.error];
    if (known) return error.error_description ? `${known} It says: ${error.error_description}` : known;
    if (error instanceof TypeError) return "It cannot be reached. Is it running, and are you connected?";
    return error?.message ?? String(error);
  }

  /** Returns a sentence about an answer that is not a good one: what the API says, with its code and trace. */
  async function ofAnswer(answer) {
    const told = await answer.json().catch(() => null);
    if (!told?.code) return `The service answered ${answer.status}.`;
    return `${told.message} (${told.code}, trace ${told.traceId})`;
  }

  EC.problems = { words, ofAnswer };
})();
