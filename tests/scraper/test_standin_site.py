"""The stand-in site, asked by a real HTTP client."""

from __future__ import annotations

import gc
import http.client
import io
import json
import os
import re
import socket
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from PIL import Image

from scraper.errors import UsageError
from scraper.sniff import pixel_size
from scraper.standin.faults import Faults
from scraper.standin.hosts import Paging
from scraper.standin.site import Site, _image_listener
from scraper.standin.wire import RequestLog

NO_CONSENT = Faults(consent="off")


def jpeg(size: tuple[int, int], colour: str = "peru") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pictures")
    for species, count in {"dog": 30, "house mouse": 4}.items():
        (root / species).mkdir()
        for number in range(count):
            path = root / species / f"{number} é.jpg"
            path.write_bytes(jpeg((300 + number, 200)))
    (root / "house mouse" / "broken.jpg").write_bytes(b"not an image")
    (root / "house mouse" / ".hidden").write_bytes(b"no")
    (root / "truth.csv").write_text("file\n")
    return root


@pytest.fixture
def open_site(folder: Path) -> Iterator[Callable[..., Site]]:
    sites: list[Site] = []

    def opened(faults: Faults = NO_CONSENT, **options: object) -> Site:
        sites.append(Site(folder, faults=faults, **options))  # type: ignore[arg-type]
        return sites[-1]

    yield opened
    for site in sites:
        site.close()


@pytest.fixture
def web() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


class JumpingClock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def size_of(path: Path) -> list[int]:
    with Image.open(path) as image:
        return list(image.size)


def records(text: str) -> dict[str, list]:
    """The records in the scripts of a page, by docid."""
    found = {}
    for literal in re.findall(r"var m=(\{.*?\});var a=", text):
        for key, (one, record) in json.loads(literal).items():
            assert one == 1
            assert re.fullmatch(r"[A-Za-z]{20,}\d+", key)
            found[record[1]] = record
    return found


# --- results ----------------------------------------------------------------------------


def test_the_first_page_joins_cards_and_records_by_docid(open_site, web):
    site = open_site(paging=Paging(first=20))
    text = web.get(site.search_url("dog")).text

    cards = re.findall(r'data-docid="([\w-]{14})"[^>]* data-lpage="([^"]+)"', text)
    offers = {offer.docid: offer for offer in site.offers("dog")}
    joined = records(text)
    assert len(cards) == 20
    for docid, page_url in cards:
        _, _, thumbnail, full, *_, more = joined[docid]
        assert full[0] == offers[docid].image_url
        assert full[1:] == size_of(offers[docid].path)
        assert thumbnail[0] == offers[docid].thumbnail_url
        assert more["2003"][2] == page_url == offers[docid].page_url
        assert more["2003"][12]
        assert more["2003"][17] == urlsplit(page_url).netloc


def test_addresses_in_scripts_are_escaped_as_google_escapes_them(open_site, web):
    text = web.get(open_site().search_url("dog")).text
    assert "/images?q\\u003dtbn:ANd9Gc" in text
    assert "\\u0026s" in text


def test_later_batches_lead_to_every_picture_once_and_to_the_end_marker(open_site, web):
    site = open_site(paging=Paging(first=10, batch=7))
    page = web.get(site.search_url("dog")).text
    found, start, end = list(records(page)), 10, ""
    assert "Looks like" not in page
    while start is not None:
        batch = web.get(f"{site.base_url}/search/more", params={"q": "dog", "start": start}).json()
        for piece in batch["pieces"]:
            found += records("\n".join(piece["scripts"]))
            assert piece["html"].count("data-docid=") == len(records("".join(piece["scripts"])))
        start, end = batch["next"], batch["end"]
    assert sorted(found) == sorted(offer.docid for offer in site.offers("dog"))
    assert len(found) == 30
    assert "Looks like you've reached the end" in end


def test_a_single_page_of_results_has_the_end_marker(open_site, web):
    assert "Looks like you've reached the end" in web.get(open_site().search_url("dog")).text


def test_first_thumbnails_come_inside_the_page_and_others_by_link(open_site, web):
    site = open_site(paging=Paging(inline_thumbnails=5))
    text = web.get(site.search_url("dog")).text
    assert len(re.findall(r"var s='data:image/jpeg;base64,[^']+';var ii=\['dimg_", text)) == 5
    (linked,) = re.findall(r"google\.ldi\|\|\{\},(\{.*?\})\);google\.show", text)
    assert len(json.loads(linked)) == 25
    answer = web.get(next(iter(json.loads(linked).values())))
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert max(Image.open(io.BytesIO(answer.content)).size) == 256


