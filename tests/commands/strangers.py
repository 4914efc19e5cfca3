"""Runs that a stranger might send: each would do something if its configuration were believed, and leave a canary."""

from __future__ import annotations

import copy
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import yaml

from dlgd.core.paths import ROOT

HONEST = ROOT / "tests" / "frozen" / "runs" / "digits_cnn"
BEST = Path("checkpoints") / "best_loss.pt"
Node = dict[str, Any]


class Canary:
    """Unpickled, it leaves a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def prepare(folder: Path) -> Path:
    """Files that calls may read or run, and the canary's path, at which nothing is yet."""
    canary = folder / "canary"
    (folder / "pickle").write_bytes(pickle.dumps(Canary(canary)))
    (folder / "script.py").write_text(f"open({str(canary)!r}, 'w').close()\n")
    (folder / "planted.py").write_text(f"open({str(canary)!r}, 'w').close()\nclass Net: pass\n")
    return canary


def calls(folder: Path) -> dict[str, Node]:
    """What to call, by a name."""
    canary, planted = str(folder / "canary"), str(folder / "pickle")
    process = {"_target_": "dlgd.cli.multirun.run_process", "arguments": ["touch", canary], "output": None}
    lines = f"open({canary!r}, 'w')"
    return {
        "process of ours": process,
        "process by an old name": process | {"_target_": "dlgd.multirun.run_process"},
        "file of ours": {"_target_": "dlgd.core.files.write_text", "path": canary, "text": "x"},
        "construct": {"_target_": "dlgd.core.construct.construct", "config": process, "group": "x"},
        "build": {"_target_": "dlgd.build._build", "config": process, "group": "x"},
        "callback of ours": {"_target_": "dlgd.cli.multirun.Multirun"},
        "torch out of a module of ours": {"_target_": "dlgd.models.resnet.torch.load", "f": planted},
        "os out of a module of ours": {"_target_": "dlgd.core.files.os.mkdir", "path": canary},
        "method of a network": {"_target_": "dlgd.models.cnn.CNN.load_state_dict"},
        "sympy": {"_target_": "sympy.sympify", "a": lines},
        "torch.load": {"_target_": "torch.load", "f": planted, "weights_only": False},
        "torch.hub": {"_target_": "torch.hub.load", "repo_or_dir": str(folder), "model": "x", "source": "local"},
        "torch.utils": {"_target_": "torch.utils.cpp_extension.load_inline", "name": "x", "cpp_sources": "int x;"},
        "torch.save": {"_target_": "torch.save", "obj": 1, "f": canary},
        "function of torch.nn": {"_target_": "torch.nn.init.constant_", "tensor": 1, "val": 1},
        "module of torch.nn": {"_target_": "torch.nn.modules.module.torch.load", "f": planted},
        "out of torch.optim": {"_target_": "torch.optim.lr_scheduler.warnings.warn", "message": "x"},
        "numpy.load": {"_target_": "numpy.load", "file": planted, "allow_pickle": True},
        "numpy.memmap": {"_target_": "numpy.memmap", "filename": canary, "mode": "w+", "shape": [1]},
        "joblib": {"_target_": "joblib.load", "filename": planted},
        "pandas": {"_target_": "pandas.read_pickle", "filepath_or_buffer": planted},
        "shutil": {"_target_": "shutil.copy", "src": planted, "dst": canary},
        "pathlib": {"_target_": "pathlib.Path.touch", "self": {"_target_": "pathlib.Path", "_args_": [canary]}},
        "open": {"_target_": "builtins.open", "file": canary, "mode": "w"},
        "eval": {"_target_": "builtins.eval", "source": lines},
        "exec": {"_target_": "builtins.exec", "source": lines},
        "os.system": {"_target_": "os.system", "command": f"touch {canary}"},
        "os.mkdir": {"_target_": "os.mkdir", "path": canary},
        "subprocess": {"_target_": "subprocess.run", "args": ["touch", canary]},
        "Popen": {"_target_": "subprocess.Popen", "args": ["touch", canary]},
        "import": {"_target_": "importlib.import_module", "name": "planted"},
        "runpy": {"_target_": "runpy.run_path", "path_name": str(folder / "script.py")},
        "log file": {"_target_": "logging.FileHandler", "filename": canary},
        "database": {"_target_": "sqlite3.connect", "database": canary},
        "archive": {"_target_": "zipfile.ZipFile", "file": canary, "mode": "w"},
        "library of C": {"_target_": "ctypes.CDLL", "name": planted},
        "hydra": {"_target_": "hydra.utils.instantiate", "config": process},
        "hydra.call": {"_target_": "hydra.utils.get_object", "path": "planted.Net"},
        "partial": {"_target_": "functools.partial", "func": process},
        "later": process | {"_partial_": True},
        "mlflow": {"_target_": "mlflow.pyfunc.load_model", "model_uri": str(folder)},
        "module beside the command": {"_target_": "planted.Net"},
        "lines for a terminal": {"_target_": "os.system\x1b[2K\rdlgd: all is well"},
        "no text": {"_target_": ["os", "system"], "command": f"touch {canary}"},
        "all of Hydra's keys": {"_target_": "torch.nn.ReLU", "_args_": [], "_recursive_": False, "_convert_": "all"},
        "environment": {"note": "${oc.env:SECRET}"},
        "decoded": {"note": "${oc.decode:${oc.env:SECRET}}"},
        "in a key": {"${oc.env:SECRET}": 1},
        "half a reference": {"note": "$\\{oc.env:SECRET} ${"},
    }


