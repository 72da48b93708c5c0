"""Models: the embedded pair is trained here, hub models are fetched, folders are taken as they are. And prefetch."""


localrules:
    fetch_model,
    environment,
    prefetch,


# Of a branch, the commit it was then is read from now on; --forcerun fetch_model asks the hub again.
rule fetch_model:
    output:
        "<resources>/models/hub/{model}.json",
    log:
        "<logs>/fetch_model/{model}.log",
    wildcard_constraints:
        model=one_of(hub.hub_models(STUDY)),
    conda:
        "../../envs/trace.yaml"
    params:
        config=CONFIG_FILE,
        model=lambda wildcards: hub.hub_models(STUDY)[wildcards.model].model_dump_json(
            include={"source", "revision", "trust_remote_code", "allow_pickle"}
        ),
    message:
        "Fetching a hub model, {wildcards.model}"
    shell:
        "specgap fetch_model.py {params.config:q} {wildcards.model:q} {output:q}" " 2> >(tee {log:q} >&2)"


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


# --use-conda makes the environments of jobs that run: each has one, and runs again where another prefix is named.
rule environment:
    output:
        "<resources>/environments/{environment}.txt",
    log:
        "<logs>/environment/{environment}.log",
    wildcard_constraints:
        environment="trace|build",
    conda:
        "../../envs/{environment}.yaml"
    message:
        "Trying the environment of {wildcards.environment}"
    shell:
        "(command -v python || true) > {output:q} 2> {log:q}"


# What needs a network, fetched where there is one. It makes no file and so runs whenever it is asked for.
# A study of counts traces and builds nothing.
rule prefetch:
    input:
        expand(
            "<resources>/environments/{environment}.txt",
            environment=[] if STUDY.collector == "counts" else ["trace", "build"],
        ),
        [] if STUDY.collector == "counts" else "<build>/rust_agg",
        [
            str(hub.record_file(Path(STUDY.resources_folder), model))
            for model in hub.hub_models(STUDY).values()
        ],
        [str(file) for file in prompt_sets.source_files(STUDY)] if prompt_sets.needs_fetch(STUDY) else [],
    log:
        "<logs>/prefetch.log",
    conda:
        "../../envs/analysis.yaml"
    message:
        "All that needs a network is here"
    shell:
        "(command -v python || true) > {log:q} 2>&1"
