"""The commands of tocsin, as click lists and runs them.

A command's module is imported only when that command is asked for: importing Kafka, Celery and the rest takes a second.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

COMMANDS: Final = {
    "demo": "Watch imaging events become risk flags, on real Kafka, a real FHIR server and real Triton.",
    "consume": "Judge imaging events until stopped: event -> image -> inference -> risk -> report.",
    "work": "Do the tasks that `tocsin beat` and operators ask for, until stopped.",
    "beat": "Ask `tocsin work` for what is to be done regularly, until stopped.",
    "serve": "Show flags to clinicians in their EHR, until stopped: SMART App Launch, sessions, pages.",
    "check": "Connect to every configured part, print what was found, and how to mend what is wrong.",
    "health": "Ask the process of this machine or container whether it is live, or ready, and say so by the exit code.",
    "top": "Watch lag, endings, neighbours, slow stages and tasks over all processes that are running.",
    "dead-letters": "List the events that were refused, the newest last; or count them, show one, or close some.",
    "replay": "Put refused events back on the topic they came from, unchanged; a dry run unless --yes is given.",
    "trace": "Tell what became of one event, given its report, its picture or its trace: every attempt and stage as a timeline.",
    "rehearse": "Try the whole way from an event to its flag on one picture that you name, and take the report back.",
    "print": "Print stored reports as documents: PDF/A-2b (ISO 19005-2), or plain text for e-mail and for reading aloud.",
    "reconcile": "Find pictures without an ending, reports without a flag, and flags without a report; with --yes, announce their pictures "
    "again.",
    "verdicts": "List what clinicians did with reports, and whether the record has it. The newest comes last.",
    "topics": "Compare the bus's topics with their files, say where they differ, and how to mend it; with --create, make those that are "
    "missing.",
    "settings": "List every setting: its value, where that comes from, its unit, its default and what it is for. Secrets are hidden.",
    "settings-schema": "Print a JSON Schema of all settings, with each one's unit, default and what it is for.",
    "model": "Write what a site's Triton serves, and the answers it must give to the site's own pictures.",
    "evaluate": "Show what the model does on your own labelled pictures, before the first flag: a go-live report, and the scores that it "
    "rests on.",
    "calibrate": "Make a site file of a site's labels: what a score means here, and from which one on pictures are flagged.",
    "site": "Register, promote and roll back site files, and tell what is in use and who decided it.",
    "watch": "Tell how the model did in a calendar month, by what the bus holds: monitoring, and no validation.",
    "gate": "Train, from a site's own pictures, the input gate that refuses another kind of picture than the model reads.",
    "backfill": "Have the pictures judged that the record holds already.",
}
"""Each command and the begin of its help. A command is the function of its name in the module of its name; a group, that module's `app`."""


class _Lazily(TyperGroup):
    """Lists the commands in the order of COMMANDS, and imports the command that is asked for."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """See click."""
        name, listed, others = super().resolve_command(ctx, args)
        return name, listed and command(str(listed.name)), others


def command(name: str) -> Any:
    """The command of this name, as click runs it; imports its module."""
    attribute = name.replace("-", "_")
    module = import_module(f"tocsin.cli.{attribute}")
    alone = getattr(module, "app", None)
    if alone is None:
        alone = typer.Typer(add_completion=False)
        alone.command(name)(getattr(module, attribute))
    return typer.main.get_command(alone)


def _not_imported() -> None:
    """Stands for a command where commands are listed."""


app = typer.Typer(
    name="tocsin",
    cls=_Lazily,
    help="Imaging events on a hospital's Kafka bus become FHIR risk flags that a clinician can see, check, correct and withdraw.\n\n"
    "Not for clinical use without local validation. Settings are TOCSIN_* environment variables: `tocsin settings` lists them.\n\n"
    "Your shell completes commands and options after `tocsin --install-completion`.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _name, _sentence in COMMANDS.items():
    app.command(_name, help=_sentence)(_not_imported)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tocsin {version('tocsin')}")
        raise typer.Exit


@app.callback()
def _root(
    _version_wanted: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Holds the options that come before a command."""
