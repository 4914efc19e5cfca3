"""What data ask of a network, and the refusal of a network that cannot answer."""

from __future__ import annotations

from collections.abc import Sequence

from dlgd.core.contract import Spec
from dlgd.core.errors import Refusal
from dlgd.core.specs import MapSpec, SequenceSpec

# For each kind of data (of sequences there are two, and of fields): what a network that fits it does, what the data do,
# and a choice that fits them.
KINDS = {
    "field": ("predicts fields", "gives fields", "model=resnet"),
    "volume": ("predicts volumes", "gives volumes, fields with levels", "model=finite_volume"),
    "interpolation": ("interpolates maps", "asks for the interpolation of maps", "model=unet"),
    "label": ("predicts labels", "gives labels", "model=cnn"),
    "forecast": ("makes forecasts", "asks for forecasts", "model=neural_ode"),
    "assimilation": ("assimilates observations", "asks for the assimilation of observations", "model=dilated_resnet"),
    "generated": ("makes new samples", "asks for new samples", "model=gan"),
}


def kind_of(spec: Spec) -> str:
    """Return one of KINDS. Sequences ask for a forecast where leading steps are given, else for assimilation; maps of
    days ask for interpolation; fields of three dimensions are volumes."""
    if isinstance(spec, SequenceSpec):
        return "forecast" if spec.context_steps > 0 else "assimilation"
    if isinstance(spec, MapSpec):
        return "interpolation"
    return "volume" if spec.kind == "field" and len(spec.grid) == 3 else spec.kind


def check_kind(name: str, spec: Spec, kinds: Sequence[str]) -> None:
    """Refuse data that are of none of the KINDS that the network model=<name> is for."""
    kind = kind_of(spec)
    if kind not in kinds:
        does = " or ".join(KINDS[known][0] for known in kinds)
        _, gives, hint = KINDS[kind]
        raise Refusal(f"model={name} {does} but data={spec.name} {gives}: try {hint}")


def check_whole(name: str, spec: Spec) -> None:
    """Refuse pieces of samples, where a network is made for one size of samples."""
    if not spec.whole:
        raise Refusal(f"model={name} needs whole samples but data={spec.name} trains on patches: try model=resnet")
