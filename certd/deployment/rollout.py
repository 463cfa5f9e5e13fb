"""Deploying to one proxy: look, gate, install, point, check, reload, verify, and go back only on evidence.

certd deploys to a proxy, not to a link: everything due shares one check and one reload (design.md, One reload at
a time).
"Served" is the definition of done: a handshake on every endpoint that answers shows the new certificate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from certd.errors import GateRefused, RowDamaged, TargetError
from certd.model import Certificate, Deployment, Generation, Health, Observation, ProxyFacts
from certd.planning.backoff import CA_LADDER, in_time, local_patience, rung
from certd.planning.deploy import all_blind, ends_first
from certd.planning.generation_choice import names_to_cover
from certd.planning.margin import HALF, left_of_life
from certd.planning.observations import all_show, blind_sentence, first_difference, hint_of, probe_domain
from certd.ports import Clock, EndpointProber, Journal, Outcome, Target, Verdict

UNREACHED = "see that certd can reach the endpoint"

# After the new leaf was first seen: so many handshakes in a row, over so long, must all show it. nginx was seen to
# serve old and new interleaved for up to 250 ms after a reload.
PROOF_HANDSHAKES = 20
PROOF_SPAN = timedelta(seconds=2)
PROOF_LEAST_PER_LINK = 3

# Until the new leaf is first seen: at least so long, less where little time is left, and several times the longest
# reload measured.
LEAST_PATIENCE = timedelta(seconds=5)
RELOADS_OF_PATIENCE = 3
LOOK_PAUSE = timedelta(milliseconds=50)

# While a provider spreads a certificate, so often it is looked at.
SETTLING_PAUSE = timedelta(seconds=20)

# A certificate that has used half of its margin is never returned to (design.md, Safe rollback).
RETURN_SHARE = left_of_life(HALF)


@dataclass(frozen=True, slots=True)
class Rollout:
    """The use case for one proxy.

    Args:
        certificate: The node's copy of a link's generation, with its key; None when it has none.
        gate: Raises GateRefused for a pair that must not reach a proxy (design.md, Gate).
    """

    target: Target
    prober: EndpointProber
    clock: Clock
    journal: Journal
    certificate: Callable[[str, str], Certificate | None]
    gate: Callable[[Certificate, Sequence[str], datetime], None]

    def look(self, facts: ProxyFacts, links: Sequence[str]) -> ProxyFacts:
        """One handshake per address and link; what is learned goes into the facts, nothing is touched."""
        chosen = frozenset(links)
        looked = {d.link: self._looked(d) for d in facts.deployments if d.link in chosen}
        return self._without_replaced(with_deployments(facts, looked), chosen)

    def deploy(self, facts: ProxyFacts, links: Sequence[str]) -> ProxyFacts:
        """Everything from the gate to the proof, for all these links with one check and one reload."""
        chosen = frozenset(links)
        batch = {d.link: d for d in facts.deployments if d.link in chosen}
        ready = self._installed(batch)
        if not ready:
            return with_deployments(facts, batch)
        ready, judged = self._pointed_and_checked(batch, ready)
        if not ready:
            return with_deployments(facts, batch)
        if judged.verdict is Verdict.NO:
            self._stranger(batch, ready, judged)
            return with_deployments(facts, batch)
        started = self.clock.monotonic()
        reload = self.target.reload(tuple(ready.values()))
        self.journal.say(
            "reloaded" if reload.verdict is not Verdict.NO else "reload failed",
            proxy=facts.proxy,
            links=str(len(ready)),
            words=reload.words,
            took=f"{self.clock.monotonic() - started:.1f}s",
        )
        for link, generation in ready.items():
            if reload.of(link).verdict is not Verdict.NO:
                batch[link] = replace(batch[link], reloaded=generation.name)
        took = self._verify(batch, ready, facts, reload)
        self._go_back_where_worse(batch, ready)
        facts = replace(facts, reloaded_at=self.clock.now())
        if took is not None:
            facts = replace(facts, reload_seconds=max(took - started, facts.reload_seconds / 2))
        return self._without_replaced(with_deployments(facts, batch), chosen)

    def _without_replaced(self, facts: ProxyFacts, links: frozenset[str]) -> ProxyFacts:
        """Have what was replaced at a provider removed, for the links that were just seen to serve what is wanted."""
        proved = {d.link: d.wanted for d in facts.deployments if d.link in links and d.wanted and _is_proved(d)}
        if not proved:
            return facts
        left = self.target.remove_replaced(proved, self.clock.now())
        changed = {d.link: left.get(d.link, "") for d in facts.deployments if d.link in proved}
        for deployment in facts.deployments:
            if (note := changed.get(deployment.link, "")) and note != deployment.note:
                self.journal.warn("not removed", link=deployment.link, proxy=self.target.name, reason=note)
        return with_deployments(
            facts, {d.link: replace(d, note=changed[d.link]) for d in facts.deployments if d.link in changed}
        )

    # ------------------------------------------------------------------------------------------ looking

    def _sights(self, deployment: Deployment) -> tuple[Observation, ...]:
        issuer = deployment.wanted.issuer if deployment.wanted else ""
        observations = self.prober.look(self.target.endpoints, probe_domain(deployment), issuer=issuer)
        return tuple(observation for observation in observations if not observation.never_answered) or observations

    def _looked(self, deployment: Deployment) -> Deployment:
        observations = self._sights(deployment)
        now = self.clock.now()
        wanted = deployment.wanted
        seen = replace(deployment, observations=observations, looked_at=now)
        if wanted is None:
            return seen
        is_pointed = deployment.pointed is not None and deployment.pointed.name == wanted.name
        if not is_pointed:
            return replace(seen, before=observations)
        if all_blind(seen) and not seen.was_reloaded:
            # A CDN answers for a name only after the upload: what is not seen before it is no failure of it.
            return seen
        if all_show(observations, wanted) and deployment.served == wanted.fingerprint:
            if damage := self._damage(deployment.link, wanted):
                self.journal.warn("damaged", link=deployment.link, reason=damage)
                return replace(seen, served="", error=damage, hint="certd writes it again", try_at=None)
            return replace(seen, error="", hint="", failures=0, verified_at=now)
        if all_blind(seen):
            return self._failed(seen, blind_sentence(observations), hint=hint_of(observations, UNREACHED))
        if deployment.served and not all_show(observations, wanted):
            self.journal.warn("drift", link=deployment.link, reason=first_difference(observations, wanted))
            return replace(seen, served="", error=first_difference(observations, wanted), try_at=None)
        return seen

    def _damage(self, link: str, wanted: Generation) -> str:
        try:
            certificate = self.certificate(link, wanted.name)
        except RowDamaged as error:
            return str(error)
        return self.target.damage(certificate) if certificate is not None else ""

    # ------------------------------------------------------------------------------------------ before the reload

    def _installed(self, batch: dict[str, Deployment]) -> dict[str, Generation]:
        """Gate and install each; what fails is noted on its own link and holds back nobody else."""
        ready: dict[str, Generation] = {}
        for link, deployment in batch.items():
            wanted = deployment.wanted
            if wanted is None:
                continue
            try:
                certificate = self.certificate(link, wanted.name)
                if certificate is None:
                    raise GateRefused(f"{wanted.name} is not in this node's store")
                now = self.clock.now()
                names = names_to_cover(deployment.domains, certificate.domains, deployment.pointed, now)
                self.gate(certificate, names, now)
                ready[link] = self.target.install(certificate)
            except (GateRefused, RowDamaged, TargetError) as error:
                self.journal.warn("not deployed", link=link, generation=wanted.name, reason=str(error))
                batch[link] = self._failed(deployment, str(error), hint=error.hint)
        return ready

    def _point(self, batch: dict[str, Deployment], generations: Mapping[str, Generation]) -> dict[str, Generation]:
        """Move the pointers; returns the links whose pointer was moved, with what it named before."""
        moved: dict[str, Generation] = {}
        for link, generation in generations.items():
            before = batch[link].pointed
            try:
                # Also where it is pointed already: a stranger may have changed the pointer.
                self.target.point(link, generation)
            except TargetError as error:
                self.journal.warn("pointer not moved", link=link, reason=str(error))
                batch[link] = self._failed(batch[link], str(error), hint=error.hint)
                continue
            if before is not None and before.name == generation.name:
                continue
            if before is not None:
                moved[link] = before
            keep = before if before is not None and not before.placeholder else batch[link].previous
            # The evidence of "before": kept from an interrupted try, else the last look, which the planner keeps fresh.
            evidence = batch[link].before or batch[link].observations
            batch[link] = replace(
                batch[link], pointed=generation, previous=keep, served="", before=evidence, taken_at=None
            )
        return moved

    def _point_back(self, batch: dict[str, Deployment], moved: Mapping[str, Generation]) -> set[str]:
        """Returns the links whose pointer could not be put back: what is remembered is what lies there."""
        stuck: set[str] = set()
        for link, generation in moved.items():
            try:
                self.target.point(link, generation)
            except TargetError as error:
                self.journal.warn("pointer not put back", link=link, reason=str(error))
                batch[link] = self._failed(batch[link], str(error), hint=error.hint)
                stuck.add(link)
                continue
            batch[link] = replace(batch[link], pointed=generation)
        return stuck

    def _pointed_and_checked(
        self, batch: dict[str, Deployment], ready: dict[str, Generation]
    ) -> tuple[dict[str, Generation], Outcome]:
        """Point and check. A check that fails with the new pointers and passes with the old ones is our fault:
        those go back, and the batch is halved until the bad one stands alone. One that fails with both is a
        stranger's: the new pointers stay, they are gated and right for the next start.
        """
        moved = self._point(batch, ready)
        ready = {link: g for link, g in ready.items() if batch[link].pointed == g or names_generation(batch[link], g)}
        judged = self.target.check()
        if judged.verdict is not Verdict.NO or not moved:
            return ready, judged
        if stuck := self._point_back(batch, moved):
            return {link: g for link, g in ready.items() if link not in stuck}, judged
        if self.target.check().verdict is not Verdict.YES:
            self._point(batch, ready)
            return ready, judged
        if len(moved) == 1:
            (link,) = moved
            self._refuse(batch, link, f"the proxy's check refuses it: {judged.words}")
            rest = {other: g for other, g in ready.items() if other != link}
            return rest, self.target.check() if rest else judged
        half = len(moved) // 2
        first = {link: ready[link] for link in list(moved)[:half]}
        second = {link: g for link, g in ready.items() if link not in first}
        good_first, _ = self._pointed_and_checked(batch, first)
        good_second, judged = self._pointed_and_checked(batch, second)
        return good_first | good_second, judged

    def _stranger(self, batch: dict[str, Deployment], ready: Mapping[str, Generation], judged: Outcome) -> None:
        sentence = f"its configuration is broken, by somebody else: {judged.words}"
        self.journal.warn("not reloaded", proxy=self.target.name, reason=sentence)
        for link in ready:
            hint = "correct the proxy's configuration; certd reloads it as soon as its check passes"
            batch[link] = self._failed(batch[link], sentence, hint=hint)

    # ------------------------------------------------------------------------------------------ after the reload

    def _verify(
        self, batch: dict[str, Deployment], ready: Mapping[str, Generation], facts: ProxyFacts, reload: Outcome
    ) -> float | None:
        """Look until every link is first seen or the deadline passes, then prove it; returns when all were first
        seen (monotonic seconds), None when not all were.
        """
        least = min(in_time(LEAST_PATIENCE, ends_first(batch[link]), self.clock.now()) for link in ready)
        patience = max(least, timedelta(seconds=facts.reload_seconds * RELOADS_OF_PATIENCE))
        if all(reload.of(link).verdict is Verdict.NO for link in ready):
            patience = LOOK_PAUSE
        deadline = self.clock.monotonic() + patience.total_seconds()
        first_seen: float | None = None
        waiting = dict(ready)
        unproven = set(ready)
        while unproven:
            waiting = {link: g for link, g in waiting.items() if not self._shows(batch, link, g)}
            if not waiting and first_seen is None:
                first_seen = self.clock.monotonic()
            seen = [link for link in ready if link in unproven and link not in waiting]
            over = self.clock.monotonic() >= deadline
            if seen and (not waiting or over):
                stumbled = self._prove(batch, seen, ready)
                unproven -= set(seen) - stumbled
                waiting |= {link: ready[link] for link in stumbled}
                over = self.clock.monotonic() >= deadline
            if over and unproven:
                break
            if waiting:
                self.clock.sleep(LOOK_PAUSE)
        now = self.clock.now()
        for link, generation in ready.items():
            if link not in unproven:
                batch[link] = self._served(batch[link], generation, now)
            else:
                batch[link] = self._unserved(batch[link], generation, reload.of(link), patience)
        return first_seen

    def _shows(self, batch: dict[str, Deployment], link: str, generation: Generation) -> bool:
        observations = self._sights(batch[link])
        batch[link] = replace(batch[link], observations=observations, looked_at=self.clock.now())
        return all_show(observations, generation)

    def _prove(self, batch: dict[str, Deployment], links: Sequence[str], ready: Mapping[str, Generation]) -> set[str]:
        """Twenty handshakes over two seconds across the batch, at least three for each link; returns who stumbled."""
        rounds = max(PROOF_LEAST_PER_LINK, -(-PROOF_HANDSHAKES // len(links)))
        started = self.clock.monotonic()
        stumbled: set[str] = set()
        for count in range(1, rounds + 1):
            stumbled |= {link for link in links if link not in stumbled and not self._shows(batch, link, ready[link])}
            if len(stumbled) == len(links):
                break
            ahead = started + PROOF_SPAN.total_seconds() * count / rounds - self.clock.monotonic()
            if ahead > 0:
                self.clock.sleep(timedelta(seconds=ahead))
        return stumbled

    def _served(self, deployment: Deployment, generation: Generation, now: datetime) -> Deployment:
        self.journal.say(
            "served",
            link=deployment.link,
            generation=generation.name,
            proxy=self.target.name,
            until=f"{generation.not_after:%Y-%m-%d %H:%M:%SZ}",
        )
        return replace(
            deployment,
            served=generation.fingerprint,
            verified_at=now,
            before=(),
            failures=0,
            try_at=None,
            taken_at=None,
            refused="",
            error="",
            hint="",
        )

    def _unserved(
        self, deployment: Deployment, generation: Generation, reload: Outcome, patience: timedelta
    ) -> Deployment:
        if all_blind(deployment):
            error, hint = blind_sentence(deployment.observations), UNREACHED
        else:
            error = first_difference(deployment.observations, generation)
            hint = f"does the proxy include {self.target.name}'s pointer for {deployment.link}?"
        hint = hint_of(deployment.observations, hint)
        if self.target.settles and reload.verdict is Verdict.YES:
            return self._settling(deployment, generation, error, reload.words)
        if reload.verdict is Verdict.NO:
            error, hint = f"{error}; the reload failed: {reload.words}", "let certd reload the proxy"
            if self.target.settles:
                error, hint = reload.words, ""
        self.journal.warn(
            "not served",
            link=deployment.link,
            generation=generation.name,
            reason=error,
            within=f"{patience.total_seconds():.1f}s",
        )
        failed = self._failed(deployment, error, hint=hint)
        if failed.try_at is not None and reload.again_after:
            failed = replace(failed, try_at=max(failed.try_at, self.clock.now() + reload.again_after))
        return failed

    def _settling(self, deployment: Deployment, generation: Generation, error: str, words: str) -> Deployment:
        """A provider has it, and clients get it in its own time: no failure until that is over."""
        now = self.clock.now()
        taken_at = deployment.taken_at or now
        if timedelta(0) <= now - taken_at < self.target.settles:
            return replace(
                deployment,
                taken_at=taken_at,
                tried=generation.name,
                try_at=now + SETTLING_PAUSE,
                failures=0,
                error=f"taken, and on its way to clients; {error}",
                hint=words,
            )
        self.journal.warn("not served", link=deployment.link, generation=generation.name, reason=error)
        return self._failed(replace(deployment, taken_at=taken_at), error, hint=words)

    # ------------------------------------------------------------------------------------------ going back

    def _go_back_where_worse(self, batch: dict[str, Deployment], ready: Mapping[str, Generation]) -> None:
        """Only where an address that answered well before answers worse after, and never to what ends too soon."""
        back = {link: batch[link].previous for link in ready if self._is_worse(batch[link])}
        chosen = {link: generation for link, generation in back.items() if generation is not None}
        if not chosen:
            return
        for link, generation in chosen.items():
            self.journal.warn("going back", link=link, generation=generation.name, reason=batch[link].error)
            try:
                self.target.point(link, generation)
            except TargetError as error:
                batch[link] = self._failed(batch[link], str(error), hint=error.hint)
                continue
            self._refuse(batch, link, f"clients got worse with it: {batch[link].error}")
            # Looked at next, whatever the interval: is it as it was?
            batch[link] = replace(batch[link], pointed=generation, looked_at=None)
        reload = self.target.reload(tuple(chosen.values()))
        for link, generation in chosen.items():
            if batch[link].pointed == generation:
                taken = reload.of(link).verdict is not Verdict.NO
                batch[link] = replace(batch[link], reloaded=generation.name if taken else "")

    def _is_worse(self, deployment: Deployment) -> bool:
        previous, wanted = deployment.previous, deployment.wanted
        if previous is None or wanted is None or deployment.served == wanted.fingerprint or previous.placeholder:
            return False
        if deployment.pointed is None or deployment.pointed.name != wanted.name:
            return False
        now = self.clock.now()
        life = previous.not_after - previous.not_before
        ends_sooner = previous.not_after < wanted.not_after
        if previous.not_after <= now + self.target.least_left or (
            ends_sooner and previous.not_after - now < life * RETURN_SHARE
        ):
            return False
        was_good = {observation.address for observation in deployment.before if observation.health is Health.GOOD}
        return any(
            observation.health is Health.BAD and observation.address in was_good
            for observation in deployment.observations
        )

    def _refuse(self, batch: dict[str, Deployment], link: str, error: str) -> None:
        """A generation that was gone back from is tried again rarely: every try is felt by clients."""
        deployment = batch[link]
        name = deployment.wanted.name if deployment.wanted else ""
        failures, now = deployment.failures + 1 if deployment.refused == name else 1, self.clock.now()
        batch[link] = replace(
            deployment,
            refused=name,
            tried=name,
            failures=failures,
            error=error,
            try_at=now + in_time(rung(CA_LADDER, failures), ends_first(deployment), now),
        )

    def _failed(self, deployment: Deployment, error: str, *, hint: str = "") -> Deployment:
        tried = deployment.wanted.name if deployment.wanted else ""
        failures = deployment.failures + 1 if deployment.tried == tried else 1
        now = self.clock.now()
        try_at = now + in_time(local_patience(failures), ends_first(deployment), now)
        return replace(deployment, failures=failures, try_at=try_at, tried=tried, error=error, hint=hint)


def deployment_of(facts: ProxyFacts, link: str) -> Deployment:
    """The link's deployment among the facts."""
    return next(deployment for deployment in facts.deployments if deployment.link == link)


def with_deployments(facts: ProxyFacts, batch: Mapping[str, Deployment]) -> ProxyFacts:
    """The facts with these deployments in the place of the old ones."""
    return replace(facts, deployments=tuple(batch.get(d.link, d) for d in facts.deployments))


def _is_proved(deployment: Deployment) -> bool:
    """Every endpoint that answered at the last look showed what is wanted, and nothing is under way."""
    wanted = deployment.wanted
    if wanted is None or deployment.taken_at is not None or deployment.refused == wanted.name:
        return False
    return deployment.is_verified and all_show(deployment.observations, wanted)


def names_generation(deployment: Deployment, generation: Generation) -> bool:
    """Whether the pointer names this generation."""
    return deployment.pointed is not None and deployment.pointed.name == generation.name