@pytest.mark.parametrize(
    ("query", "species"),
    [
        ("Dog photo", {"dog"}),
        ("a house with a MOUSE", {"house mouse"}),
        ("dog house mouse", {"dog", "house mouse"}),
    ],
)
def test_a_query_finds_the_folders_whose_words_it_holds(open_site, web, query, species):
    site = open_site()
    found = records(web.get(site.search_url(query)).text)
    assert {offer.species for offer in site.offers() if offer.docid in found} == species


@pytest.mark.parametrize("query", ["hotdogs", "mouse", "cat", "<script>alert(1)</script>"])
def test_a_query_for_nothing_that_is_there_says_so(open_site, web, query):
    answer = web.get(open_site().search_url(query))
    assert answer.status_code == 200
    assert "did not match any image results" in answer.text
    assert "<script>alert" not in answer.text


def test_the_old_parameter_for_images_works_too_and_no_parameter_leads_to_images(open_site, web):
    site = open_site()
    assert records(web.get(f"{site.base_url}/search?q=dog&tbm=isch").text)
    answer = web.get(f"{site.base_url}/search?q=dog")
    assert "udm=2" in answer.url
    assert records(answer.text)


def test_a_normal_page_speaks_of_captcha_and_consent_in_its_scripts_alone(open_site, web):
    text = web.get(open_site().search_url("dog")).text
    assert "captcha" in text
    assert "consent.google.com" in text
    visible = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    assert "captcha" not in visible
    assert "consent.google.com" not in visible


def test_hidden_addresses_are_in_no_script(open_site, web):
    site = open_site(Faults(consent="off", share_hover_only=0.2, share_panel_only=0.3))
    text = web.get(site.search_url("dog")).text
    assert text.count("data-docid=") == 30
    assert 30 * 0.4 <= len(records(text)) <= 30 * 0.6
    hidden = [o for o in site.offers("dog") if o.docid not in records(text)]
    assert all(offer.image_url not in text for offer in hidden)


def test_a_broken_file_is_offered_with_a_placeholder_for_a_thumbnail(open_site, web):
    site = open_site()
    assert len(records(web.get(site.search_url("house mouse")).text)) == 5
    (broken,) = (offer for offer in site.offers() if offer.path.name == "broken.jpg")
    thumbnail = web.get(broken.thumbnail_url)
    assert Image.open(io.BytesIO(thumbnail.content)).size == (256, 192)
    assert web.get(broken.image_url).content == b"not an image"


# --- image hosts ------------------------------------------------------------------------


def test_full_size_images_come_byte_for_byte_from_several_hosts(open_site, web):
    site = open_site(image_hosts=3)
    offers = list(site.offers())
    assert all(web.get(offer.image_url).content == offer.path.read_bytes() for offer in offers)
    assert {urlsplit(offer.image_url).netloc for offer in offers} == {
        urlsplit(host).netloc for host in site.image_hosts
    }
    assert len(site.image_hosts) == 3


def test_every_picture_keeps_its_address_as_long_as_its_folder_does(folder):
    paths = []
    for _ in range(2):
        with Site(folder, faults=NO_CONSENT) as site:
            paths.append([urlsplit(offer.image_url).path for offer in site.offers()])
    assert paths[0] == paths[1]


def test_every_host_has_its_robots_txt_and_pages_on_which_the_images_are(open_site, web):
    site = open_site()
    assert "Disallow: /search" in web.get(f"{site.base_url}/robots.txt").text
    for host in site.image_hosts:
        assert "Allow: /" in web.get(f"{host}/robots.txt").text
    offer = next(site.offers("dog"))
    assert offer.image_url in web.get(offer.page_url).text


def test_an_image_that_is_deleted_while_the_site_runs_is_gone(tmp_path, web):
    (tmp_path / "dog").mkdir()
    (tmp_path / "dog" / "1.jpg").write_bytes(jpeg((30, 30)))
    with Site(tmp_path, faults=NO_CONSENT) as site:
        (offer,) = site.offers()
        offer.path.unlink()
        assert web.get(offer.image_url).status_code == 404
        assert web.get(site.search_url("dog")).status_code == 200


