"""Addresses round-trip through their text, keep secrets, and never fail with anything but AddressError."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ij_omero.errors import AddressError
from ij_omero.model import ImageAddress, parse_address

SCHEMES = ["omero://", "omero:", "omeis://", "dvid://", "memory://", "file://", "file:", "http://", "", "OMERO://"]
PIECES = st.sampled_from(
    ["host", "user", "@", ":", "/", "//", "image", "42", "4064", "[::1]", "%00", "%2F", "&", "=", "server=h", "~", "?",
     "imageID=3", "password=", "sessionID=", "name=x.omero", ".omero", "encrypted=false", "#", "..", "9" * 5000,
     "٣", " ", "\ud800"]
)  # fmt: skip
hostile = st.builds(
    lambda scheme, pieces: scheme + "".join(pieces),
    st.sampled_from(SCHEMES),
    st.lists(PIECES | st.text(max_size=8), max_size=10),
)
hosts = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?(\.[a-z]{2,5})?", fullmatch=True)
secrets = st.text(st.characters(codec="ascii", categories=["Lu", "Nd"]), min_size=8, max_size=12).map("Sécr€t{}".format)


@given(hostile)
def test_any_text_is_an_address_that_round_trips_or_an_address_error(text: str) -> None:
    try:
        address = parse_address(text)
    except AddressError as error:
        assert str(error)
        return
    assert parse_address(str(address)) == address


@given(st.text(min_size=1, max_size=20).filter(lambda text: "\0" not in text))
def test_paths_round_trip(text: str) -> None:
    path = Path("folder") / text if text.startswith("~") else Path(text)
    address = parse_address(path)
    assert address.path == path
    assert parse_address(str(address)) == address


@given(hosts, st.none() | st.integers(1, 65535), st.none() | st.text(min_size=1).filter(lambda t: t.isprintable()),
       st.integers(1, 10**18 - 1), st.booleans())  # fmt: skip
def test_omero_addresses_round_trip(
    host: str, port: int | None, user: str | None, image_id: int, encrypted: bool
) -> None:
    address = ImageAddress("omero", host, port or (4064 if encrypted else 4063), user, image_id, encrypted=encrypted)
    again = parse_address(str(address))
    assert again.image_id == image_id
    assert again.user == user
    assert again.encrypted == encrypted
    assert parse_address(str(again)) == again


@given(hosts, secrets, st.sampled_from(["", "/image/0", "/image/x", ":99999/image/1", ":port", "/"]))
def test_a_password_is_neither_printed_nor_told_in_errors(host: str, secret: str, tail: str) -> None:
    for text in (
        f"omero://ana:{secret}@{host}{tail}",
        f"omero://ana:{secret}/{secret}@{host}{tail}",
        f"omero://ana:{secret}@{secret}@{host}{tail}",
        f"omero:server={host}&user=ana&password={secret}&imageID={tail}",
        f"omero:server={host}&password={secret}&{secret}&imageID=1",
        f"omero:server={host}&sessionID={secret}&{secret}={secret}",
        f"http://ana:{secret}@{host}{tail}",
    ):
        try:
            told = parse_address(text)
        except AddressError as error:
            assert secret not in str(error)
        else:
            assert secret not in str(told)
            assert secret not in repr(told)
