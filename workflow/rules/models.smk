"""Models: the embedded pair is trained here; hub models and folders are taken as they are."""


rule train_demo_pair:
    input:
        # A demonstration stays the same when its prompts are edited; only its absence trains it.
        ancient(sources("config/prompts/identities.tsv")),
    output:
        target=[f"<resources>/models/demo/target/{name}" for name in DEMO_FILES],
        draft=[f"<resources>/models/demo/draft/{name}" for name in DEMO_FILES],
    log:
        "<logs>/train_demo_pair.log",
    conda:
        "../../envs/trace.yaml"
    threads: 1
    params:
        folders=lambda wildcards, output: sorted({str(Path(file).parent) for file in output}, reverse=True),
    message:
        "Training the demonstration pair"
    shell:
        "specgap train_demo_pair.py {input:q} {params.folders:q}" " 2> >(tee {log:q} >&2)"