def in_a_list(config: Node, call: Node) -> None:
    config["model"]["activation"] = [1, [{"deep": [call]}]]


def in_published(config: Node, call: Node) -> None:
    config["evaluation"]["scores"]["published"] = [{"name": "theirs", "extra": call}]


def as_method(config: Node, call: Node) -> None:
    config["evaluation"]["methods"]["theirs"] = call


def as_first_guess(config: Node, call: Node) -> None:
    config["data"]["first_guess"] = {"method": call}


def as_scores(config: Node, call: Node) -> None:
    config["evaluation"]["scores"] = call


def within(group: str, option: str) -> Callable[[Node, Node], None]:
    """In place of an option's value, which is built before its kind is looked at."""

    def place(config: Node, call: Node) -> None:
        config[group][option] = call

    return place


def instead_of(group: str) -> Callable[[Node, Node], None]:
    def place(config: Node, call: Node) -> None:
        config[group] = call

    return place


PLACES = {
    "in model": within("model", "activation"),
    "in data": within("data", "noise"),
    "in training": within("training", "steps"),
    "in augmentation": within("augmentation", "noise"),
    "in choices": within("choices", "model"),
    "in an option that there is not": within("loss", "extra"),
    **{f"as {group}": instead_of(group) for group in ("model", "data", "loss", "augmentation", "optimizer")},
    **{f"as {group}": instead_of(group) for group in ("scheduler", "tracking", "training", "hydra", "unused")},
    "in a list": in_a_list,
    "in published rows": in_published,
    "as a method": as_method,
    "as a first guess": as_first_guess,
    "as scores": as_scores,
}


def configuration() -> Node:
    """That of an honest run."""
    return yaml.safe_load((HONEST / "config.yaml").read_text())


def run_folder(folder: Path, config: Node) -> Path:
    """A run folder with this configuration, and honest checkpoints."""
    shutil.copytree(HONEST / "checkpoints", folder / "checkpoints")
    shutil.copy(folder / BEST, folder / "checkpoints" / "last.pt")
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder


def checkpoint_file(file: Path, config: Node) -> Path:
    """A checkpoint with this configuration."""
    content = torch.load(HONEST / BEST, weights_only=True)
    statistics = {key: value for key, value in json.loads(content["config"]).items() if key == "statistics"}
    torch.save(content | {"config": json.dumps(config | statistics)}, file)
    return file


def with_call(call: Node, place: str) -> Node:
    """An honest configuration with this call at one of PLACES."""
    config = copy.deepcopy(configuration())
    PLACES[place](config, call)
    return config
