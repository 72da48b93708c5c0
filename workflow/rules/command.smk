"""How the commands of rules find specgap; more of `common.smk`."""

import shlex

from snakemake.settings.types import DeploymentMethod


def _shell_prefix():
    """Give every command a function `specgap`: a script, with specgap and the built extension, in any environment.

    A rule's command stays the same wherever the project lies, and a workflow that uses this one keeps its prefix.
    Only what fetches may ask the hub, if the user lets it: a compute node has no network, and a job must not find
    another revision than the recorded one.
    """
    paths = [f"{BUILD}/rust_agg", str(HOME / "src"), os.environ.get("PYTHONPATH")]
    variables = f"HF_HUB_OFFLINE=$offline PYTHONPATH={shlex.quote(':'.join(filter(None, paths)))}"
    if DeploymentMethod.CONDA not in workflow.deployment_settings.deployment_method:
        # Without an environment of its own, a rule's `python` is the one that runs Snakemake.
        variables += f" PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH"
    command = f'{variables} "$with" {shlex.quote(str(HOME / "scripts"))}/"$@"'
    function = (
        "specgap() { local with=python offline=1; [[ $1 == *.sh ]] && with=bash; "
        f"[[ $1 == fetch_* ]] && offline=${{HF_HUB_OFFLINE:-}}; {command}; }}; "
    )
    return (shell._process_prefix or "set -euo pipefail; ") + function.replace("{", "{{").replace("}", "}}")


shell.prefix(_shell_prefix())
