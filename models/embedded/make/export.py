"""Writes what the engine loads, and the held-out list, into the model folder; and the catalog entry beside the folder.

Usage: export.py WORK MODEL_FOLDER
"""

import hashlib
import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper

import model
from model import Network, Recognizer

# The highest that Debian's torch 1.13 writes.
OPSET = 16
# Smaller tensors (biases) stay as they are: they weigh nothing.
HALF_FROM_ELEMENTS = 1000
LOADED_FILES = ["model.onnx", "config.json", "lexicon.txt", "language-model.arpa"]


def load_recognizer(work):
    """The averaged weights of the last checkpoint."""
    network = Network()
    network.load_state_dict(torch.load(work / "checkpoint.pt", map_location="cpu")["averaged"])
    return Recognizer(network).eval()


def halve(onnx_model):
    """Keeps large weights in half precision, with a Cast each that a runtime folds away when it loads the file."""
    graph, casts = onnx_model.graph, []
    for node in [node for node in graph.node if node.op_type == "Constant"]:
        values = numpy_helper.to_array(node.attribute[0].t)
        if values.size >= HALF_FROM_ELEMENTS:
            graph.node.remove(node)
            graph.initializer.append(numpy_helper.from_array(values, node.output[0]))
    for initializer in list(graph.initializer):
        values, name = numpy_helper.to_array(initializer), initializer.name
        if values.dtype != np.float32 or values.size < HALF_FROM_ELEMENTS:
            continue
        graph.initializer.remove(initializer)
        graph.initializer.append(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        casts.append(onnx.helper.make_node("Cast", [f"{name}.half"], [name], to=onnx.TensorProto.FLOAT))
    nodes = casts + list(graph.node)
    del graph.node[:]
    graph.node.extend(nodes)


def export(work, folder):
    recognizer = load_recognizer(work)
    path = folder / "model.onnx"
    axes = {"audio": {0: "batch", 1: "samples"}, "log_probs": {0: "batch", 1: "frames"}}
    torch.onnx.export(
        recognizer, (torch.zeros(1, 32_000),), str(path), opset_version=OPSET,
        input_names=["audio"], output_names=["log_probs"], dynamic_axes=axes,
    )  # fmt: skip
    onnx_model = onnx.load(str(path))
    halve(onnx_model)
    onnx.checker.check_model(onnx_model)
    onnx.save(onnx_model, str(path))

    config = {
        "sample_rate": model.SAMPLE_RATE,
        "frame_seconds": model.FRAME_SECONDS,
        "tokens": model.TOKENS,
        "blank_index": 0,
        "word_delimiter": " ",
        "language": "en",
        "first_frame_center_seconds": model.FIRST_FRAME_CENTER_SECONDS,
        "context_seconds": model.CONTEXT_SECONDS,
        "decoder": json.loads((work / "decoder.json").read_text()),
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    for name, target in (("lexicon.txt",) * 2, ("language-model.arpa",) * 2, ("held-out.tsv", "held-out.txt")):
        shutil.copyfile(work / name, folder / target)
    write_catalog_entry(folder)


def write_catalog_entry(folder):
    """Brings size and digest of each file in `embedded-en.yaml` up to date; the rest of the entry is kept."""
    path = folder.resolve().parent / "embedded-en.yaml"
    entry = path.read_text()
    for name in LOADED_FILES:
        data = (folder / name).read_bytes()
        fields = f"path: {name}\n    sha256: {hashlib.sha256(data).hexdigest()}\n    size_bytes: {len(data)}\n"
        entry, count = re.subn(rf"path: {re.escape(name)}\n    sha256: .*\n    size_bytes: .*\n", fields, entry)
        if count != 1:
            raise SystemExit(
                f"{path} should list {name} once, with sha256 and size_bytes on the lines below; it does {count} times"
            )
    path.write_text(entry)


if __name__ == "__main__":
    export(Path(sys.argv[1]), Path(sys.argv[2]))
