"""Chinese questions over English logs: words to English by a dictionary of operations (``chinese.txt``).

No translation: what comes out has the words of a question in their order, which is what ranking needs. Words are cut
by the cheapest path through the dictionary (fewest words, unknown characters cost most), so a longer word wins and a
wrong cut that strands a character loses. Names, numbers and addresses in Latin script stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_HAN = re.compile(r"[\u3400-\u9fff]+")
_EDGE = re.compile(r"(?<=[\u3400-\u9fff])(?=[^\s\u3400-\u9fff])|(?<=[^\s\u3400-\u9fff])(?=[\u3400-\u9fff])")
_PUNCTUATION = str.maketrans("，。？！；：（）、“”‘’【】《》", ',.?!;:(),""\'\'()""')
# Forms with a number or a name in them, which a dictionary cannot hold.
_SINCE = r"(?:以来|之后|以后|后)"
_FORMS = tuple(
    (re.compile(pattern), f" {said} ")
    for pattern, said in (
        (r"(?:超过|多于|大于|不止)\s*(\d+)\s*[次条行回]", r"more than \1 times"),
        (r"(?:至少|不少于)\s*(\d+)\s*[次条行回]", r"at least \1 times"),
        (r"(?:少于|小于|不到)\s*(\d+)\s*[次条行回]", r"less than \1 times"),
        (r"(?:最多的)?前\s*(\d+)\s*(?:个|名|台)?(?=主机|机器|服务|用户|地址|节点)", r"top \1"),
        (r"每(?:个)?小时", "per hour"),
        (r"每分钟", "per minute"),
        (r"每[天日]", "per day"),
        (r"按(?:照)?(?:主机|机器)(?:统计|分组|分类)?", "by host"),
        (r"按(?:照)?(?:服务|程序)(?:统计|分组|分类)?", "by service"),
        (r"(?:和|与|跟|比|同)(?:起)?上周(?:相比|比较|对比|比)?", "compared with last week"),
        (r"(?:和|与|跟|比|同)(?:起)?昨天(?:相比|比较|对比|比)?", "compared with yesterday"),
        (r"(?:和|与|跟|比|同)(?:起)?上个?月(?:相比|比较|对比|比)?", "compared with last month"),
        (rf"(?:自从?|从)?(?:上次|最近一次|最后一次|这次)?(?:部署|发布|上线){_SINCE}", "since the deploy"),
        (rf"(?:自从?|从)?(?:上次|最近一次|最后一次)?(?:升级|更新){_SINCE}", "since the upgrade"),
        (rf"(?:自从?|从)?(?:上次|最近一次|最后一次)?重启{_SINCE}", "since the restart"),
        (r"除了?\s*([\w.-]+?)\s*(?:以外|之外|外)", r"except \1"),
        (r"(?:只看|仅看|只要|只显示|仅限)\s*警告", "warnings only"),
        (r"(?:只看|仅看|只要|只显示|仅限)\s*(?:错误|报错)", "errors only"),
        (r"(?:只看|仅看|只要|只显示|仅限)\s*(?:严重|致命)(?:错误)?", "critical only"),
        (r"^\s*的?\s*(?:错误|报错)(?:日志|信息)?\s*$|(?:错误|报错)日志", "errors"),
        (r"^\s*的?\s*警告(?:日志|信息)?\s*$|警告日志", "warnings"),
    )
)
#: A word costs 1; a character that no word covers costs this much.
UNKNOWN = 4
#: What English means "without a meaning of its own" in the file.
_EMPTY = "-"


def is_chinese(text: str) -> bool:
    return _HAN.search(text) is not None


@cache
def dictionary() -> dict[str, str]:
    """Chinese word -> English; "" for words that add nothing."""
    found: dict[str, str] = {}
    for line in (Path(__file__).parent / "chinese.txt").read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            words, english = line.split(" = ")
            for word in words.split():
                found.setdefault(word, "" if english.strip() == _EMPTY else english.strip())
    return found


@cache
def _longest() -> int:
    return max(map(len, dictionary()))


def cut(run: str) -> Iterator[str]:
    """Words of a run of Chinese characters; characters that no word covers come one by one.

    >>> list(cut("磁盘满了吗"))
    ['磁盘满了', '吗']
    """
    words = dictionary()
    best: list[tuple[int, int]] = [(0, 0)]  # cheapest cost up to here, and where its last word begins
    for end in range(1, len(run) + 1):
        ways = [(best[end - 1][0] + (1 if run[end - 1] in words else UNKNOWN), end - 1)]
        ways += [
            (best[start][0] + 1, start) for start in range(max(0, end - _longest()), end - 1) if run[start:end] in words
        ]
        best.append(min(ways))
    found = []
    end = len(run)
    while end:
        start = best[end][1]
        found.append(run[start:end])
        end = start
    yield from reversed(found)


def english(text: str) -> str:
    """``text`` with its Chinese as English words; unknown characters are left out.

    >>> english("db1 上磁盘满了吗？")
    'db1 no space left on device disk full?'
    """
    text = text.translate(_PUNCTUATION)
    for pattern, plain in _FORMS:
        text = pattern.sub(plain, text)
    spaced = _EDGE.sub(" ", text)
    said = _HAN.sub(lambda run: " ".join(filter(None, (dictionary().get(word, "") for word in cut(run[0])))), spaced)
    return re.sub(r"\s+([,.?!;:])", r"\1", " ".join(said.split()))
