"""An S3 event becomes an upload, a refusal that can be announced, nothing, or a BadEvent."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twinslot.domain.deployment_id import deployment_id
from twinslot.domain.model import NO_APP, UploadOrder
from twinslot.errors import BadEvent
from twinslot.intake.upload import APP, Upload, parse

EVENT: dict[str, Any] = {
    "version": "0",
    "id": "17793124-05d4-b198-2fde-7ededc63b103",
    "detail-type": "Object Created",
    "source": "aws.s3",
    "account": "111122223333",
    "time": "2026-11-12T00:00:00Z",
    "region": "eu-central-1",
    "resources": ["arn:aws:s3:::artifacts"],
    "detail": {
        "version": "0",
        "bucket": {"name": "artifacts"},
        "object": {
            "key": "shop/shop-1.4.2.jar",
            "size": 20_000_000,
            "etag": "b1946ac92492d2347c6235b4d2611184",
            "version-id": "IYV3p45BT0ac8hjHg1houSdS1a.Mro8e",
            "sequencer": "00617F08299329D189",
        },
        "request-id": "N4N7GDK58NMKJ12R",
        "requester": "123456789012",
        "source-ip-address": "1.2.3.4",
        "reason": "PutObject",
    },
}
AT = 1_794_441_600.0


def event(key: str = "shop/shop-1.4.2.jar") -> dict[str, Any]:
    changed = copy.deepcopy(EVENT)
    changed["detail"]["object"]["key"] = key
    return changed


def parsed(key: str, default_app: str = "") -> Upload:
    upload = parse(event(key), default_app)
    assert upload is not None
    return upload


def test_a_jar_below_its_apps_name_is_taken() -> None:
    assert parsed("shop/shop-1.4.2.jar") == Upload(
        app="shop",
        bucket="artifacts",
        key="shop/shop-1.4.2.jar",
        version="IYV3p45BT0ac8hjHg1houSdS1a.Mro8e",
        size=20_000_000,
        order=UploadOrder("shop/shop-1.4.2.jar", "00617F08299329D189", AT),
        id=deployment_id(AT, "artifacts", "shop/shop-1.4.2.jar", "IYV3p45BT0ac8hjHg1houSdS1a.Mro8e"),
        by="account 123456789012",
        problem="",
    )


@pytest.mark.parametrize(
    "key", ["shop/a.jar", "shop/2026/11/a_b-1.0.jar", "a/-.jar", f"shop/{'x' * 246}.jar"]
)
def test_these_keys_are_taken(key: str) -> None:
    assert parsed(key).problem == ""


@pytest.mark.parametrize(
    "key", ["shop/readme.txt", "shop/", "shop/a.jar.sha256", "shop/A.JAR", "shop/a.war", "jar"]
)
def test_what_does_not_end_in_jar_is_ignored(key: str) -> None:
    assert parse(event(key), "") is None


@pytest.mark.parametrize(
    "key",
    [
        "shop/my app.jar",
        "shop/a+b.jar",
        "shop/a%20b.jar",
        "shop/a'b.jar",
        'shop/a"b.jar',
        "shop/$(reboot).jar",
        "shop/`id`.jar",
        "shop/a\nb.jar",
        "shop/a\r\nSubject: x.jar",
        "shop/../billing/a.jar",
        "shop/./a.jar",
        "shop//a.jar",
        "shop/..jar/../x.jar",
        "shop/.jar",
        "shop/naïve.jar",
        "shop/\u202egnp.jar",
        "shop/\ud800.jar",
        "shop/a\x00.jar",
        "shop/a\\b.jar",
        f"shop/{'a' * 1015}.jar",
        f"shop/{'x' * 247}.jar",
    ],
)
def test_a_key_in_other_characters_is_refused_in_the_name_of_its_app(key: str) -> None:
    upload = parsed(key)
    assert upload.app == "shop"
    assert "upload it again to, for example, shop/" in upload.problem
    assert upload.problem.isprintable()
    assert len(upload.problem) < 1000
    assert upload.key.isprintable()
    assert upload.order.key == upload.key
    assert upload.id


@pytest.mark.parametrize(
    "key",
    [
        "Shop/a.jar",
        "1shop/a.jar",
        "../a.jar",
        "/a.jar",
        "$(x)/a.jar",
        f"{'a' * 31}/a.jar",
        "shöp/a.jar",
        "-/a.jar",
    ],
)
def test_a_key_that_names_no_app_is_refused_without_an_app(key: str) -> None:
    upload = parsed(key)
    assert upload.app == NO_APP
    assert "does not begin with the name of an app" in upload.problem


def test_a_key_at_the_root_belongs_to_the_default_app() -> None:
    upload = parsed("app.jar", default_app="shop")
    assert (upload.app, upload.problem) == ("shop", "")


def test_a_key_at_the_root_is_refused_without_a_default_app() -> None:
    upload = parsed("app.jar")
    assert upload.app == NO_APP
    assert '"app.jar" is at the bucket\'s root' in upload.problem
    assert "upload it below <app>/" in upload.problem


def test_a_bad_key_at_the_root_is_refused_in_the_default_apps_name() -> None:
    assert parsed("my app.jar", default_app="shop").app == "shop"
    assert parsed("my app.jar", default_app="shop").problem


PATHS = [
    ("detail",),
    ("time",),
    ("detail", "bucket"),
    ("detail", "bucket", "name"),
    ("detail", "object"),
    ("detail", "object", "key"),
    ("detail", "object", "size"),
    ("detail", "object", "version-id"),
    ("detail", "object", "sequencer"),
]


@pytest.mark.parametrize("path", PATHS, ids=".".join)
@pytest.mark.parametrize("value", [None, 7.5, [], "", True], ids=repr)
def test_a_field_of_the_wrong_type_is_named(path: tuple[str, ...], value: object) -> None:
    broken = event()
    part = broken
    for name in path[:-1]:
        part = part[name]
    part[path[-1]] = value
    with pytest.raises(BadEvent, match=path[-1]):
        parse(broken, "")


@pytest.mark.parametrize("path", PATHS, ids=".".join)
def test_a_missing_field_is_named(path: tuple[str, ...]) -> None:
    broken = event()
    part = broken
    for name in path[:-1]:
        part = part[name]
    del part[path[-1]]
    with pytest.raises(BadEvent, match=path[-1]):
        parse(broken, "")


@pytest.mark.parametrize("time", ["yesterday", "2026-11-12T00:00:00", "1969-12-31T23:59:59Z"])
def test_a_time_that_names_no_moment_is_refused(time: str) -> None:
    with pytest.raises(BadEvent):
        parse({**event(), "time": time}, "")


@pytest.mark.parametrize(
    ("part", "field", "value"),
    [
        ("bucket", "name", "Artifacts"),
        ("bucket", "name", "a/../b"),
        ("bucket", "name", "a\nb"),
        ("object", "version-id", "v 1"),
        ("object", "version-id", "\ud800"),
        ("object", "version-id", "v&versionId=w"),
        ("object", "version-id", "v" * 1025),
    ],
)
def test_a_bucket_or_version_that_s3_does_not_know_is_refused(part: str, field: str, value: str) -> None:
    broken = event()
    broken["detail"][part][field] = value
    with pytest.raises(BadEvent, match=field):
        parse(broken, "")


def test_the_number_of_an_account_is_labelled() -> None:
    assert parsed("shop/shop-1.4.2.jar").by == "account 123456789012"
    service = event()
    service["detail"]["requester"] = "s3.amazonaws.com"
    upload = parse(service, "")
    assert upload is not None
    assert upload.by == "s3.amazonaws.com"


def test_an_upload_by_an_unknown_person_is_taken() -> None:
    anonymous = event()
    del anonymous["detail"]["requester"]
    upload = parse(anonymous, "")
    assert upload is not None
    assert upload.by == "unknown"


def test_the_same_event_has_the_same_id_and_any_other_identity_another() -> None:
    identities = [("b", "k", "v"), ("b", "k", "w"), ("b", "kv", ""), ("bk", "", "v"), ("b", "k", "v", "")]
    ids = [deployment_id(AT, *identity) for identity in identities]
    assert len(set(ids)) == len(ids)
    assert ids == [deployment_id(AT, *identity) for identity in identities]


@given(st.floats(0, 2e11), st.floats(0, 2e11))
def test_ids_sort_as_their_times_do(one: float, other: float) -> None:
    ids = [deployment_id(at, "b", "k", "v") for at in (one, other)]
    assert all(len(id) == 26 for id in ids)
    if round(one * 1000) < round(other * 1000):
        assert ids[0] < ids[1]


@given(st.text().map(lambda text: text + ".jar"), st.sampled_from(["", "shop"]))
def test_any_key_of_a_jar_is_taken_or_refused_in_printable_words(key: str, default_app: str) -> None:
    upload = parsed(key, default_app)
    assert upload.app == NO_APP or APP.fullmatch(upload.app)
    assert upload.problem.isprintable()
    if not upload.problem:
        assert upload.key == key
        assert set(key) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/")