@pytest.mark.skipif(sys.platform != "linux", reason="needs file names of any bytes")
def test_a_file_name_that_is_no_text_is_served_all_the_same(tmp_path, web):
    (tmp_path / "dog").mkdir()
    (tmp_path / "dog" / os.fsdecode(b"\xff\xfe %?#.jpg")).write_bytes(jpeg((30, 30)))
    with Site(tmp_path, faults=NO_CONSENT) as site:
        (offer,) = site.offers()
        assert records(web.get(site.search_url("dog")).text)[offer.docid][3][0] == offer.image_url
        assert web.get(offer.image_url).content == offer.path.read_bytes()
        assert web.get(offer.page_url).status_code == 200


def test_a_folder_with_nothing_to_serve_is_a_clear_error(tmp_path):
    with pytest.raises(UsageError, match="one folder of pictures per species"):
        Site(tmp_path)
    with pytest.raises(UsageError, match=r"nowhere: No such file.*name a folder"):
        Site(tmp_path / "nowhere")


def test_a_port_that_is_taken_is_a_clear_error(open_site, folder):
    port = urlsplit(open_site().base_url).port
    with pytest.raises(UsageError, match=f"port {port} is taken"):
        Site(folder, port=port)


@pytest.mark.parametrize("count", [0, 251])
def test_a_senseless_number_of_image_hosts_is_a_clear_error(folder, count):
    with pytest.raises(UsageError, match="image hosts must be"):
        Site(folder, image_hosts=count)


def test_where_an_address_cannot_be_had_an_image_host_is_a_further_port():
    not_of_this_machine = "192.0.2.7"
    listener = _image_listener(not_of_this_machine, 8000, RequestLog())
    assert listener.server_address[0] == "127.0.0.1"
    assert listener.server_port not in {0, 8000}
    listener.close()


# --- consent and block ------------------------------------------------------------------


def test_a_first_visit_leads_over_the_consent_page_and_back_to_the_results(open_site, web):
    site = open_site(Faults())
    answer = web.get(site.search_url("dog"))
    assert urlsplit(answer.url).path == "/consent/ml"
    assert parse_qs(urlsplit(answer.url).query)["continue"] == [site.search_url("dog")]
    assert "Before you continue to Google" in answer.text

    forms = re.findall(
        r'<form action="(/consent/save)" method="POST">(.*?)</form>', answer.text, re.S
    )
    reject, accept = (dict(re.findall(r'name="(\w+)" value="([^"]*)"', form)) for _, form in forms)
    assert {"bl", "x", "gl", "m", "app", "pc", "continue", "hl", "uxe", "cm"} < set(reject)
    assert reject["set_eom"] == "true"
    assert "set_sc" not in reject
    assert accept["set_sc"] == accept["set_aps"] == "true"

    reject["continue"] = reject["continue"].replace("&amp;", "&")
    answer = web.post(f"{site.base_url}/consent/save", data=reject)
    assert answer.url == site.search_url("dog")
    assert records(answer.text)
    assert web.cookies["SOCS"]
    assert web.get(site.search_url("dog")).url == site.search_url("dog")


def test_consent_leads_nowhere_else(open_site, web):
    site = open_site(Faults())
    form = {"continue": "http://192.0.2.1/"}
    answer = web.post(f"{site.base_url}/consent/save", data=form, allow_redirects=False)
    assert answer.headers["Location"] == "/"


def test_an_overlay_covers_the_results_until_consent_is_given(open_site, web):
    site = open_site(Faults(consent="overlay"))
    text = web.get(site.search_url("dog")).text
    assert records(text)
    for mark in ("CXQnmb", "W0wltc", "L2AGLb"):
        assert f'id="{mark}"' in text
    web.post(f"{site.base_url}/consent/save", data={"set_eom": "true"})
    assert 'id="CXQnmb"' not in web.get(site.search_url("dog")).text


def test_a_block_starts_after_its_number_of_pages_and_ends_after_its_time(open_site, web):
    clock = JumpingClock()
    site = open_site(Faults(consent="off", block_after=2, block_for_s=60), clock=clock)
    results = site.search_url("dog")
    assert [web.get(results).status_code for _ in range(2)] == [200, 200]

    blocked = web.get(results)
    assert blocked.status_code == 429
    assert urlsplit(blocked.url).path == "/sorry/index"
    assert parse_qs(urlsplit(blocked.url).query)["continue"] == [results]
    assert "Our systems have detected unusual traffic" in blocked.text
    assert 'id="captcha-form"' in blocked.text
    assert [answer.status_code for answer in blocked.history] == [302]

    clock.now_s += 59.9
    assert web.get(f"{site.base_url}/search/more?q=dog&start=0").status_code == 429
    assert web.get(next(site.offers()).image_url).status_code == 200
    clock.now_s += 0.2
    assert [web.get(results).status_code for _ in range(3)] == [200, 200, 429]


