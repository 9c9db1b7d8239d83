"""The sentiment of a headline by a list of weighted words.

The method is that of Loughran and McDonald (2011), a word list of finance's own, with the valence shifters of Polanyi
and Zaenen (2006): a negation before a word turns it (``x -0.7``), an intensifier makes it stronger. The words and
weights are ours, written for headlines of prices, ratings, earnings and central banks; no list of others is copied.
``score = tanh(sum / 2)``.
"""

import math
import re

from kernel_lib.declared import declared

__all__ = ["WORDS", "sentiment", "words_of"]

_WORD = re.compile(r"[a-z][a-z'&-]*|[+-]?\d[\d.,]*%?")
_NEGATIONS = """
    no not never without neither nor cannot can't don't doesn't didn't won't isn't aren't wasn't weren't hardly
    fails failed denies denied avoids avoided
"""
_STRONGER = {"sharply": 1.5, "strongly": 1.5, "record": 1.4, "very": 1.3, "massive": 1.5, "huge": 1.4, "biggest": 1.3,
             "slightly": 0.5, "modestly": 0.6, "somewhat": 0.6, "little": 0.6}  # fmt: skip
#: How many words after a negation or an intensifier it still bears on.
_REACH = 3

_GOOD = {
    1.0: """
        beat beats surge surges surged surging soar soars soared soaring rally rallies rallied rallying upgrade
        upgrades upgraded outperform outperforms outperformed bullish skyrocket skyrockets jump jumps jumped
        jumping spike spikes breakout boom booming
    """,
    0.7: """
        gain gains gained gaining rise rises rose rising raised raises higher profit profits profitable growth
        grow grows growing grew climb climbs climbed climbing advance advances advanced rebound rebounds
        rebounded recovery recover recovers recovered strong stronger strength topped tops upbeat optimistic
        optimism positive boost boosts boosted boosting overweight buy exceeds exceeded exceed hawkish win wins
        won rallying
    """,
    0.4: """
        up improve improves improved improving improvement approval approves approved accelerate accelerates
        expands expansion expand support supports supported dividend buyback repurchase opportunity better best
        good great ahead momentum attractive confident confidence success successful resilient innovation
        partnership award awarded initiated initiates secures secured lifts lifted lift hikes hiked eases upside
    """,
}  # fmt: skip
_BAD = {
    1.0: """
        plunge plunges plunged plunging crash crashes crashed crashing tumble tumbles tumbled tumbling slump
        slumps slumped slumping downgrade downgrades downgraded bankrupt bankruptcy collapse collapses collapsed
        fraud default defaults bearish plummet plummets plummeted sink sinks sank sinking miss misses missed
        slashes slashed recession crisis underperform underperforms rout selloff sell-off
    """,
    0.7: """
        fall falls fell falling drop drops dropped dropping decline declines declined declining loss losses lose
        loses lost lower lowers lowered lowering weak weaker weakness weakens weakened cut cuts cutting slide
        slides slid sliding slip slips slipped dip dips dipped warn warns warned warning lawsuit sued probe
        investigation fine fined layoffs negative disappoint disappoints disappointed disappointing
        disappointment underweight sell dovish retreat retreats halt halts halted shrink shrinks contraction
        tanks tanked hurt hurts fears fear worries worry worst worse pessimistic
    """,
    0.4: """
        down risk risks risky concern concerns concerned uncertainty uncertain delay delays delayed pressure
        pressured tariff tariffs sanctions debt deficit slow slows slowed slowing slowdown slower volatile
        volatility short outbreak virus coronavirus caution cautious below bad trouble struggles struggling
        struggle recall recalls resign resigns quits closing closure shutdown suspends suspended suspend reels
        threat threatens downside trims trimmed pulls drags drag weighs hit hits
    """,
}  # fmt: skip
#: Weight of each word, from -1 to 1.
WORDS: dict[str, float] = {
    word: sign * weight
    for sign, table in ((1.0, _GOOD), (-1.0, _BAD))
    for weight, words in table.items()
    for word in words.split()
}
_NEGATING = frozenset(_NEGATIONS.split())


def words_of(text: str) -> list[str]:
    """Give the words of a text in lower case, links and mentions left out.

    >>> words_of("$CCL slips 3.5% https://t.co/x")
    ['ccl', 'slips', '3.5%']
    """
    plain = re.sub(r"https?://\S+|@\w+", " ", text).replace("’", "'").lower()
    return _WORD.findall(plain)


@declared
def sentiment(text: str) -> float:
    """Give the sentiment of a headline, from -1 (bad) to 1 (good); 0 where no word of the list is in it.

    A percentage with a sign counts as well, ``+3%`` as good and ``-3%`` as bad.

    >>> sentiment("Shares surge after profit beats forecasts") > 0.5, sentiment("no growth") < 0.0
    (True, True)
    >>> sentiment("Quarterly report on Tuesday")
    0.0
    """
    total = 0.0
    shift, reach = 1.0, 0
    for word in words_of(text):
        if word in _NEGATING:
            shift, reach = -0.7, _REACH
            continue
        stronger = _STRONGER.get(word)
        if stronger is not None:
            shift, reach = shift * stronger if reach else stronger, _REACH
        weight = WORDS.get(word, 0.0)
        if weight == 0.0 and word[-1] == "%" and word[0] in "+-":
            weight = 0.6 if word[0] == "+" else -0.6
        if weight:
            total += weight * shift
        reach -= 1
        if reach <= 0:
            shift, reach = 1.0, 0
    return math.tanh(total / 2.0)
