"""Models: the embedded pair is trained here; hub models and folders are taken as they are."""

DEMO_FILES = ["config.json", "model.safetensors", "tokenizer.json"]


def model_files(wildcards):
    """Return the files of a pair that are on this disk or come from a rule; a hub model has none."""
    pair = STUDY.pairs[wildcards.pair]
    files = []
    for model in (pair.target, pair.draft):
        if STUDY.trains(model):
            files += [str(Path(model.source) / name) for name in DEMO_FILES]
        elif folder := folder_of(model):
            files += sorted(
                str(file)
                for file in folder.iterdir()
                if file.suffix in (".json", ".safetensors")
            )
    return files


rule train_demo_pair:
    input:
        # A demonstration stays the same when its prompts are edited; only its absence trains it.
        ancient("config/prompts/identities.tsv"),
    output:
        [
            f"<resources>/models/demo/{model}/{name}"
            for model in ("target", "draft")
            for name in DEMO_FILES
        ],
    log:
        "<logs>/train_demo_pair.log",
    conda:
        "../../envs/trace.yaml"
    threads: 1
    message:
        "Training the demonstration pair"
    shell:
        "python scripts/train_demo_pair.py {input:q} $(dirname {output[0]:q}) $(dirname {output[3]:q})"
        " 2> >(tee {log:q} >&2)"