def test_the_sorry_page_lets_go_once_the_block_is_over(open_site, web):
    clock = JumpingClock()
    site = open_site(Faults(consent="off", block_after=0, block_for_s=5), clock=clock)
    sorry = web.get(site.search_url("dog")).url
    clock.now_s += 6
    answer = web.get(sorry, allow_redirects=False)
    assert answer.headers["Location"] == site.search_url("dog")


# --- faults of images -------------------------------------------------------------------


def struck(open_site, **faults) -> tuple[Site, str, bytes]:
    """A site on which every picture has one fault; a picture's address and its bytes."""
    site = open_site(Faults(consent="off", **faults))
    offer = next(site.offers("dog"))
    return site, offer.image_url, offer.path.read_bytes()


def test_429_asks_to_come_back_later_and_then_gives_the_picture(open_site, web):
    _, url, body = struck(open_site, share_429=1, busy_answers=2, retry_after_s=7)
    answers = [web.get(url) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [429, 429, 200]
    assert [answer.headers.get("Retry-After") for answer in answers] == ["7", "7", None]
    assert answers[2].content == body


def test_503_passes_too_and_names_no_time(open_site, web):
    _, url, body = struck(open_site, share_503=1)
    first, second = web.get(url), web.get(url)
    assert (first.status_code, first.headers.get("Retry-After")) == (503, None)
    assert second.content == body


def test_a_slow_picture_trickles_in_whole(open_site, web):
    site, url, body = struck(open_site, share_slow=1, slow_s=0.2)
    with web.get(url, stream=True) as answer:
        assert b"".join(answer.iter_content(64)) == body
    (request,) = site.log
    assert request.end_s is None or request.end_s - request.start_s >= 0.2


def test_a_truncated_picture_ends_halfway_through_what_was_promised(open_site, web):
    _, url, body = struck(open_site, share_truncated=1)
    with web.get(url, stream=True) as answer:
        assert int(answer.headers["Content-Length"]) > len(body) // 2
        assert answer.raw.read(decode_content=False, amt=len(body) // 2) == body[: len(body) // 2]
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        web.get(url)


def test_html_calls_itself_a_picture(open_site, web):
    _, url, _ = struck(open_site, share_html=1)
    answer = web.get(url)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/jpeg")
    assert answer.content.startswith(b"<!doctype html>")


def test_a_loop_redirects_for_ever(open_site, web):
    _, url, _ = struck(open_site, share_loop=1)
    with pytest.raises(requests.TooManyRedirects):
        web.get(url)


def test_a_wrong_type_comes_with_the_right_bytes(open_site, web):
    site, _, _ = struck(open_site, share_wrong_type=1)
    types = set()
    for offer in site.offers("dog"):
        answer = web.get(offer.image_url)
        assert answer.content == offer.path.read_bytes()
        types.add(answer.headers["Content-Type"])
    assert types == {"application/octet-stream", "image/png"}


def test_a_dead_link_is_not_found(open_site, web):
    _, url, _ = struck(open_site, share_dead=1)
    assert web.get(url).status_code == 404


def test_a_reset_connection_brings_no_answer(open_site, web):
    site, url, _ = struck(open_site, share_reset=1)
    with pytest.raises(requests.ConnectionError):
        web.get(url)
    assert site.log[0].status == 0


def test_an_oversized_picture_has_no_length_and_an_end(open_site, web):
    _, url, body = struck(open_site, share_oversized=1, oversized_bytes=300_000)
    answer = web.get(url)
    assert "Content-Length" not in answer.headers
    assert len(answer.content) == 300_000
    assert answer.content.startswith(body)


def test_a_client_that_leaves_in_the_middle_disturbs_nobody(open_site, web, capfd):
    _, url, _ = struck(open_site, share_oversized=1, oversized_bytes=2**26)
    web.get(url, stream=True).close()
    assert web.get(url, stream=True).raw.read(10)
    assert capfd.readouterr().err == ""


# --- the wire ---------------------------------------------------------------------------


def test_the_log_tells_hosts_times_and_connections(open_site, web):
    site = open_site()
    first, second = list(site.offers("dog"))[:2]
    for url in (first.image_url, first.image_url, second.image_url):
        web.get(url)
    web.get(f"{site.base_url}/nowhere")
    one, two, _, lost = site.log
    assert one.host == urlsplit(first.image_url).netloc
    assert one.path == urlsplit(first.image_url).path
    assert (one.method, one.status, lost.status) == ("GET", 200, 404)
    assert (one.connection, one.client_port) == (two.connection, two.client_port)
    assert lost.connection != one.connection
    assert one.end_s is not None
    assert one.start_s <= one.end_s <= two.start_s


def test_a_request_in_flight_is_in_the_log_without_an_end(open_site, web):
    site, url, _ = struck(open_site, share_slow=1, slow_s=60)
    with web.get(url, stream=True):
        assert site.log[0].end_s is None


@pytest.mark.parametrize(
    "line",
    [
        b"\x16\x03\x01 hello\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET //[bad HTTP/1.1\r\n\r\n",
        b"BREW / HTTP/1.1\r\n\r\n",
        b"POST /consent/save HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n",
        b"POST /consent/save HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"GET / HTTP/1.1\r\nCookie: =;=; a[]=\x01\r\n\r\n",
        b"GET /search/more?q=dog&start=-1 HTTP/1.1\r\n\r\n",
        b"GET /photos/ HTTP/1.1\r\n\r\n",
        b"GET /images?q=tbn:../../etc/passwd HTTP/1.1\r\n\r\n",
        b"GET /%00%ff?q=%ff&start=%00 HTTP/1.1\r\n\r\n",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n",
    ],
)
def test_a_malformed_request_is_refused_in_silence(open_site, web, capfd, line):
    site = open_site()
    for url in (site.base_url, site.image_hosts[0]):
        parts = urlsplit(url)
        with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
            connection.sendall(line)
            connection.shutdown(socket.SHUT_WR)
            connection.recv(1000)
    assert web.get(f"{site.base_url}/robots.txt").status_code == 200
    assert capfd.readouterr().err == ""


def test_head_has_the_headers_alone(open_site):
    site = open_site()
    offer = next(site.offers("dog"))
    parts = urlsplit(offer.image_url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    connection.request("HEAD", parts.path)
    answer = connection.getresponse()
    assert int(answer.headers["Content-Length"]) == len(offer.path.read_bytes())
    assert answer.read() == b""
    connection.close()


def test_closing_ends_everything_at_once(folder, web):
    before = set(threading.enumerate())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        site = Site(folder, faults=Faults(consent="off", share_slow=1, slow_s=600))
        web.get(site.search_url("dog"))
        answer = web.get(next(site.offers()).image_url, stream=True)
        assert set(threading.enumerate()) - before
        site.close()
        site.close()
        answer.close()
        assert not set(threading.enumerate()) - before
        gc.collect()
    with pytest.raises(requests.ConnectionError):
        web.get(site.base_url)


def test_opt_outs_come_with_the_picture_and_a_stranger_is_forbidden(open_site, web):
    for share, header in (("share_opt_out", "X-Robots-Tag"), ("share_reserved", "tdm-reservation")):
        site = open_site(faults=Faults(**{share: 1.0}))
        offer = next(site.offers())
        answer = web.get(offer.image_url)
        assert header in answer.headers
        assert answer.content == offer.path.read_bytes()
    site = open_site(faults=Faults(share_hotlink=1.0))
    assert web.get(next(site.offers()).image_url).status_code == 403


def test_a_redirect_leads_into_the_visitors_own_network(open_site, web):
    site = open_site(faults=Faults(share_private=1.0))
    answer = web.get(next(site.offers()).image_url, allow_redirects=False)
    assert answer.headers["Location"].startswith("http://169.254.169.254/")


def test_a_bomb_is_small_and_promises_billions_of_pixels(open_site, web):
    site = open_site(faults=Faults(share_bomb=1.0))
    body = web.get(next(site.offers()).image_url).content
    assert len(body) < 10_000
    assert pixel_size(body) == (50_000, 50_000)


def test_robots_txt_says_what_it_is_told_to(open_site, web):
    faults = Faults(disallow="/photos/", crawl_delay_s=2.5, robots_status=203)
    answer = web.get(f"{open_site(faults=faults).image_hosts[0]}/robots.txt")
    assert answer.status_code == 203
    assert answer.text == "User-agent: *\nDisallow: /photos/\nCrawl-delay: 2.5\n"


def test_nobody_listens_at_a_dead_host(open_site, web):
    site = open_site(faults=Faults(dead_hosts=1), image_hosts=2)
    with pytest.raises(requests.ConnectionError):
        web.get(f"{site.image_hosts[0]}/robots.txt")
    assert web.get(f"{site.image_hosts[1]}/robots.txt").ok
