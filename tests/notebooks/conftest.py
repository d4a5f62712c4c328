"""What several test files of the notebooks share."""

import build
import pytest

HEADER = "# ---\n# jupyter:\n#   jupytext:\n#     text_representation:\n#       format_name: percent\n# ---\n\n"


@pytest.fixture
def parsed(tmp_path):
    """A function that writes a source of the given code cells, and reads it as a notebook."""

    def parsed(*cells: str, name: str = "09_made_up"):
        path = tmp_path / f"{name}.py"
        path.write_text(HEADER + "\n\n".join(f"# %%\n{cell}" for cell in cells) + "\n", encoding="utf-8")
        return build.parse(path)

    return parsed
