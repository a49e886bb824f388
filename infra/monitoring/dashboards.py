"""Grafana's dashboards as code: `python -m infra.monitoring.dashboards` writes grafana/dashboards/*.json."""

import json
from pathlib import Path
from typing import Final

from infra.monitoring import models_board, pipeline_board, serving_board

FOLDER: Final = Path(__file__).parent / "grafana" / "dashboards"
DASHBOARDS: Final = {
    "pipeline": pipeline_board.BOARD,
    "models": models_board.BOARD,
    "serving": serving_board.BOARD,
}


def texts() -> dict[str, str]:
    """Return the text of each file in `grafana/dashboards`."""
    return {f"{name}.json": json.dumps(board.document(), indent=1) + "\n" for name, board in DASHBOARDS.items()}


if __name__ == "__main__":
    for name, text in texts().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
