"""Reads emails with Python's own parser and dkimpy, and prints what it found as JSON."""

import email
import email.header
import email.policy
import email.utils
import json
import re
import sys

import dkim

record, files = sys.argv[1], sys.argv[2:]
name, strings = record.split(" IN TXT ", 1)
text = "".join(re.findall(r'"([^"]*)"', strings)).encode()


def dns(asked, timeout=5):
    """The DNS: one record, and nothing else."""
    return text if asked == name.encode() else None


def holds(raw):
    return dkim.verify(raw, dnsfunc=dns)


def altered(raw):
    yield raw.replace(b"\nSubject: ", b"\nSubject: Not ", 1)
    yield raw.replace(b"\n--", b"\nMore.\n--", 1)


def utf8(text):
    """Python reads headers as ASCII; those of RFC 6532 are UTF-8."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8")


def display_name(raw):
    """By Python's older parser: the newer one puts a space between the encoded words of a folded name."""
    folded = str(email.message_from_bytes(raw)["To"])
    name, _ = email.utils.parseaddr(re.sub(r"\r?\n", "", folded))
    return str(email.header.make_header(email.header.decode_header(name)))


def reading(path):
    with open(path, "rb") as file:
        raw = file.read()
    message = email.message_from_bytes(raw, policy=email.policy.default)
    (to,) = message["To"].addresses
    text, html = message.get_body(["plain"]), message.get_body(["html"])
    parts = [message, text, html]
    return {
        "to_name": display_name(raw),
        "to": utf8(to.addr_spec),
        "subject": message["Subject"],
        "message_id": message["Message-ID"].strip("<> "),
        "text": text.get_content().replace("\r\n", "\n"),
        "html": html.get_content().replace("\r\n", "\n"),
        "defects": [str(defect) for part in parts for defect in part.defects],
        "signed": holds(raw),
        "held_when_altered": [holds(other) for other in altered(raw) if other != raw],
    }


json.dump([reading(path) for path in files], sys.stdout)
