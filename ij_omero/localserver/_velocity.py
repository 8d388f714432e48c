"""As much of the Velocity template language as OMERO's two SQL templates use.

By lines: ``#foreach($x in $list)``, ``#if(expr)``, ``#else``, ``#end``, ``#set($x = expr)`` and ``##`` comments. In
text: ``$x``, ``${x}``, ``$x.y``, ``${x.y()}``, ``$x.y($z, "s")``. In expressions also ``!``, ``&&``, ``||``, ``==``,
strings and parentheses. A ``$`` that no letter follows is text, and so is ``(`` right after a plain variable. Unlike in
Velocity, an unknown name is an error.
"""

from __future__ import annotations

import re
from typing import Any

from ij_omero.errors import SetupError

_TOKEN = re.compile(r"""\s*(?:(?P<str>"[^"]*"|'[^']*')|(?P<ref>\$\{?[A-Za-z])|(?P<op>&&|\|\||==|!|\(|\)|,))""")
_NAME = re.compile(r"[A-Za-z][\w-]*")
_DIRECTIVE = re.compile(r"\s*#(foreach|if|else|end|set)\b\s*(?:\((.*)\)\s*)?$", re.DOTALL)
_SET = re.compile(r"\s*\$(\w+)\s*=\s*(.*)", re.DOTALL)
_FOREACH = re.compile(r"\s*\$(\w+)\s+in\s+(.*)", re.DOTALL)


def render(template: str, **scope: Any) -> str:
    """Render a template.

    Parameters
    ----------
    template
        The text of the template.
    **scope
        Its variables; attributes and methods of theirs are reached by their Python names.

    Raises
    ------
    SetupError
        The template uses a name that is unknown or a piece of the language that is not here.
    """
    lines = template.splitlines(keepends=True)
    out: list[str] = []
    word, line = _run(lines, 0, scope, out, True)
    if word:
        raise SetupError(f"a database template of this OMERO has #{word} without a beginning in line {line}")
    return "".join(out)


def _run(lines: list[str], at: int, scope: dict[str, Any], out: list[str], live: bool) -> tuple[str | None, int]:
    """Render (where live) up to the #else or #end of the caller's block; give that word and the next line."""
    while at < len(lines):
        line = lines[at]
        at += 1
        directive = _DIRECTIVE.match(line.rstrip("\r\n"))
        if line.lstrip().startswith("##"):
            continue
        if directive is None:
            if live:
                out.append(_text(line, scope))
            continue
        what, argument = directive.groups()
        if what in ("end", "else"):
            return what, at
        if what == "set":
            if live:
                name, expression = _parts(_SET, argument)
                scope[name] = _Expression(expression, scope).value()
        elif what == "if":
            yes = live and bool(_Expression(argument, scope).value())
            word, at = _run(lines, at, scope, out, yes)
            if word == "else":
                _, at = _run(lines, at, scope, out, live and not yes)
        else:
            name, expression = _parts(_FOREACH, argument)
            start = at
            _, at = _run(lines, start, scope, [], False)  # finds where the block ends
            for item in _Expression(expression, scope).value() if live else ():
                scope[name] = item
                _run(lines, start, scope, out, True)
    return None, at


def _parts(pattern: re.Pattern[str], argument: str | None) -> tuple[str, str]:
    match = pattern.fullmatch(argument or "")
    if match is None:
        raise SetupError(f"a database template of this OMERO has a directive that is not understood: {argument}")
    return match.group(1), match.group(2)


def _text(line: str, scope: dict[str, Any]) -> str:
    out, position = [], 0
    for match in re.finditer(r"\$\{?[A-Za-z]", line):
        if match.start() >= position:
            expression = _Expression(line, scope, match.start())
            value = expression.reference()
            out += [line[position : match.start()], str(value)]
            position = expression.position
    return "".join(out) + line[position:]


class _Expression:
    def __init__(self, text: str, scope: dict[str, Any], position: int = 0) -> None:
        self.text, self.scope, self.position = text, scope, position

    def value(self) -> Any:
        value = self._operand()
        while operator := self._take("==", "&&", "||"):
            right = self._operand() if operator == "==" else self.value()  # no side has effects
            if operator == "==":
                value = value == right
            elif operator == "&&":
                value = value and right
            else:
                value = value or right
        return value

    def reference(self) -> Any:
        """Evaluate what stands at a ``$``."""
        self.position += 1
        braces = self.text[self.position] == "{"
        self.position += braces
        name = self._name()
        if name not in self.scope:
            raise self._error(f"unknown ${name}")
        value = self.scope[name]
        while re.match(r"\.[A-Za-z]", self.text[self.position : self.position + 2]):
            self.position += 1
            value = _member(value, self._name())
            if self.text[self.position : self.position + 1] == "(":
                self.position += 1
                arguments = []
                while not self._take(")"):
                    arguments.append(self.value())
                    self._take(",")
                value = value(*arguments)
        if braces:
            if self.text[self.position : self.position + 1] != "}":
                raise self._error("} expected")
            self.position += 1
        return value

    def _operand(self) -> Any:
        if self._take("!"):
            return not self._operand()
        if self._take("("):
            value = self.value()
            if not self._take(")"):
                raise self._error(") expected")
            return value
        token = _TOKEN.match(self.text, self.position)
        if token and token.group("str"):
            self.position = token.end()
            return token.group("str")[1:-1]
        if token and token.group("ref"):
            self.position = token.start("ref")
            return self.reference()
        raise self._error("operand expected")

    def _name(self) -> str:
        match = _NAME.match(self.text, self.position)
        if match is None:
            raise self._error("name expected")
        self.position = match.end()
        return match.group()

    def _take(self, *operators: str) -> str | None:
        token = _TOKEN.match(self.text, self.position)
        if token and token.group("op") in operators:
            self.position = token.end()
            return token.group("op")
        return None

    def _error(self, why: str) -> SetupError:
        return SetupError(
            f"a database template of this OMERO is not understood: {why} at {self.position} in {self.text!r}"
        )


def _member(value: Any, name: str) -> Any:
    if isinstance(value, str):
        return {"equals": value.__eq__, "startsWith": value.startswith}[name]
    return getattr(value, name)
