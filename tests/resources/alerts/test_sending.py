"""Alerts reach a webhook and a mailbox, once while a condition lasts; what is not taken is sent again."""

import platform
import re
import socketserver
from collections.abc import Iterator
from pathlib import Path

import pytest
from receiver import Receiver, running
from terminal import terminal

from optimizer import DataError, PolicyError
from pipeline.alerts import send_new
from resources.alerts.conditions import OVER, Alert, disk
from resources.alerts.sending import TEST, Tried, channels, text_of, tried
from resources.alerts.settings import NotifyFile, load_notify

FULL = Alert("disk", "disk", "the disk is full")
HOME, EVERY = Path("/desk/home"), set(OVER)
LOST = Alert("missed 2024-02-29", "missed_session", "the session of 2024-02-29 has no pack")


class Mailbox(socketserver.StreamRequestHandler):
    """As much of SMTP as a client needs to hand over a mail."""

    def handle(self) -> None:
        self.wfile.write(b"220 ready\r\n")
        for line in self.rfile:
            word = line[:4].upper()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                text = b"".join(iter(self.rfile.readline, b".\r\n")).decode()
                self.server.taken.append(text)  # type: ignore[attr-defined]
            self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")
            if word == b"QUIT":
                return


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    with running(made.server):
        yield made


def test_a_webhook_is_told_once_and_again_when_it_did_not_take_it(receiver: Receiver) -> None:
    ways = channels(
        NotifyFile.model_validate({"desk": "main", "webhooks": [{"name": "chat", "url": receiver.url}]}), HOME
    )
    receiver.status = 503
    told, said, failed = send_new([FULL], EVERY, ways, {})
    assert (told, said, failed) == ({"chat": {}}, [], ["webhook chat answered with status 503"])
    receiver.status = 200
    told, said, failed = send_new([FULL, LOST], EVERY, ways, told)
    assert (told, failed) == ({"chat": {"disk": "disk", LOST.key: "missed_session"}}, [])
    assert said == ["chat was told of disk, missed 2024-02-29"]
    assert receiver.taken[-1] == {
        "text": "main:\nthe disk is full\nthe session of 2024-02-29 has no pack",
        "desk": "main",
        "alerts": [{"key": one.key, "kind": one.kind, "said": one.said} for one in (FULL, LOST)],
    }
    unseen = EVERY - {"missed_session"}
    told, said, _ = send_new([FULL], unseen, ways, told)  # nobody looked for sessions: they are not over
    assert (said, len(receiver.taken)) == ([], 2)
    receiver.status = 503
    _, _, failed = send_new([FULL], EVERY, ways, told)
    receiver.status = 200
    told, said, _ = send_new([FULL], EVERY, ways, told)
    assert (told, said) == ({"chat": {"disk": "disk"}}, ["chat was told what is over: missed_session"])
    assert failed and receiver.taken[-1]["alerts"] == [
        {
            "key": "missed_session",
            "kind": "over",
            "said": "over: no closed session of the last two weeks lacks its pack any more",
        }
    ]
    told, said, _ = send_new([FULL, LOST], EVERY, ways, told)  # it was over, and is there again
    assert said == ["chat was told of missed 2024-02-29"]
    another = Alert("missed 2024-03-01", "missed_session", "2 sessions have no pack")
    _, said, _ = send_new([FULL, another], EVERY, ways, told)  # another of its kind lasts
    assert said == ["chat was told of missed 2024-03-01"]
    _, said, _ = send_new([FULL], EVERY, ways, {"chat": ["disk"]})  # as an older release remembered it
    assert said == ["chat was told of disk"]


def test_a_mail_is_handed_over() -> None:
    with socketserver.TCPServer(("127.0.0.1", 0), Mailbox) as server:
        server.taken = []  # type: ignore[attr-defined]
        with running(server):
            box = {
                "name": "desk", "to": ["pm@desk.example", "ops@desk.example"], "sender": "packfolio@desk.example",
                "host": "127.0.0.1", "port": server.server_address[1], "starttls": False,
            }  # fmt: skip
            ways = channels(NotifyFile.model_validate({"desk": "main", "mail": [box]}), HOME)
            assert send_new([FULL, LOST], EVERY, ways, {})[2] == []
            host = f"127.0.0.1:{server.server_address[1]}"
            said = f"mail desk was taken by {host} for pm@desk.example, ops@desk.example"
            assert tried(ways) == [Tried("desk", True, said)]
        text, _ = server.taken  # type: ignore[attr-defined]
    assert "Subject: Packfolio, main: the disk is full (and 1 more)" in text
    assert re.search(r"^Date: \w{3}, .*^Message-ID:\s+<\S+@desk\.example>", text, re.M | re.S)
    assert "To: pm@desk.example, ops@desk.example" in text and "the session of 2024-02-29 has no pack" in text
    (reason,) = send_new([FULL], EVERY, ways, {})[2]
    assert reason.startswith("mail desk was not taken by 127.0.0.1:")


