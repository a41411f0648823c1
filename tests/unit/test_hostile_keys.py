"""A key is taken only if whatever it goes to (host, path, message, log) can only read a name in it."""

import posixpath
import shlex
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twinslot.domain.model import NO_APP
from twinslot.errors import BadEvent
from twinslot.intake.upload import APP, MAX_KEY_CHARACTERS, Upload, parse
from twinslot_host.command.request import Release, read_release
from twinslot_host.system.paths import Paths

from tests.hostile import PIECES, TEXT, Cases
from tests.unit.test_host_request import RELEASE, encoded
from tests.unit.test_upload import event

pytestmark = pytest.mark.hostile("keys")

SHAPES = ("{}.jar", "{}/a.jar", "shop/{}.jar", "shop/{}/a.jar", "shop/a{}b.jar", "shop/{}", "{}shop/a.jar")


def judge(key: str, default_app: str) -> None:
    """What must hold of any key."""
    if not key:
        with pytest.raises(BadEvent, match=r"object\.key"):
            parse(event(key), default_app)
        return
    upload = parse(event(key), default_app)
    if upload is None:
        assert not key.endswith(".jar")
    elif upload.problem:
        is_refused_in_words(upload)
    else:
        is_a_plain_name(upload, key)


def is_refused_in_words(upload: Upload) -> None:
    assert upload.problem.isprintable()
    assert len(upload.problem) < 1000
    assert upload.key.isprintable()
    assert len(upload.key) <= MAX_KEY_CHARACTERS
    assert upload.app == NO_APP or APP.fullmatch(upload.app)


def is_a_plain_name(upload: Upload, key: str) -> None:
    assert upload.key == key
    assert len(key.encode()) <= MAX_KEY_CHARACTERS
    assert shlex.quote(key) == key
    assert posixpath.normpath(key) == key
    assert posixpath.join("/in", key).startswith("/in/")
    assert APP.fullmatch(upload.app)
    # The host checks again what the controller took: they must not disagree.
    release = read_release("release", encoded({**RELEASE, "key": key}))
    assert isinstance(release, Release)
    assert release.key == key


def test_a_corpus_of_keys_is_taken_as_plain_names_or_refused_in_words(cases: Cases[tuple[str, str]]) -> None:
    for shape, piece in cases(product(SHAPES, PIECES)):
        judge(shape.format(piece), "")
        judge(shape.format(piece), "shop")


@settings(max_examples=400)
@given(TEXT, st.sampled_from(SHAPES), st.sampled_from(["", "shop"]))
def test_any_key_is_taken_as_a_plain_name_or_refused_in_words(
    text: str, shape: str, default_app: str
) -> None:
    judge(shape.replace("{}", text), default_app)


SEGMENTS = st.sampled_from(["a", "shop-1.4.2", "A_b", ".", "..", "...", "", ".jar", "-", "a\n"])


@settings(max_examples=300)
@given(st.lists(SEGMENTS, min_size=1, max_size=6))
def test_any_path_of_allowed_characters_stays_below_its_app(segments: list[str]) -> None:
    judge("/".join(["shop", *segments]) + ".jar", "")


@settings(max_examples=100)
@given(st.from_regex(APP, fullmatch=True))
def test_no_name_of_an_app_leads_out_of_its_places(app: str) -> None:
    paths = Paths(app)
    below = [paths.releases, paths.release("ab" * 32), paths.slots, paths.home]
    assert all(path.startswith(f"/opt/twinslot/{app}") and posixpath.normpath(path) == path for path in below)
    for path in (paths.conf, paths.access_log, paths.fence, paths.standby, paths.unit("blue")):
        assert shlex.quote(path) == path
        assert posixpath.normpath(path) == path


def test_a_key_that_is_no_text_is_a_bad_event(cases: Cases[object]) -> None:
    for odd in cases([None, 1, True, [], {}, ["shop/a.jar"], "", 0.5]):
        broken = event()
        broken["detail"]["object"]["key"] = odd
        with pytest.raises(BadEvent, match=r"object\.key"):
            parse(broken, "shop")
