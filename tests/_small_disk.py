"""A disk of a few kilobytes, for programs that run in a mount namespace of their own."""

from __future__ import annotations

import os
import shlex
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def on_a_small_disk(
    folder: Path, kilobytes: int, *commands: list[object], **environment: str
) -> list[tuple[int, str, str]]:
    """Run commands one after the other where `folder` is a small disk; give exit code, output and error of each."""
    script = ["set -e", f"mount -t tmpfs -o size={kilobytes}k none {shlex.quote(str(folder))}", "set +e"]
    reports = [folder.with_name(f"report-{number}") for number in range(len(commands))]
    for command, report in zip(commands, reports, strict=True):
        words = shlex.join(str(word) for word in command)
        script.append(f"{words} >{shlex.quote(str(report))}.out 2>{shlex.quote(str(report))}.err; echo $?")
    namespace = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    done = subprocess.run(
        [*namespace, "bash", "-c", "\n".join(script)],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
        timeout=300,
        check=True,
    )
    codes = [int(line) for line in done.stdout.split()]
    texts = [tuple(report.with_name(report.name + end).read_text() for end in (".out", ".err")) for report in reports]
    return [(code, *text) for code, text in zip(codes, texts, strict=True)]  # type: ignore[misc]
