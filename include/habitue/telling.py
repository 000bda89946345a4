"""An explanation in words: what became of a customer in a run, and what may be sent to them, as sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any

from habitue.explanations import Became, Consent, Outside, Sent, Tried
from habitue.report import rule_words, words
from habitue.settings import Language


class Telling:
    """The words of `explanations`, in one language and by one clock."""

    def __init__(self, language: Language, zone: tzinfo) -> None:
        self.language = language
        self.zone = zone
        self.known = words(language)
        self.say: Mapping[str, Any] = self.known["explain"]

    def run(self, one: Became) -> Sequence[str]:
        if one.messages:
            return one.run_id, self.say["message"], "\n".join(" · ".join(self.sent(sent)[1:]) for sent in one.messages)
        if one.held_out is not None:
            drawn = one.held_out
            parts = [self.say["whose"][drawn.scope], self.channel(drawn.channel)]
            if drawn.share is not None:
                parts.append(self.say["draw"].format(draw=f"{drawn.draw:.4f}", share=f"{drawn.share:g}"))
            return one.run_id, self.say["held_out"], " · ".join(parts)
        if one.outside is not None:
            return one.run_id, self.say["outside"], "\n".join(self.outside(one.outside))
        return one.run_id, self.say["excluded"], "\n".join(self.tried(way) for way in one.tried)

    def sent(self, one: Sent) -> Sequence[str]:
        parts = [one.run_id, self.channel(one.channel), self.known["states"][one.state]]
        if one.settled_at:
            parts.append(self.say["settled"].format(at=self.day(one.settled_at)))
        if one.reason:
            parts.append(self.rule(one.reason))
        parts.append(one.template)
        if one.arm:
            parts.append(self.say["arm"].format(arm=one.arm))
        if one.attempt > 1:
            parts.append(self.say["attempts"].format(n=one.attempt))
        parts += [f"{self.say['outcomes'][told.kind]} {told.at[:10]}" for told in one.outcomes]
        return parts

    def tried(self, way: Tried) -> str:
        barrier = way.rule == "unreachable" and way.saw
        short, says = rule_words(f"{way.rule}:{way.saw}" if barrier else way.rule, self.language)
        saw = f" ({way.saw})" if way.saw and not barrier else ""
        where = f"{self.channel(way.channel)} · " if way.channel else ""
        return f"{where}{short}{saw}. {says}"

    def outside(self, found: Outside) -> Iterator[str]:
        for unmet in found.filters:
            name = self.say["filters"][unmet.name]
            yield self.say["filter"].format(filter=name, seen=unmet.saw or self.say["none"], asked=unmet.asked)
        if not found.filters:
            segments = self.known["segments"]
            asked = ", ".join(segments.get(name, name) for name in (found.asked or "").split(", "))
            yield self.say[found.why].format(seen=segments.get(found.saw, found.saw), asked=asked)

    def consent(self, one: Consent) -> Sequence[str]:
        verdict = self.rule(one.rule) if one.rule else self.say["allowed"]
        if one.recorded_at is None:
            return self.channel(one.channel), verdict, self.say["no_objection"] if one.rule is None else ""
        parts = [self.say["since"].format(at=self.day(one.recorded_at))]
        if one.basis:
            parts.append(self.say["basis"].format(basis=one.basis))
        if one.valid_until and one.status == "granted":
            parts.append(self.say["until"].format(until=one.valid_until))
        return self.channel(one.channel), verdict, " · ".join(parts)

    def hold(self, reason: str) -> str:
        return self.rule("complaint_open" if reason == "complaint" else reason)

    def rule(self, rule: str) -> str:
        return rule_words(rule, self.language)[0]

    def channel(self, channel: str) -> str:
        return str(self.known["channels"].get(channel) or self.say[channel])

    def day(self, moment: datetime) -> str:
        return moment.astimezone(self.zone).date().isoformat()
