"""Carry γ through random orders of the groups, and write what each group is served like."""

from pathlib import Path

import numpy as np
import typer

from specgap.config import load
from specgap.errors import one_sentence
from specgap.layout import Cell
from specgap.prompts import read_prompts
from specgap.replay import replay_orders
from specgap.tables.names import order_setting
from specgap.tables.orders import group_orders
from specgap.tables.write_settings import write_order_effect


def main(config: Path, prompts: Path, pair: str, decoding: str, folder: Path, threads: int = 1) -> None:
    study, known = load(config), read_prompts(prompts)
    setting = order_setting(study, decoding)
    assert setting is not None
    orders = group_orders(known, np.random.default_rng(study.seed))
    cell, results = Cell(pair, decoding, setting.name), Path(study.results)
    fixed, by_order = replay_orders(study, cell, orders, known, results=results, threads=threads)
    write_order_effect(
        folder,
        by_order=list(zip(orders, by_order, strict=True)),
        fixed=fixed,
        setting=setting.name,
        prompts=known,
        mode=study.decodings[decoding].mode,
    )


if __name__ == "__main__":
    with one_sentence():
        typer.run(main)
