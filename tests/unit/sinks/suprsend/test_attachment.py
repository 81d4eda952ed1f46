"""Files with an event: what becomes of their content, name and address. Nothing here opens any."""

import pytest

from connector.domain.events import Attachment
from connector.errors import Untranslatable
from connector.sinks.suprsend.attachment import libmagic, media_type, with_attachments

PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\n%%EOF\n"
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360000002000100e221bc330000000049454e44ae426082"
)


@pytest.mark.parametrize(
    ("content", "name", "found"),
    [
        (PDF, "bill.txt", "application/pdf"),
        (PNG, "really-a-png.pdf", "image/png"),
        (b'{"a": 1}\n', "data", "application/json"),
        (b"GIF89a\x01\x00\x01\x00\x00\x00\x00;", "pixel.gif", "image/gif"),
        (b"A", "one.dat", "application/octet-stream"),
        (b"", "empty.txt", "inode/x-empty"),
    ],
)
def test_content_tells_the_media_type_whatever_the_name(content: bytes, name: str, found: str) -> None:
    detect = libmagic()
    assert detect is not None
    assert media_type(content, name, detect) == found


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("REPORT.PDF", "application/pdf"),
        ("really-a-png.pdf", "application/pdf"),
        ("pixel.gif", "image/gif"),
        ("table.csv", "text/csv"),
        ("doc.xml", "text/xml"),
        ("pack.zip", "application/zip"),
        ("run.sh", "application/x-sh"),
        ("empty.txt", "text/plain"),
        ("README", "application/octet-stream"),
        ("blob.bin", "application/octet-stream"),
    ],
)
def test_without_libmagic_the_name_does(name: str, found: str) -> None:
    assert media_type(PNG, name, None) == found


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/etc/passwd",
        "~/.ssh/id_rsa",
        "bill.pdf",
        "file:///etc/passwd",
        "s3://bucket/key",
        "ftp://example.com/x.pdf",
        "HTTPS://example.com/x.pdf",
        " https://example.com/x.pdf",
    ],
)
def test_a_path_is_refused_and_not_named(url: str) -> None:
    with pytest.raises(Untranslatable) as refused:
        with_attachments({}, [Attachment(url=url, ignore_if_error=True)], None)
    assert (refused.value.reason, refused.value.detail) == ("attachment_path", "url")


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/x",
        "https://",
        "https:///x",
        "https://[::1/x",
        "https://localhost/x",
        "https://intranet/x",
        "https://127.0.0.1/x",
        "https://10.0.0.8/x",
        "https://100.64.0.1/x",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/x",
        "https://db.internal/x",
    ],
)
def test_an_address_that_is_not_public_or_not_https_is_refused(url: str) -> None:
    with pytest.raises(Untranslatable) as refused:
        with_attachments({}, [Attachment(url=url)], None)
    assert (refused.value.reason, refused.value.detail) == ("attachment", "url")


@pytest.mark.parametrize(
    "url", ["https://example.com/a b.pdf", "https://8.8.8.8/x", "https://u:p@example.com:8443/x?y=z#f"]
)
def test_a_public_https_address_is_passed_on_as_it_is(url: str) -> None:
    (made,) = with_attachments({}, [Attachment(url=url)], None)["$attachments"]
    assert made == {"filename": None, "contentType": None, "data": None, "url": url, "ignore_if_error": False}


def test_content_goes_before_an_address() -> None:
    (made,) = with_attachments({}, [Attachment(data=PDF, file_name="a.pdf", url="https://example.com/b")], None)[
        "$attachments"
    ]
    assert (made["url"], made["contentType"]) == (None, "application/pdf")


def test_without_files_the_values_are_untouched() -> None:
    values = {"a": 1}
    assert with_attachments(values, (), None) is values
