"""`bestiary scrape`: the request read, the crawl run, and what it brought home told."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from scraper.addresses import REFUSED
from scraper.animation import UNWANTED
from scraper.browser import BrowserPolicy
from scraper.clock import SystemClock
from scraper.errors import ScraperError, UsageError
from scraper.homonyms import warnings_about
from scraper.policy import TOO_LARGE, FetchPolicy, too_large
from scraper.sources.google import SearchPolicy
from scraper.species import Species, species_names
from scraper.species_file import SPECIES_FILE, chosen, read_species
from scraper.terms import ASKED_FOR, require_terms
from scraper.wording import as_typed, counted

if TYPE_CHECKING:
    from scraper.crawl import CrawlPlan, Stopped
    from scraper.harvest import Harvest
    from scraper.hosts import Ask
    from scraper.sources.offers import Source

Document = dict[str, Any]
Asked = tuple["Source", "Ask", "Ask | None"]
"""A source, how its images are asked for, and how the robots.txt of their hosts."""

PER_SPECIES: Final = 100
"""Images of each species from a search; a folder or a list is taken whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """What was asked for on the command line."""

    species: tuple[Species, ...]
    source: str
    origin: Path | None
    per_species: int | None
    thumbnails: bool
    takes_animated: bool
    harvest: Path
    fetch: FetchPolicy
    search: SearchPolicy
    browser: BrowserPolicy
    allowed_networks: tuple[str, ...]
    accepted_terms: tuple[str, ...]


@click.command()
@click.argument("species", nargs=-1)
@click.option(
    "--species-file",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help="A species.toml elsewhere, or a text file of species, one a line; # begins a comment.",
)
@click.option(
    "--source",
    type=click.Choice(["google", "folder", "urls"]),
    default="google",
    show_default=True,
    help="Where images come from.",
)
@click.option(
    "--from",
    "origin",
    type=click.Path(path_type=Path),
    help="For folder: a folder of class folders. For urls: a CSV, TSV, JSON lines or Parquet"
    " file with the columns url and species.",
)
@click.option(
    "--per-species",
    type=click.IntRange(min=1),
    help=f"Images wanted of each species.  [default: {PER_SPECIES} from google, else all]",
)
@click.option(
    "--harvest",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("harvest"),
    show_default=True,
    help="The folder to gather into; what it already has counts.",
)
@click.option(
    "--thumbnails",
    is_flag=True,
    help="Take the search site's small copy of an image that cannot be had otherwise.",
)
@click.option(
    "--animated/--no-animated",
    default=True,
    show_default=True,
    help="Whether animations are kept; only their first frame goes into a dataset.",
)
@click.option("--retry-failed", is_flag=True, help="Ask again for images that failed before.")
@click.option(
    "--base-url",
    default=SearchPolicy().base_url,
    show_default=True,
    help="Where the search site is.",
)
@click.option(
    "--patience",
    type=float,
    default=SearchPolicy().settle_s,
    show_default=True,
    help="Seconds that a page of the search site may take to show results.",
)
@click.option(
    "--accept-terms",
    type=click.Choice(ASKED_FOR),
    multiple=True,
    help="Say that you know whose terms a search of the live site goes against.",
)
@click.option(
    "--replay",
    is_flag=True,
    help="Read saved result pages offline, named in place of SPECIES, and tell what they hold.",
)
@click.option("--headed", is_flag=True, help="Show the browser's window.")
@click.option("--grid-url", default="", help="Use a browser of this Selenium Grid.")
@click.option("--driver-path", type=click.Path(path_type=Path), help="The chromedriver to use.")
@click.option("--browser-path", type=click.Path(path_type=Path), help="The browser to use.")
@click.option(
    "--allow-host",
    multiple=True,
    metavar="CIDR",
    help="A private network that may be asked for images, like 127.0.0.0/8. May be repeated.",
)
@click.option(
    "--pause",
    type=float,
    default=FetchPolicy().pause_s,
    show_default=True,
    help="Seconds of rest for a host between two requests, at least.",
)
@click.option(
    "--attempts",
    type=int,
    default=FetchPolicy().attempts,
    show_default=True,
    help="How often an image is asked for while the failure may pass.",
)
@click.option(
    "--timeout",
    type=float,
    default=FetchPolicy().timeout_s,
    show_default=True,
    help="Seconds to wait for a host to answer.",
)
@click.option(
    "--max-bytes",
    type=int,
    default=FetchPolicy().max_bytes,
    show_default=True,
    help="Larger images are skipped.",
)
@click.option(
    "--workers",
    type=int,
    default=FetchPolicy().workers,
    show_default=True,
    help="Hosts that are asked at the same time.",
)
@click.option(
    "--connections",
    type=int,
    default=FetchPolicy().connections,
    show_default=True,
    help="Requests to one host at the same time, where --pause is 0.",
)
@click.option(
    "--contact",
    default="",
    help="Your web or mail address, for the user agent; some hosts ask for one.",
)
def scrape(
    *,
    species: tuple[str, ...],
    species_file: Path | None,
    source: str,
    origin: Path | None,
    per_species: int | None,
    harvest: Path,
    thumbnails: bool,
    animated: bool,
    retry_failed: bool,
    base_url: str,
    patience: float,
    accept_terms: tuple[str, ...],
    replay: bool,
    headed: bool,
    grid_url: str,
    driver_path: Path | None,
    browser_path: Path | None,
    allow_host: tuple[str, ...],
    pause: float,
    attempts: int,
    timeout: float,
    max_bytes: int,
    workers: int,
    connections: int,
    contact: str,
) -> tuple[Document, str]:
    """Gather images of SPECIES into a harvest.

    A species may be an entry of species.toml or any other name; without SPECIES, all entries
    of species.toml are gathered.

    A second run fetches only what is missing. Images come with their provenance: where
    each was found, under what title, and, where the source says so, its licence.
    """
    if replay:
        return _replay(species)
    with _as_usage_errors():
        request = _Request(
            species=_wished(species, species_file, source=source),
            source=source,
            origin=origin,
            per_species=per_species or (PER_SPECIES if source == "google" else None),
            thumbnails=thumbnails,
            takes_animated=animated,
            harvest=harvest,
            fetch=FetchPolicy(
                pause_s=pause,
                attempts=attempts,
                timeout_s=timeout,
                max_bytes=max_bytes,
                workers=workers,
                connections=connections,
                contact=contact,
            ),
            search=SearchPolicy(base_url=base_url, settle_s=patience),
            browser=BrowserPolicy(
                driver_path=driver_path,
                browser_path=browser_path,
                grid_url=grid_url,
                is_headed=headed,
            ),
            allowed_networks=allow_host,
            accepted_terms=accept_terms,
        )
    return _gather(request, retry_failed=retry_failed)


