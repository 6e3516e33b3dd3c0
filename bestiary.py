"""The `bestiary` command: global options, `bestiary.toml`, exit codes, `init` and `doctor`.

A stage's commands are imported when they are called, so that `bestiary --help` is
instant and no command pays for another's libraries.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import platform
import re
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from curation.errors import CurationError
from scraper.errors import ScraperError
from training.errors import TrainingError

Document = dict[str, Any]

SETTINGS = "bestiary.toml"
ROOM_GB = 5
"""Free disk below which `doctor` warns: 10,000 web photos and a dataset of them need about 4."""

COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("bestiary:init", "Write a commented bestiary.toml to set your own defaults in."),
    "doctor": ("bestiary:doctor", "Check browser, driver, TensorFlow, disk; say how to mend."),
    "scrape": ("scraper.commands:scrape", "Gather images of species into a harvest."),
    "species": ("scraper.species_commands:species", "Look up what species are called."),
    "harvest": ("scraper.harvest_commands:harvest", "Show what a harvest has, and lacks."),
    "forget": ("scraper.harvest_commands:forget", "Delete images from a harvest for good."),
    "curate": ("curation.commands:curate", "Make a clean, split and locked dataset of a harvest."),
    "audit": ("curation.audit_commands:audit", "Show what a dataset holds and whether it leaks."),
    "suspect": ("training.suspect_commands:suspect", "Look for outliers and wrong labels."),
    "review": ("curation.review_commands:review", "Write what only a person can decide."),
    "verify": (
        "curation.lock_commands:verify",
        "Recompute every digest of a dataset against its lock.",
    ),
    "restore": ("curation.lock_commands:restore", "Rebuild a dataset of its lock and manifest."),
    "diff": ("curation.lock_commands:diff", "Tell what changed between two datasets or locks."),
    "data": ("curation.data_commands:data", "Get data that is pinned: cifar-10, cifar-100."),
    "models": ("training.commands:models", "List the networks that can be trained."),
    "train": ("training.commands:train", "Train a network on a dataset and measure it."),
    "reproduce": (
        "training.reproduce_commands:reproduce",
        "Train as the founding study did, and as we do, side by side.",
    ),
    "evaluate": ("training.measure_commands:evaluate", "Measure a trained network again."),
    "compare": ("training.measure_commands:compare", "Tell which of two runs is better, if any."),
    "predict": ("training.predict_commands:predict", "Name the species in pictures."),
    "export": ("training.predict_commands:export", "Write a network for ONNX, LiteRT, TensorFlow."),
    "demo": ("scraper.standin.demo:demo", "Walk the whole road offline, on drawn pictures."),
    "draw": ("scraper.standin.commands:draw", "Draw pictures of imaginary mammals."),
    "standin": ("scraper.standin.commands:standin", "Serve a folder as an image-search site."),
}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that `doctor` looked at; `mend` says what to do where it is not `ok`."""

    name: str
    ok: bool
    detail: str
    mend: str = ""


class DoctorError(click.ClickException):
    """Something that Bestiary needs is missing or broken."""

    def __init__(self, message: str, document: Document) -> None:
        super().__init__(message)
        self.document = document


class StageGroup(click.Group):
    """A group that imports a command when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Name the commands in the order in which they are used."""
        return list(COMMANDS)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        cmd_name: str,
    ) -> click.Command | None:
        """Import a command; it takes the global flags behind its name, too."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        known = {parameter.name for parameter in command.params}
        command.params += [option for option in _global_flags() if option.name not in known]
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, and give it its defaults from `bestiary.toml`."""
        name, command, rest = super().resolve_command(ctx, args)
        if name is not None and command is not None:
            settings = read_settings(Path(SETTINGS)).get(name, {})
            ctx.default_map = {name: _defaults(name, command, settings)}
        return name, command, rest

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        formatter: click.HelpFormatter,
    ) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