def test_a_name_forges_no_line_and_no_header() -> None:
    """Names of accounts come from files of others."""
    hostile = "Growth\nBcc: thief@evil.example\r\n\u2028limits hold\x1b[2J"
    alerts = [Alert("k", "no_answer", f"{hostile} has no answer"), LOST]
    with socketserver.TCPServer(("127.0.0.1", 0), Mailbox) as server:
        server.taken = []  # type: ignore[attr-defined]
        with running(server):
            box = {
                "name": "desk", "to": ["pm@desk.example"], "sender": "packfolio@desk.example",
                "host": "127.0.0.1", "port": server.server_address[1], "starttls": False,
            }  # fmt: skip
            ways = channels(NotifyFile.model_validate({"desk": "main", "mail": [box]}), HOME)
            assert send_new(alerts, EVERY, ways, {})[2] == []
        (text,) = server.taken  # type: ignore[attr-defined]
    lines = text.splitlines()
    assert not [line for line in lines if line.startswith(("Bcc", "limits hold"))] and "\x1b" not in text
    assert "Subject: Packfolio, main: Growth\\nBcc: thief" in text
    assert text_of("main", alerts).count("\n") == 2


def test_an_address_that_is_a_secret_is_in_no_message(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = NotifyFile.model_validate({"webhooks": [{"name": "chat", "url_env": "CHAT_HOOK"}]})
    send = channels(file, HOME)["chat"]
    with pytest.raises(PolicyError, match="the environment has no CHAT_HOOK"):
        send([FULL])
    monkeypatch.setenv("CHAT_HOOK", receiver.url)
    send([FULL])
    assert len(receiver.taken) == 1
    monkeypatch.setenv("CHAT_HOOK", "http://127.0.0.1:1/very-secret")
    with pytest.raises(DataError, match="webhook chat was not reached") as unreached:
        send([FULL])
    assert "very-secret" not in str(unreached.value)


def test_a_test_message_goes_to_each_channel_and_its_answer_is_told(
    receiver: Receiver, tmp_path: Path
) -> None:
    with terminal(tmp_path) as at:
        at.config.mkdir()
        assert at("alerts", "test").status == 2
        notify = at.config / "notify.yaml"
        notify.write_text("free_gib: 1\n")
        nowhere = at("alerts", "test")
        assert (
            nowhere.status == 2 and "notify.yaml names no channel: there is nowhere to send to" in nowhere.err
        )
        chat = f"{{name: chat, url: '{receiver.url}'}}"
        notify.write_text(f"webhooks: [{chat}]\n")
        done = at("alerts", "test")
        assert (done.status, done.err, done.out) == (0, "", "taken webhook chat answered with status 200\n")
        desk = f"{at.home} on {platform.node()}"
        assert receiver.taken == [
            {
                "text": f"{desk}:\n{TEST.said}",
                "desk": desk,
                "alerts": [{"key": "test", "kind": "test", "said": TEST.said}],
            }
        ]
        lost = "{name: lost, url: 'http://127.0.0.1:1/x'}"
        notify.write_text(f"webhooks: [{lost}, {{name: secret, url_env: NO_SUCH_HOOK}}, {chat}]\n")
        told = at.read("alerts", "test", status=1)["channels"]
    assert [(one["channel"], one["taken"]) for one in told] == [
        ("lost", False),
        ("secret", False),
        ("chat", True),
    ]
    assert told[0]["said"].startswith("webhook lost was not reached")
    assert "the environment has no NO_SUCH_HOOK" in told[1]["said"]
    assert len(receiver.taken) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("webhooks: [{name: a}]", "give url, or url_env"),
        ("webhooks: [{name: a, url: 'http://x'}, {name: a, url: 'http://y'}]", "channel names stand twice: a"),
        ("mail: [{name: a, to: [x], sender: a@b, host: h}]", "must be a mail address, such as desk@example.org"),
        ("mail: [{name: a, to: [x@y], sender: a@b, host: h, user: u}]", "user and password_env belong together"),
        (
            "mail: [{name: a, to: [x@y], sender: a@b, host: h, user: u, password_env: P, starttls: false}]",
            "a password needs starttls",
        ),
        ("webhook: []", "did you mean webhooks?"),
    ],
)  # fmt: skip
def test_a_mistake_in_notify_yaml_is_told(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "notify.yaml").write_text(text + "\n")
    with pytest.raises(PolicyError) as refused:
        load_notify(tmp_path)
    assert said in str(refused.value)


def test_a_desk_may_do_without_and_a_full_disk_is_told(tmp_path: Path) -> None:
    assert load_notify(tmp_path) is None
    assert list(disk(tmp_path, 0.0, 0.0)) == []
    (alert,) = disk(tmp_path, 0.0, 1e9)
    assert (alert.key, alert.kind) == ("disk", "disk") and "less than 1e+09" in alert.said
