"""Execute a notebook through an emulator of its own, save it as HTML, and print what it showed.

Usage: python notebooks/demo.py NOTEBOOK FOLDER
"""

import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter

HERE = Path(__file__).parent
SHOWN = ("%azml runs", "%azml score")


def main(notebook: str, folder: str) -> int:
    """Run the notebook, write it, and print the frames of the cells that tell the story."""
    begun = time.monotonic()
    target = Path(folder).resolve()
    target.mkdir(parents=True, exist_ok=True)
    book = nbformat.read(HERE / notebook, as_version=4)
    client = NotebookClient(
        book,
        timeout=300,
        store_widget_state=False,
        resources={"metadata": {"path": str(HERE)}},
        extra_arguments=["--IPKernelApp.log_level=ERROR"],  # its warning about local ports is not the demo's news
    )
    failed = ""
    try:
        client.execute()
    except CellExecutionError as error:
        failed = str(error)
    finally:
        stop_emulator()
    page = target / Path(notebook).with_suffix(".html").name
    page.write_text(HTMLExporter().from_notebook_node(book)[0], encoding="utf-8")
    for cell in book.cells:
        if cell.cell_type == "code" and cell.source.startswith(SHOWN):
            print(f"\n{cell.source}\n{text_of(cell)}")
    print(f"\nthe notebook as it ran, in {time.monotonic() - begun:.0f} s: {page}")
    if failed:
        print(failed, file=sys.stderr)
    return 1 if failed else 0


def text_of(cell: nbformat.NotebookNode) -> str:
    """The text of a cell's outputs."""
    texts = [o.get("text") or o.get("data", {}).get("text/plain", "") for o in cell.outputs]
    return "\n".join(text for text in texts if text)


def stop_emulator() -> None:
    """End the emulator that the notebook has started, so that no process stays behind."""
    from azml_magics import azml

    azml("emulator stop")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
