"""Write the measured speed-up of a setting from its times with and without the draft."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import typer

from specgap.config import load
from specgap.errors import one_sentence
from specgap.prompts import read_prompts
from specgap.tables.write_settings import write_measured_speed_up
from specgap.trace.shards import METADATA_KEY


def main(
    config: Path, prompts: Path, plain: Path, assisted: Path, decoding: str, setting: str, folder: Path
) -> None:
    study = load(config)
    tables = [pq.read_table(file) for file in (plain, assisted)]
    devices = [json.loads(table.schema.metadata[METADATA_KEY])["device_name"] for table in tables]
    write_measured_speed_up(
        folder,
        plain=tables[0].to_pandas(),
        assisted={setting: (tables[1].to_pandas(), devices[1])},
        plain_device=devices[0],
        prompts=read_prompts(prompts),
        mode=study.decodings[decoding].mode,
    )


if __name__ == "__main__":
    with one_sentence():
        typer.run(main)