def _replay(names: tuple[str, ...]) -> tuple[Document, str]:
    from scraper.replay import replay

    return replay([Path(name) for name in names])


@contextlib.contextmanager
def _as_usage_errors() -> Iterator[None]:
    """What a policy refuses at its birth, the user wrote: name the option as it was typed."""
    try:
        yield
    except ValueError as error:
        parameters = click.get_current_context().command.params
        options = {one.name or "": one.opts[0] for one in parameters}
        raise UsageError(as_typed(str(error), options)) from error


def _wished(names: tuple[str, ...], file: Path | None, *, source: str) -> tuple[Species, ...]:
    """The species that were asked for; a number on the command line beats those of the file."""
    species = _named(names, file, source=source)
    given = click.get_current_context().get_parameter_source("per_species")
    if given is not ParameterSource.COMMANDLINE:
        return species
    return tuple(replace(one, wanted=None) for one in species)


def _named(names: tuple[str, ...], file: Path | None, *, source: str) -> tuple[Species, ...]:
    """The species that were named, as species.toml knows them; or all of it, for a search."""
    if file is None:
        here = Path(SPECIES_FILE)
        known = read_species(here) if here.exists() else ()
        return chosen(names, known) if names or source != "google" else known
    known = read_species(file)
    if file.suffix.lower() == ".toml":
        return chosen(names, known) if names else known
    return chosen([*names, *(species.name for species in known)], ())


def _gather(request: _Request, *, retry_failed: bool) -> tuple[Document, str]:
    from scraper.crawl import Crawl, CrawlPlan
    from scraper.harvest import Harvest
    from scraper.hosts import Downloads, stills_only, storing
    from scraper.progress import Progress, say

    clock = SystemClock()
    with ExitStack() as stack:
        source, ask, ask_rules = _SOURCES[request.source](request, stack)
        plan = CrawlPlan(
            species=_species(request, source),
            per_species=request.per_species,
            thumbnails=request.thumbnails,
        )
        if source.name == "google":
            require_terms(request.search.base_url, accepted=request.accepted_terms)
        harvest = stack.enter_context(Harvest.create(request.harvest))
        stack.enter_context(harvest.claim())
        _check_names(plan, harvest)
        _put_back(request, plan, harvest, source=source.name, retry_failed=retry_failed)
        downloads = stack.enter_context(
            Downloads(
                storing(ask if request.takes_animated else stills_only(ask), harvest.store),
                policy=request.fetch,
                clock=clock,
                rng=Random(),
                ask_rules=ask_rules,
            )
        )
        for warning in _warnings(plan, source):
            say(f"Warning: {warning}")
        crawl = Crawl(plan, harvest=harvest, source=source, downloads=downloads, clock=clock)
        progress = Progress(harvest, plan, is_local=source.is_local, clock=clock)
        stopped = progress.all(crawl.outcomes())
        return _result(plan, harvest, source, stopped)


