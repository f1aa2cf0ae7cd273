"""HTML elements from text, every text escaped, every word in both languages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from coread.learning.runs.report.words import WORDS

Html = str


def both(en: str, zh: str) -> Html:
    """A text in both languages, of which the style shows the chosen one."""
    return f'<span class="en" lang="en">{escape(en)}</span><span class="zh" lang="zh">{escape(zh)}</span>'


def word(key: str) -> Html:
    """One of the report's own words."""
    return both(*WORDS[key])


def section(title: Html, *content: Html, name: str = "") -> Html:
    """A section with its heading."""
    mark = f' id="{escape(name, quote=True)}"' if name else ""
    return f"<section{mark}><h2>{title}</h2>{''.join(content)}</section>"


def paragraph(content: Html, kind: str = "") -> Html:
    """A paragraph."""
    return f'<p class="{kind}">{content}</p>' if kind else f"<p>{content}</p>"


def bullets(items: Iterable[Html]) -> Html:
    """A list; empty where there is nothing."""
    made = "".join(f"<li>{item}</li>" for item in items)
    return f"<ul>{made}</ul>" if made else ""


def table(head: Sequence[Html], rows: Iterable[Sequence[Html]], caption: Html = "") -> Html:
    """A table whose first column names its rows; empty without rows."""
    body = "".join(_row(row) for row in rows)
    if not body:
        return ""
    top = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    told = f"<caption>{caption}</caption>" if caption else ""
    return f'<div class="wide"><table>{told}<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def _row(cells: Sequence[Html]) -> Html:
    rest = "".join(f"<td>{cell}</td>" for cell in cells[1:])
    return f'<tr><th scope="row">{cells[0]}</th>{rest}</tr>'


def picture(data_url: str, alternative: str) -> Html:
    """An embedded picture with what it shows in words."""
    return f'<img src="{data_url}" alt="{escape(alternative, quote=True)}">'


STYLE = """
:root{color-scheme:light;--ink:#1d2730;--soft:#5b6975;--line:#d5dbe0;--paper:#fff;--accent:#14598f}
body{margin:0;font:16px/1.55 "Noto Sans","Noto Sans CJK SC","PingFang SC","Microsoft YaHei",sans-serif;
color:var(--ink);background:var(--paper)}
main{max-width:60rem;margin:0 auto;padding:1rem 1.25rem 4rem}
h1{font-size:1.6rem;line-height:1.25;margin:.4rem 0}
h2{font-size:1.2rem;margin:2.2rem 0 .5rem;padding-bottom:.25rem;border-bottom:1px solid var(--line)}
h3{font-size:1rem;margin:1.4rem 0 .3rem}
.soft{color:var(--soft)} .warn{border-left:4px solid #a05a00;padding:.4rem .8rem;background:#fdf6ec}
.grade{border-left:4px solid var(--accent);padding:.4rem .8rem;background:#eef5fa}
.wide{overflow-x:auto} table{border-collapse:collapse;font-size:.9rem;margin:.6rem 0;min-width:50%}
caption{text-align:left;font-weight:600;padding:.3rem 0}
th,td{padding:.3rem .7rem .3rem 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--line);
font-variant-numeric:tabular-nums} th[scope=row]{font-weight:400}
img{max-width:100%;height:auto} figure{display:inline-block;margin:.5rem 1rem .5rem 0;max-width:15rem}
figcaption{font-size:.85rem} code{font-size:.82rem;overflow-wrap:anywhere}
.choice{position:absolute;opacity:0} label{cursor:pointer;padding:.2rem .7rem;border:1px solid var(--line)}
.choice:focus-visible+label{outline:3px solid var(--accent)}
#choose-en:checked~label[for=choose-en],#choose-zh:checked~label[for=choose-zh]{background:var(--accent);
color:#fff}
#choose-en:checked~main .zh,#choose-zh:checked~main .en{display:none}
.bar{padding:1rem 1.25rem 0;max-width:60rem;margin:0 auto}
@media print{label{display:none} section{break-inside:avoid}}
"""


def document(title: str, body: Html) -> Html:
    """The whole file. No script runs in it and nothing is fetched: its policy forbids both."""
    policy = (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>"
        '<input class="choice" type="radio" name="language" id="choose-en" checked>'
        '<label for="choose-en" lang="en">English</label>'
        '<input class="choice" type="radio" name="language" id="choose-zh">'
        '<label for="choose-zh" lang="zh">中文</label>'
        f"<main>{body}</main></body></html>\n"
    )
