"""Tables for papers, in the style of the booktabs package."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["booktabs", "escaped"]

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "<": r"$<$",
    ">": r"$>$",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}


def escaped(text: str) -> str:
    r"""Text that LaTeX sets as it stands.

    >>> print(escaped("acc_2 & 5 % ± 1"))
    acc\_2 \& 5 \% $\pm$ 1
    """
    return "".join(_SPECIAL.get(sign, sign) for sign in text)


def booktabs(heads: Sequence[str], lines: Sequence[Sequence[str]], *, caption: str, label: str) -> str:
    r"""A floating table; a line of no cell at all is a little space.

    Args:
        heads: of the columns, plain text; the first is set to the left.
        lines: cells that are LaTeX already, one for each head, or none.
        caption: plain text.
        label: for ``\ref``.

    Returns:
        LaTeX, ending in a line feed.

    >>> print(booktabs(["model", "mae"], [["early", "0.8"]], caption="50 %", label="tab:m").splitlines()[5])
    model & mae \\
    """
    body = [" & ".join(line) + r" \\" if line else r"\addlinespace" for line in lines]
    text = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escaped(caption)}}}\label{{{label}}}",
        rf"\begin{{tabular}}{{l{'r' * (len(heads) - 1)}}}",
        r"\toprule",
        " & ".join(map(escaped, heads)) + r" \\",
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(text) + "\n"