def _set_flag(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    """Remember a global flag where every command of the run can read it."""
    if value:
        ctx.meta[f"bestiary.{parameter.name}"] = True
        ctx.meta["bestiary.quiet"] = True  # JSON leaves no room for talk.


def _global_flags() -> list[click.Option]:
    return [
        click.Option(
            ["--json"],
            is_flag=True,
            expose_value=False,
            callback=_set_flag,
            help="Print one JSON document on stdout, and nothing else.",
        ),
        click.Option(
            ["--quiet"],
            is_flag=True,
            expose_value=False,
            callback=_set_flag,
            help="Print nothing but errors.",
        ),
    ]


@click.group(cls=StageGroup, params=_global_flags())
@click.version_option(package_name="bestiary", message="%(prog)s %(version)s")
def cli() -> None:
    """Name the species; get a clean, locked image dataset and an honest classifier.

    \b
      bestiary scrape hamster mouse rabbit shrew squirrel --per-species 200
      bestiary curate
      bestiary audit
      bestiary train scratch-224
      bestiary predict runs/latest photo.jpg

    Every command has its own --help. Defaults come from bestiary.toml in the
    working directory where there is one; `bestiary init` writes it.
    """
    # Training asks no web server itself: the stages meet here.
    click.get_current_context().meta["bestiary.image_getter"] = image_getter


def image_getter(allowed: Sequence[str]) -> Callable[[str], bytes]:
    """What gets an image at an address for `predict`; private ones only where `allowed`."""
    from scraper.errors import FetchError
    from scraper.single import image_getter as getter
    from training.errors import PredictionError

    get = getter(allowed)

    def fetch(url: str) -> bytes:
        try:
            return get(url)
        except FetchError as error:
            raise PredictionError(error.reason) from error

    return fetch


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")  # Its own takes 25 MB more.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # A terminal that lacks a letter shows "?".
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        sys.exit(_run(given, is_json="--json" in given))
    except OSError as error:
        click.echo(f"Error: cannot write the answer: {error}", err=True)
        _discard_answer()
        sys.exit(1)


def _discard_answer() -> None:
    """Let what stdout did not take go nowhere, or Python tries again when it ends."""
    with contextlib.suppress(io.UnsupportedOperation):  # A stdout that is no file.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(given: list[str], *, is_json: bool) -> int:
    try:
        answer = cli.main(args=given, prog_name="bestiary", standalone_mode=False)
    except (click.Abort, click.ClickException, OSError, *_STAGE_ERRORS) as error:
        if isinstance(error, click.BadParameter):
            error = _with_blame(error)
        if isinstance(error, click.UsageError) and not is_json:
            error.show()  # With the line that says how the command is used.
            return error.exit_code
        return _fail(*_meaning(error), is_json=is_json)
    if isinstance(answer, tuple):
        _show(*answer, is_json=is_json, is_quiet="--quiet" in given)
    return answer if isinstance(answer, int) else 0


_STAGE_ERRORS = (ScraperError, CurationError, TrainingError)


def _meaning(error: Exception) -> tuple[str, int, Mapping[str, object]]:
    """What an error tells the user, its exit code, and what was done all the same."""
    if isinstance(error, _STAGE_ERRORS):
        return str(error), error.exit_code, error.document
    if isinstance(error, click.ClickException):
        return error.format_message(), error.exit_code, getattr(error, "document", {})
    if isinstance(error, OSError):
        if error.filename is None:
            raise error
        return f"{error.filename}: {error.strerror}", 1, {}
    return "interrupted", 130, {}


def _with_blame(error: click.BadParameter) -> click.BadParameter:
    """The same, which says of a value that nobody typed where it stands."""
    ctx, param = error.ctx, error.param
    if ctx is None or param is None or param.name is None:
        return error
    if ctx.get_parameter_source(param.name) is not ParameterSource.DEFAULT_MAP:
        return error
    said = f"{error.message} (it stands in {SETTINGS})"
    return click.BadParameter(said, ctx, param, error.param_hint)


def _show(document: Document, text: str, *, is_json: bool, is_quiet: bool) -> None:
    if is_json:
        click.echo(json.dumps(document, indent=2))
    elif not is_quiet:
        click.echo(text, err=not sys.stdout.isatty())


def _fail(message: str, exit_code: int, document: Mapping[str, object], *, is_json: bool) -> int:
    # It may quote a file that comes from a stranger, and a terminal obeys these.
    message = re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", "\N{REPLACEMENT CHARACTER}", message)
    if is_json:
        whole = {"error": message, "exit_code": exit_code, **document}
        click.echo(json.dumps(whole, indent=2))
    else:
        click.echo(f"Error: {message}", err=True)
    return exit_code


# --- bestiary.toml ---------------------------------------------------------------------


def read_settings(path: Path) -> dict[str, dict[str, Any]]:
    """Read the settings: command, then option, then value.

    Raises:
        click.UsageError: the file is not TOML, or names a command that does not exist.
    """
    if not path.is_file():
        return {}
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{path} is not valid TOML: {error}") from error
    except OSError as error:
        raise click.UsageError(f"{path} cannot be read: {error.strerror}") from error
    for name, table in settings.items():
        if not isinstance(table, dict):
            raise click.UsageError(
                f"{path} has {name} = {table!r} outside of any table: write it below the name of"
                " its command, such as [curate]"
            )
        if name not in COMMANDS:
            raise click.UsageError(
                f"{path} has [{name}], which is no command: use one of {', '.join(COMMANDS)}"
            )
    return settings


def _defaults(name: str, command: click.Command, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What the settings say of one command, by parameter; they name options as users do."""
    known = {_setting(one): one for one in command.params if one.expose_value}
    for key, value in settings.items():
        if key not in known:
            names = ", ".join(sorted(known))
            raise click.UsageError(f"{SETTINGS} has {key!r} in [{name}]: it knows {names}")
        if isinstance(value, dict) or isinstance(value, bool) != _is_switch(known[key]):
            kind = "true or false" if _is_switch(known[key]) else "a text, a number or a list"
            raise click.UsageError(f"{SETTINGS} has {key} = {value!r} in [{name}]: it takes {kind}")
    return {
        known[key].name or "": _as_typed(known[key], value)
        for key, value in settings.items()
        if value != ""
    }


def _is_switch(parameter: click.Parameter) -> bool:
    return isinstance(parameter, click.Option) and parameter.is_flag


def _as_typed(parameter: click.Parameter, value: Any) -> Any:
    """A value of the settings, as the command line would have brought it."""
    if isinstance(value, bool):
        return value
    values = [str(one) for one in (value if isinstance(value, list) else [value])]
    is_many = parameter.nargs == -1 or (isinstance(parameter, click.Option) and parameter.multiple)
    return values if is_many else ",".join(values)


def _setting(parameter: click.Parameter) -> str:
    """The name of a parameter in the settings: its option's, or else its argument's."""
    if isinstance(parameter, click.Option):
        return max(parameter.opts, key=len).lstrip("-")
    return (parameter.metavar or parameter.name or "").strip("[].").lower()


def settings_template(ctx: click.Context, species: Sequence[str]) -> str:
    """Draw up a `bestiary.toml` in which every option stands commented out at its default."""
    sections = [f"# Defaults of the bestiary command, read from the working directory.\n{_DOC}"]
    for name in ("scrape", "curate", "train", "evaluate", "predict"):
        command = cli.get_command(ctx, name)
        if command is None:
            continue
        lines = [f"\n[{name}]"]
        if name == "scrape" and species:
            lines.append(f"species = {json.dumps(list(species), ensure_ascii=False)}")
        lines += _setting_lines(command)
        sections.append("\n".join(lines))
    return "\n".join(sections) + "\n"


_DOC = (
    "# Remove the # before a line and change its value; an empty one changes nothing.\n"
    "# The command line wins over this file."
)


def _setting_lines(command: click.Command) -> Iterator[str]:
    for option in command.params:
        if not isinstance(option, click.Option) or not option.expose_value:
            continue
        yield f"\n# {' '.join((option.help or '').split())}"
        default = option.to_info_dict()["default"]
        default = str(default) if isinstance(default, Path) else default
        is_plain = isinstance(default, bool | int | float | str)
        empty: Any = [] if option.multiple else ""
        yield f"# {_setting(option)} = {json.dumps(default if is_plain else empty)}"


@click.command()
@click.argument("species", nargs=-1)
@click.option("--force", is_flag=True, help="Replace a bestiary.toml that is there.")
@click.pass_context
def init(ctx: click.Context, species: tuple[str, ...], force: bool) -> tuple[Document, str]:
    """Write a commented bestiary.toml to set your own defaults in.

    SPECIES, where given, become the species that `bestiary scrape` gathers.
    """
    from curation.lock import write_atomically

    path = Path(SETTINGS)
    if path.exists() and not force:
        raise click.UsageError(f"{path} is there already: edit it, or replace it with --force")
    try:
        write_atomically(path.resolve(), [settings_template(ctx, species).encode()])
    except OSError as error:
        raise click.ClickException(f"cannot write {path.resolve()}: {error.strerror}") from error
    return {"written": str(path)}, f"Wrote {path}: remove the # before what you want to change."


# --- doctor ----------------------------------------------------------------------------


@click.command()
def doctor() -> tuple[Document, str]:
    """Check browser, driver, TensorFlow and devices, disk and write access.

    Exits with 1 where something is missing, and says how to mend it.
    """
    checks = list(_checks())
    document: Document = {
        "ok": all(check.ok for check in checks),
        "checks": [asdict(check) for check in checks],
    }
    text = "\n".join(_check_lines(checks))
    if document["ok"]:
        return document, text
    if not click.get_current_context().meta.get("bestiary.quiet"):
        click.echo(text, err=not sys.stdout.isatty())
    failed = ", ".join(check.name for check in checks if not check.ok)
    raise DoctorError(f"not ready: {failed}; the lines above say how to mend it", document)


def _checks() -> Iterator[Check]:
    import scraper.browser
    import training.devices

    yield Check(
        "python", True, f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    )
    yield from (Check(*found) for found in scraper.browser.check())
    yield from (Check(*astuple(found)) for found in training.devices.check())
    yield _check_disk(Path())
    yield _check_writing(Path())


def _check_disk(folder: Path) -> Check:
    free_gb = shutil.disk_usage(folder).free / 1e9
    return Check(
        "disk",
        free_gb >= ROOM_GB,
        f"{free_gb:.0f} GB free in {folder.resolve()}",
        f"free some space: a project of 10,000 photos needs about {ROOM_GB} GB",
    )


def _check_writing(folder: Path) -> Check:
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        mend = "change to a folder that you may write to"
        return Check("write access", False, f"{folder.resolve()}: {error}", mend)
    return Check("write access", True, str(folder.resolve()))


def _check_lines(checks: Sequence[Check]) -> Iterator[str]:
    width = max(len(check.name) for check in checks)
    for check in checks:
        yield f"{'ok ' if check.ok else 'BAD'}  {check.name:{width}}  {check.detail}"
        if not check.ok:
            yield f"     {'':{width}}  → {check.mend}"


if __name__ == "__main__":
    main()
