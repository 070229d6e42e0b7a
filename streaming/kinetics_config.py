"""Settings of the live kinetics."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from kincast.models.contact_forces import ContactConfig
from kincast.models.differentiation import HistoryConfig
from kincast.models.kinetics_sd import ModelError
from kincast.models.muscles import MuscleConfig
from kincast.models.sole import SoleConfig
from kincast.models.weight_offset import WeightOffsetConfig


@dataclass(frozen=True)
class KineticsConfig:
    """How the live kinetics works, and when it is believed.

    Attributes:
        total_delay_s: from a picture to its row, the fitter's delay included.
        belt_speed_m_s, external_support: as the session header states them.
        share_weight, place_weight: of departing from the expected sharing between the feet and the expected place
            (per m^2) of the load under each sole, relative to a horizontal residual of one body weight ...
        still_share_weight, still_place_weight: ... and the same for two feet flat on the floor.
        unloaded_weight: of load on a foot that is known, in hindsight, to carry nothing.
        settle_s: rows are not believed for so long after tracking or a body began.
        mean_over_s, residual_limit, residual_moment_limit_m: limits of the mean residual, in body weights (and m).
        support_suspected: residual in body weights beyond which the feet need not carry all the weight ...
        supported_vertical_weight: ... and the weight of the vertical residual then.
        reserve_limit_Nm: limit of the mean moment that the muscles cannot give.
    """

    total_delay_s: float = 0.05
    belt_speed_m_s: float | None = None
    external_support: str = "none"
    muscles: bool = True
    history: HistoryConfig = field(default_factory=HistoryConfig)
    contact: ContactConfig = field(default_factory=ContactConfig)
    sole: SoleConfig = field(default_factory=SoleConfig)
    muscle: MuscleConfig = field(default_factory=MuscleConfig)
    weight_offset: WeightOffsetConfig = field(default_factory=WeightOffsetConfig)
    model_error: ModelError = field(default_factory=ModelError)
    share_weight: float = 0.7
    place_weight: float = 3.0
    still_share_weight: float = 0.1
    still_place_weight: float = 0.5
    unloaded_weight: float = 20.0
    settle_s: float = 0.15
    mean_over_s: float = 0.2
    residual_limit: float = 0.15
    residual_moment_limit_m: float = 0.12
    support_suspected: float = 0.3
    supported_vertical_weight: float = 0.1
    reserve_limit_Nm: float = 30.0

    def for_wrench_error(self, ratio: float) -> KineticsConfig:
        """For a demanded wrench whose error is ``ratio`` times the usual one: its moment, in which masses that were not seen show
        most, counts that much less, the expected sharing of the load counts by its variance, and what cannot be explained
        must be as much larger before another support is suspected."""
        arm_m = self.contact.moment_arm_m * ratio
        return replace(
            self,
            contact=replace(self.contact, moment_arm_m=arm_m),
            support_suspected=self.support_suspected * ratio,
            share_weight=self.share_weight * ratio**2,
            still_share_weight=self.still_share_weight * ratio**2,
        )
