"""What people, editors and git do to the files of a desk, and what nobody should: each edit leaves a folder behind."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

from v6.lang.source import MAX_BYTES

Texts = Mapping[str, bytes]


@dataclass(frozen=True)
class Scene:
    """A good tree on disk, the other good tree, and where chance comes from."""

    root: Path
    good: Texts
    other: Texts
    random: Random

    def any(self) -> Path:
        return self.root / self.random.choice(sorted(self.good))

    def change(self, act: Callable[[bytes], bytes]) -> None:
        path = self.any()
        path.write_bytes(act(path.read_bytes()))


def write(root: Path, texts: Texts) -> None:
    for name in ("rules", "strategies", ".git", "away"):
        path = root / name
        if path.is_symlink() or path.is_file():
            path.unlink()
        elif path.exists():
            shutil.rmtree(path)
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(text)


def truncate(s: Scene) -> None:
    s.change(lambda text: text[: s.random.randrange(len(text))])


def flip_a_bit(s: Scene) -> None:
    def act(text: bytes) -> bytes:
        at = s.random.randrange(len(text))
        return text[:at] + bytes([text[at] ^ 1 << s.random.randrange(8)]) + text[at + 1 :]

    s.change(act)


def replace_a_character(s: Scene) -> None:
    def act(text: bytes) -> bytes:
        at = s.random.randrange(len(text))
        return (
            text[:at] + s.random.choice(list("0123456789.-+<>=()[]{}:,'\" \n\t#&*!|%@`_xyA")).encode() + text[at + 1 :]
        )

    s.change(act)


def change_a_number(s: Scene) -> None:
    def act(text: bytes) -> bytes:
        digits = [i for i, byte in enumerate(text) if 48 <= byte <= 57]
        at = s.random.choice(digits)
        return text[:at] + str(s.random.randrange(10)).encode() + text[at + 1 :]

    s.change(act)


def change_a_condition(s: Scene) -> None:
    path = s.root / s.random.choice(["rules/a.yaml", "rules/trailing_stop.yaml"])
    head, tail = path.read_bytes().split(b"when:", 1)
    at = s.random.randrange(1, max(2, tail.index(b"\nthen")))
    put = s.random.choice(
        [b"", b">", b"<", b"=", b"(", b")", b" and ", b" not ", b"0", b"9", b".", b"-", b"x", b"\xe2\x89\xa5"]
    )
    path.write_bytes(head + b"when:" + tail[:at] + put + tail[at + s.random.randrange(2) :])


def lose_a_line(s: Scene) -> None:
    def act(text: bytes) -> bytes:
        lines = text.splitlines(keepends=True)
        del lines[s.random.randrange(len(lines))]
        return b"".join(lines)

    s.change(act)


def double_a_line(s: Scene) -> None:
    def act(text: bytes) -> bytes:
        lines = text.splitlines(keepends=True)
        at = s.random.randrange(len(lines))
        return b"".join((*lines[: at + 1], *lines[at:]))

    s.change(act)


def leave_a_conflict(s: Scene) -> None:
    s.change(lambda text: b"<<<<<<< HEAD\n" + text + b"=======\n" + text + b">>>>>>> theirs\n")


def empty(s: Scene) -> None:
    s.change(lambda _: b"")


def put_a_nul(s: Scene) -> None:
    def act(text: bytes) -> bytes:
        at = s.random.randrange(len(text))
        return text[:at] + b"\0" + text[at:]

    s.change(act)


def encode_otherwise(s: Scene) -> None:
    encoding = s.random.choice(["utf-16", "utf-16-le", "utf-32", "utf-7", "cp037", "utf-8-sig"])
    s.change(lambda text: text.decode().encode(encoding))


def add_what_is_no_text(s: Scene) -> None:
    s.change(
        lambda text: text + s.random.choice([b"\xff", b"# caf\xe9\n", b"\xed\xa0\x80", b'"\\ud800": 1\n', b"\x85"])
    )


def grow(s: Scene) -> None:
    # Sparse: 10 MB of NUL that no disk has to take.
    os.truncate(s.any(), s.random.choice([10_000_000, MAX_BYTES, MAX_BYTES + 1]))


def swap_two(s: Scene) -> None:
    one, two = (s.root / name for name in s.random.sample(sorted(s.good), 2))
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)


def delete(s: Scene) -> None:
    s.any().unlink()


def delete_many(s: Scene) -> None:
    for name in s.good:
        if s.random.random() < 0.5:
            (s.root / name).unlink()


def delete_a_folder(s: Scene) -> None:
    shutil.rmtree(s.root / s.random.choice(["rules", "strategies"]))


def rename(s: Scene) -> None:
    path = s.any()
    path.rename(
        path.with_name(s.random.choice(["other.yaml", "z.test.yaml", ".hidden.yaml", "A.yaml", "a.yml", "b\n.yaml"]))
    )


def add_a_file(s: Scene) -> None:
    names = ["new.yaml", "extra/new.yaml", "new.test.yaml", ".#a.yaml", "a.yaml~", "4913"]
    path = s.root / "rules" / s.random.choice(names)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(s.random.choice([s.any().read_bytes(), b"", b"x: ["]))


def add_a_name_that_is_no_text(s: Scene) -> None:
    (s.root / os.fsdecode(b"rules/\xff\x1b[31m.yaml")).touch()


def link_a_file(s: Scene) -> None:
    path = s.any()
    away = s.root / "away"
    shutil.copy(path, away)
    path.unlink()
    path.symlink_to(s.random.choice([away, path, s.root / "nowhere", Path("/dev/zero"), s.root]))


def link_a_folder(s: Scene) -> None:
    folder = s.root / s.random.choice(["rules", "strategies"])
    if s.random.random() < 0.5:
        (folder / "link").symlink_to(s.root)
    else:
        folder.rename(s.root / "away")
        folder.symlink_to(s.root / "away")


def put_a_pipe(s: Scene) -> None:
    path = s.any()
    path.unlink()
    os.mkfifo(path)


def put_a_folder(s: Scene) -> None:
    path = s.any()
    path.unlink()
    path.mkdir()


def nest(s: Scene) -> None:
    (s.root / "rules" / "/".join("n" * s.random.choice([3, 9, 100]))).mkdir(parents=True)


def check_out_half(s: Scene) -> None:
    for name in sorted({*s.good, *s.other}):
        if s.random.random() < 0.5:
            (s.root / name).write_bytes(s.other[name])


def break_git(s: Scene) -> None:
    truncate(s)
    (s.root / ".git").write_bytes(b"gitdir: " + s.random.choice([b"x" * 5000, b"\0", b"\xff", b"nowhere", b""]))


def forbid(s: Scene) -> None:
    """Take away every right to a file or a folder; root is not stopped by that, so as root it changes nothing."""
    s.random.choice([s.any(), s.root / "rules"]).chmod(0)


EDITS: tuple[Callable[[Scene], None], ...] = (
    truncate, flip_a_bit, replace_a_character, change_a_number, change_a_condition, lose_a_line, double_a_line,
    leave_a_conflict, empty, put_a_nul, encode_otherwise, add_what_is_no_text, grow, swap_two, delete, delete_many,
    delete_a_folder, rename, add_a_file, add_a_name_that_is_no_text, link_a_file, link_a_folder, put_a_pipe,
    put_a_folder, nest, check_out_half, break_git,
    *(() if os.geteuid() == 0 else (forbid,)),
)  # fmt: skip
