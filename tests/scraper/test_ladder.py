from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scraper.ladder import better_addresses

KNOWN = [
    ("https://x.org/wp-content/uploads/2020/01/wren-300x200.jpg",
     "https://x.org/wp-content/uploads/2020/01/wren.jpg"),
    ("https://i0.wp.com/x.org/wren.jpg?resize=300%2C200&ssl=1",
     "https://i0.wp.com/x.org/wren.jpg?ssl=1"),
    ("https://x.files.wordpress.com/2020/01/wren.jpg?w=300",
     "https://x.files.wordpress.com/2020/01/wren.jpg"),
    ("https://cdn.shopify.com/s/files/1/1/wren_small.jpg?v=1",
     "https://cdn.shopify.com/s/files/1/1/wren.jpg?v=1"),
    ("https://cdn.shopify.com/s/files/1/1/wren_300x300_crop_center@2x.png",
     "https://cdn.shopify.com/s/files/1/1/wren.png"),
    ("https://cdn.shopify.com/s/files/1/1/wren.jpg?v=1&width=300",
     "https://cdn.shopify.com/s/files/1/1/wren.jpg?v=1"),
    ("https://1.bp.blogspot.com/-a/b/c/d/s320/wren.jpg",
     "https://1.bp.blogspot.com/-a/b/c/d/s0/wren.jpg"),
    ("https://blogger.googleusercontent.com/img/b/x/w400-h300/wren.jpg",
     "https://blogger.googleusercontent.com/img/b/x/s0/wren.jpg"),
    ("https://lh3.googleusercontent.com/abc=w400-h300-no", "https://lh3.googleusercontent.com/abc=s0"),
    ("https://lh3.googleusercontent.com/abc=s220", "https://lh3.googleusercontent.com/abc=s0"),
    ("https://upload.wikimedia.org/wikipedia/commons/thumb/a/ab/Wren.jpg/320px-Wren.jpg",
     "https://upload.wikimedia.org/wikipedia/commons/a/ab/Wren.jpg"),
    ("https://live.staticflickr.com/65535/123_0abc_m.jpg",
     "https://live.staticflickr.com/65535/123_0abc_b.jpg"),
    ("https://farm1.staticflickr.com/2/123_0abc.jpg",
     "https://farm1.staticflickr.com/2/123_0abc_b.jpg"),
    ("https://static.inaturalist.org/photos/12/medium.jpeg",
     "https://static.inaturalist.org/photos/12/original.jpeg"),
    ("https://pbs.twimg.com/media/Abc?format=jpg&name=small",
     "https://pbs.twimg.com/media/Abc?format=jpg&name=orig"),
    ("https://pbs.twimg.com/media/Abc.jpg:small", "https://pbs.twimg.com/media/Abc.jpg:orig"),
    ("https://i.pinimg.com/236x/a/b/c.jpg", "https://i.pinimg.com/originals/a/b/c.jpg"),
    ("https://i.imgur.com/AbCdEfGm.jpg", "https://i.imgur.com/AbCdEfG.jpg"),
    ("https://m.media-amazon.com/images/I/71x._AC_SX300_.jpg",
     "https://m.media-amazon.com/images/I/71x.jpg"),
    ("https://static.wixstatic.com/media/a~mv2.jpg/v1/fill/w_300,h_200/w.jpg",
     "https://static.wixstatic.com/media/a~mv2.jpg"),
    ("https://images.squarespace-cdn.com/content/a/w.jpg?format=300w",
     "https://images.squarespace-cdn.com/content/a/w.jpg?format=original"),
    ("https://miro.medium.com/v2/resize:fit:640/1*a.jpeg", "https://miro.medium.com/v2/1*a.jpeg"),
    ("https://64.media.tumblr.com/a/b_500.jpg", "https://64.media.tumblr.com/a/b_1280.jpg"),
]  # fmt: skip


@pytest.mark.parametrize(("small", "large"), KNOWN)
def test_a_small_version_leads_to_the_large_one(small: str, large: str) -> None:
    assert better_addresses(small) == [large]


@pytest.mark.parametrize("address", [large for _, large in KNOWN])
def test_the_large_version_has_none_above_it(address: str) -> None:
    assert better_addresses(address) == []


@pytest.mark.parametrize(
    "address",
    [
        "https://x.org/wren-300x200.jpg",
        "https://x.org/wp-content/uploads/wren-2020x.jpg",
        "https://x.org/s320/wren.jpg",
        "https://evil.org/upload.wikimedia.org/thumb/a/ab/W.jpg/320px-W.jpg",
        "https://upload.wikimedia.org/wikipedia/commons/thumb/a/ab/Map.svg/320px-Map.svg.png",
        "https://notpbs.twimg.com/media/Abc?name=small",
        "https://cdn.shopify.com/s/files/1/1/very_small_wren.jpg",
        "https://lh3.googleusercontent.com/abc",
        "https://i.imgur.com/AbCdEfG.jpg",
        "data:image/png;base64,AAAA",
        "http://[broken/",
        "",
    ],
)
def test_an_address_that_may_be_the_original_is_left_alone(address: str) -> None:
    assert better_addresses(address) == []


hosts = st.sampled_from([urlsplit(small).netloc for small, _ in KNOWN])
addresses = st.one_of(
    st.text(max_size=80),
    st.builds("https://{}/{}".format, hosts, st.text(max_size=60)),
    st.builds(lambda pair, tail: pair[0] + tail, st.sampled_from(KNOWN), st.text(max_size=10)),
)


@given(address=addresses)
def test_better_addresses_are_others_at_the_same_host(address: str) -> None:
    for better in better_addresses(address):
        assert better != address
        assert urlsplit(better).hostname == urlsplit(address).hostname
