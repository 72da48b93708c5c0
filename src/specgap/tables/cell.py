"""What was counted in one cell where its tokens were recorded, whatever counted them."""

from dataclasses import dataclass

import pandas as pd

from specgap.tables.calibration import CalibrationBin
from specgap.tables.counts import PromptCounts
from specgap.tables.positions import Positions


@dataclass(frozen=True, kw_only=True)
class CellCounts(PromptCounts):
    """Everything that was counted in one cell (pair, decoding, setting)."""

    #: By prompt id.
    positions: dict[int, Positions]
    histograms: pd.DataFrame
    joint_histogram: pd.DataFrame
    calibration: list[CalibrationBin]
    #: Histograms of each unit by verdict.
    unit_histograms: pd.DataFrame
