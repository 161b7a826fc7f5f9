"""Component tests: the client's layers, as C programs, against whole servers."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
