from __future__ import annotations

import pytest

from scraper.errors import FetchError, UnwantedError, UsageError
from scraper.single import MAX_REDIRECTS, image_getter
from tests.fakes import ImageServer, Reply, png

LOOPBACK = ["127.0.0.0/8"]


def test_an_image_is_got_from_where_its_address_points_in_the_end() -> None:
    with ImageServer() as server:
        server.script["/old.png"] = [Reply(status=301, headers={"Location": "/new.png"})]
        server.script["/new.png"] = [Reply(body=png())]

        assert image_getter(LOOPBACK)(server.url("/old.png")) == png()


def test_a_private_address_is_refused_and_never_asked_unless_it_is_allowed() -> None:
    with ImageServer() as server:
        with pytest.raises(UnwantedError, match="refused"):
            image_getter()(server.url("/a.png"))

        assert server.hits == []


def test_a_redirect_leads_to_no_private_address_either() -> None:
    with ImageServer() as server:
        server.script["/a.png"] = [
            Reply(status=302, headers={"Location": "http://169.254.169.254/latest/meta-data"})
        ]

        with pytest.raises(UnwantedError, match="refused"):
            image_getter(LOOPBACK)(server.url("/a.png"))


def test_an_address_that_points_at_itself_is_given_up() -> None:
    with ImageServer() as server:
        server.script["/a.png"] = [Reply(status=302, headers={"Location": "/a.png"})]

        with pytest.raises(FetchError, match=f"more than {MAX_REDIRECTS} redirects"):
            image_getter(LOOPBACK)(server.url("/a.png"))


def test_a_page_is_no_image_and_a_network_has_to_be_one() -> None:
    with ImageServer() as server:
        server.script["/a.png"] = [Reply(body=b"<html></html>")]

        with pytest.raises(FetchError, match="not an image: HTML"):
            image_getter(LOOPBACK)(server.url("/a.png"))
    with pytest.raises(UsageError):
        image_getter(["nonsense"])
