"""Why a launch does not end in a session: a closed set, each with what the clinician or their IT can do."""

from __future__ import annotations

from http import HTTPStatus

from tocsin.serve.doors import Problem


class LaunchRefused(Problem):
    """A launch came to nothing. `detail` is for the log: codes and names of settings, never what a token says."""

    status = HTTPStatus.FORBIDDEN
    title = "Tocsin could not be opened from your EHR"
    advice = "Open it from the patient's chart again. If this stays, tell your IT what this page says."

    def __init__(self, detail: str = "", *, again: str | None = None, **values: object) -> None:
        super().__init__(again=again, **values)
        self.detail = detail


class IssuerUnknown(LaunchRefused):
    """The launch names a FHIR server that the settings do not."""

    advice = "The EHR named a record that Tocsin is not set up for. Your IT can add it (TOCSIN_SERVE__ISSUERS)."
    reason = "issuer-unknown"


class LaunchMalformed(LaunchRefused):
    """The launch has parameters that no launch has."""

    status = HTTPStatus.BAD_REQUEST
    reason = "launch-malformed"


class IssuerUnfit(LaunchRefused):
    """What the issuer says of itself does not allow a safe launch."""

    status = HTTPStatus.BAD_GATEWAY
    advice = "The EHR's log-in does not offer what a safe launch needs. Your IT sees what is missing with `tocsin check`."
    reason = "issuer-unfit"


class CookieLost(LaunchRefused):
    """The browser came back without the cookie that it was given."""

    status = HTTPStatus.BAD_REQUEST
    advice = (
        "Your browser kept no cookie of this page. Allow cookies for it, or ask your IT to have the EHR open it in a window of its own."
    )
    reason = "cookie-lost"


class StateUnknown(LaunchRefused):
    """The return from the log-in belongs to no launch of this browser, or to one that is over."""

    status = HTTPStatus.BAD_REQUEST
    advice = "This log-in was used already, took too long, or was begun in another browser. Open it from the patient's chart again."
    reason = "state-unknown"


class IssuerMixedUp(LaunchRefused):
    """Another authorisation server answered than the one that was asked (RFC 9207)."""

    status = HTTPStatus.BAD_REQUEST
    reason = "issuer-mixed-up"


class Denied(LaunchRefused):
    """The EHR did not let the clinician in."""

    advice = "Your EHR did not allow it ({code}). If you should have access, ask your IT."
    reason = "denied"


class CodeRefused(LaunchRefused):
    """The issuer gives no token for the code that it gave."""

    status = HTTPStatus.BAD_GATEWAY
    reason = "code-refused"


class TokenAnswerMalformed(LaunchRefused):
    """The issuer's token response lacks what SMART App Launch demands of it."""

    status = HTTPStatus.BAD_GATEWAY
    reason = "token-answer-malformed"


class IdTokenInvalid(LaunchRefused):
    """The issuer's word on who the clinician is cannot be relied on."""

    status = HTTPStatus.BAD_GATEWAY
    reason = "id-token-invalid"


class ScopeMissing(LaunchRefused):
    """The EHR granted less than the pages need."""

    advice = "Your EHR does not let Tocsin read what its pages need: {missing}. Your IT can grant it."
    reason = "scope-missing"


class NoClinician(LaunchRefused):
    """Who logged in is no clinician of this record."""

    advice = "These pages are for clinicians, and your EHR does not say that you are one (fhirUser). Ask your IT."
    reason = "no-clinician"


class NoRole(LaunchRefused):
    """The EHR gives the clinician none of the roles that the settings know."""

    advice = "You have none of the roles that these pages are for. If you need them for your work, ask your IT."
    reason = "no-role"


LAUNCH_REFUSALS: tuple[type[LaunchRefused], ...] = (
    IssuerUnknown, LaunchMalformed, IssuerUnfit, CookieLost, StateUnknown, IssuerMixedUp, Denied, CodeRefused, TokenAnswerMalformed,
    IdTokenInvalid, ScopeMissing, NoClinician, NoRole,
)  # fmt: skip
"""All of them."""
