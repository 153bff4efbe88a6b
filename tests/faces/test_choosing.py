"""What serves the person who decides: rulings, blind ballots, other rules, an electorate."""

from __future__ import annotations

from tests.race.field import Field


def task(field: Field, *words: str) -> str:
    field.json("init")
    return str(field.json("task", "add", "name the bees", *words)["task"]["id"])


def publish(field: Field, who: str, text: str | None = None, *words: str) -> str:
    shown = field.json("publish", "--text", text or who, "--as", who, *words)
    return str(shown["candidate"]["id"])


def test_a_ruling_beats_every_rule(field: Field) -> None:
    whole = task(field)
    best, worst = publish(field, "ann"), publish(field, "bob")
    for voter in ("cy", "di", "ed"):
        field.json("vote", best, "--up", "--as", voter)
        field.json("vote", worst, "--down", "--as", voter)
    assert field.json("choose")["winner"]["id"] == best
    field.json("ruling", whole, worst, "--reason", "the only one that keeps the API")
    chosen = field.json("choose")
    assert (chosen["winner"]["id"], chosen["status"]) == (worst, "decided")
    assert chosen["why"][0] == "ruling: the operator ruled: the only one that keeps the API"
    assert field.json("choose", "--rule", "votes")["winner"]["id"] == worst
    shown = field.waggle("choose").out
    assert "[decided]" in shown
    assert "the only one that keeps the API" in shown
    # Later rulings replace earlier ones; `none` leaves no winner.
    field.json("ruling", whole, "none", "--reason", "start again")
    chosen = field.json("choose")
    assert chosen["winner"] is None
    later = publish(field, "flo")
    assert field.json("choose")["winner"]["id"] == later


def test_a_blind_ballot_hides_who_and_how_many(field: Field) -> None:
    task(field)
    one = publish(field, "ann-the-author", "the text", "--summary", "by me, ann", "--confidence",
                  "77", "--model", "secret-model")  # fmt: skip
    field.json("vote", one, "--up", "--as", "voter-vic")
    field.json("checkpoint", "--note", "mine", "--as", "ann-the-author")
    blind = field.json("show", "--blind")
    (candidate,) = blind["candidates"]
    assert candidate["id"] == one
    assert candidate["author"] is None
    assert candidate["confidence"] is None
    assert candidate["summary"] is None
    assert candidate["votes"] == {}
    for words in (("show", "--blind"), ("show", "--blind", "--json"), ("show", one, "--blind")):
        out = field.waggle(*words).out
        for hidden in ("ann-the-author", "by me", "secret-model", "voter-vic"):
            assert hidden not in out.replace(one, ""), (words, hidden)
    assert "ann-the-author" in field.waggle("show").out, "the control"
    field.json("vote", one, "--up", "--as", "wil", "--blind")
    votes = [entry for entry in field.entries("vote.cast") if entry.get("blind")]
    assert [vote["by"]["name"] for vote in votes] == ["wil"]


def test_top_cuts_the_places_and_keeps_the_winner(field: Field) -> None:
    task(field)
    for who in ("ann", "bob", "cy", "di"):
        publish(field, who)
    whole, cut = field.json("choose"), field.json("choose", "--top", "2")
    assert len(whole["places"]) == 4
    assert [place["rank"] for place in cut["places"]] == [1, 2]
    assert cut["places"] == whole["places"][:2]
    assert len(cut["rivals"]) == 1
    assert cut["winner"] == whole["winner"]


def test_another_rule_is_what_if_and_changes_nothing(field: Field) -> None:
    task(field, "--rule", "size")
    publish(field, "long", "a much longer text")
    short, count = publish(field, "short", "x"), len(field.json("log")["entries"])
    chosen = field.json("choose")
    assert (chosen["winner"]["id"], chosen["what_if"]) == (short, False)
    other = field.json("choose", "--rule", "earliest")
    assert (other["winner"]["author"], other["what_if"]) == ("long", True)
    assert "(what if)" in field.waggle("choose", "--rule", "earliest").out
    assert field.json("choose")["winner"]["id"] == short
    assert len(field.json("log")["entries"]) == count


def test_an_electorates_first_votes_decide_and_a_decided_rival_contests(field: Field) -> None:
    task(field, "--rule", "threshold(2)", "--voter", "ann", "--voter", "bob", "--voter", "cy",
         "--voter", "di")  # fmt: skip
    one, two = publish(field, "eve"), publish(field, "flo")
    field.json("vote", one, "--up", "--as", "stranger")
    field.json("vote", one, "--up", "--as", "ann")
    assert field.json("choose")["status"] == "leading", "a stranger's vote decides nothing"
    field.json("vote", one, "--down", "--as", "bob")
    field.json("vote", one, "--up", "--as", "bob")
    assert field.json("choose")["status"] == "leading", "a first vote is not undone"
    field.json("vote", one, "--up", "--as", "cy")
    chosen = field.json("choose")
    assert (chosen["status"], chosen["winner"]["id"]) == ("decided", one)
    for voter in ("ann", "di"):
        field.json("vote", two, "--up", "--as", voter)
    assert field.json("choose")["status"] == "contested"


def test_an_open_electorate_never_decides(field: Field) -> None:
    task(field, "--rule", "threshold(1)")
    one = publish(field, "ann")
    field.json("vote", one, "--up", "--as", "bob")
    assert field.json("choose")["status"] == "leading"


def test_who_disagreed_is_shown_with_the_reason(field: Field) -> None:
    task(field)
    one = publish(field, "ann")
    field.json("vote", one, "--up", "--as", "bob")
    field.json("vote", one, "--down", "--as", "cy", "--reason", "breaks the API")
    assert field.json("choose")["disagreed"] == ["cy: breaks the API"]
    assert "disagreed: cy: breaks the API" in field.waggle("choose").out


def test_ones_own_vote_counts_for_nothing_and_the_last_vote_counts(field: Field) -> None:
    task(field)
    one = publish(field, "ann")
    field.json("vote", one, "--up", "--as", "ann")
    assert field.json("choose")["winner"]["votes"]["voters"] == 0
    field.json("vote", one, "--up", "--as", "bob")
    field.json("vote", one, "--down", "--as", "bob")
    votes = field.json("choose")["winner"]["votes"]
    assert (votes["up"], votes["down"], votes["voters"]) == (0, 1, 1)


def test_a_familys_votes_are_worth_less_than_their_number(field: Field) -> None:
    task(field)
    one = publish(field, "ann")
    for n in range(4):
        field.json("vote", one, "--up", "--as", f"v{n}", "--model", "m1")
    votes = field.json("choose")["winner"]["votes"]
    assert votes["voters"] == 4
    assert votes["effective"] == "2.1", "1 + 1/2 + 1/3 + 1/4 = 2.08"


def test_differences_between_candidates(field: Field) -> None:
    task(field)
    ids = []
    for who, text in (("ann", "one\n"), ("bob", "two\n")):
        field.write({"calc.py": text})
        ids.append(field.json("publish", "--as", who)["candidate"]["id"])
    shown = field.json("diff", ids[0], ids[1])["diff"]
    assert "-two" in shown
    assert "+one" in shown
    assert "b/calc.py" in shown
    text = publish(field, "cy", "words")
    assert field.json("diff", text)["diff"] == "words"