def _check_names(plan: CrawlPlan, harvest: Harvest) -> None:
    """Take no species that an earlier run wrote otherwise: some systems see one folder."""
    try:
        species_names((one.name for one in plan.species), known=harvest.species())
    except UsageError as error:
        raise UsageError(f"{error} ({harvest.root} has the first)") from error


def _put_back(
    request: _Request, plan: CrawlPlan, harvest: Harvest, *, source: str, retry_failed: bool
) -> None:
    """Put among the pending what an earlier run settled otherwise than this one might."""
    from scraper.progress import say

    lost = 0
    for one in plan.species:
        if retry_failed:
            harvest.retry(species=one.name)
        lost += harvest.give_up_lost(species=one.name, source=source, is_thorough=retry_failed)
    if lost:
        say(f"Warning: {counted(lost, 'original')} missing or damaged: to be gathered again")
    if request.takes_animated:
        harvest.reconsider(UNWANTED)
    harvest.reconsider(TOO_LARGE, unless=too_large(request.fetch.max_bytes))
    if request.allowed_networks:
        harvest.reconsider(REFUSED)


def _warnings(plan: CrawlPlan, source: Source) -> list[str]:
    """What may go wrong with the names; a list or a folder is taken as it is."""
    if source.is_local:
        return list(getattr(source, "warnings", ()))
    return list(warnings_about(plan.species))


def _species(request: _Request, source: Source) -> tuple[Species, ...]:
    species = request.species or tuple(
        Species(name=name) for name in getattr(source, "species", ())
    )
    if not species:
        raise UsageError(
            "no species given: name them, as in `bestiary scrape hamster mouse`, or write"
            f" them into {SPECIES_FILE}"
        )
    for one in species:
        source.queries(one)  # Says so where a list or a folder does not have it.
    return species


def _google(request: _Request, stack: ExitStack) -> Asked:
    from scraper.browser import window
    from scraper.budget import Budget, shared_file
    from scraper.evidence import Evidence
    from scraper.sources.google import GoogleSource

    if request.origin is not None:
        raise UsageError("--from belongs to --source folder or urls, not to google")
    evidence = Evidence(folder=request.harvest / "evidence", clock=SystemClock())
    source = GoogleSource(
        lambda: window(request.browser),
        policy=request.search,
        evidence=evidence,
        budget=Budget(shared_file(instead=request.harvest / "search-turns.sqlite")),
    )
    return (stack.enter_context(source), *_web(request, stack))


def _folder(request: _Request, stack: ExitStack) -> Asked:  # noqa: ARG001 - nothing to close
    from scraper.sources.folder import FolderSource, read_file

    source = FolderSource(_origin(request, "a folder of class folders"))
    return source, partial(read_file, max_bytes=request.fetch.max_bytes), None


def _urls(request: _Request, stack: ExitStack) -> Asked:
    from scraper.sources.urls import UrlsSource

    source = UrlsSource(_origin(request, "a file with the columns url and species"))
    return (source, *_web(request, stack))


_SOURCES: Final[Mapping[str, Callable[[_Request, ExitStack], Asked]]] = {
    "google": _google,
    "folder": _folder,
    "urls": _urls,
}


def _origin(request: _Request, what: str) -> Path:
    if request.origin is None:
        raise UsageError(f"--source {request.source} needs --from: {what}")
    return request.origin


def _web(request: _Request, stack: ExitStack) -> tuple[Ask, Ask]:
    from scraper.addresses import AddressRule
    from scraper.fetch import Web

    rule = AddressRule.of(request.allowed_networks)
    web = Web(policy=request.fetch, rule=rule, clock=SystemClock())
    stack.callback(web.close)
    return web.ask, web.ask_rules


def _result(
    plan: CrawlPlan, harvest: Harvest, source: Source, stopped: Stopped | None
) -> tuple[Document, str]:
    from scraper.summary import document_of, nothing_found, stop_error, text_of

    command = _this_command()
    document = document_of(
        plan,
        harvest,
        stopped,
        source=source.name,
        warnings=_warnings(plan, source),
        command=command,
    )
    if stopped is not None:
        raise stop_error(stopped, document, command=command)
    if not any(species["kept"] for species in document["species"].values()):
        raise ScraperError(nothing_found(document, source=source.name), document=document)
    return document, text_of(document)


def _this_command() -> str:
    """What to type to run the same again."""
    context = click.get_current_context()
    words = ["bestiary", context.command.name or "scrape"]
    for parameter in context.command.params:
        name = parameter.name or ""
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE and parameter.opts:
            words += _words(parameter, context.params.get(name))
    return shlex.join(words)


def _words(parameter: click.Parameter, value: Any) -> list[str]:
    values = [str(one) for one in (value if isinstance(value, tuple | list) else (value,))]
    if isinstance(parameter, click.Argument):
        return values
    if isinstance(value, bool) or value is None:
        return [parameter.opts[0]]
    return [word for one in values for word in (parameter.opts[0], one)]
