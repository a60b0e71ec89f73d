"""ONNX files by torch's exporter, and running them in ONNX Runtime."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from scaseg.errors import UserError

from .network import ExportableNetwork

OPSET = 20
INPUT, OUTPUT = 'images', 'result'


def write_onnx(
    network: ExportableNetwork, images: Tensor, dynamic: bool, path: Path, metadata: Mapping[str, Any]
) -> None:
    """Write a network as ONNX.

    Args:
        network: in evaluation mode.
        images: an example of the input, whose size the file keeps unless ``dynamic``.
        dynamic: take any batch, height and width.
        path: file to write.
        metadata: kept in the file, values as JSON.

    Raises:
        UserError: the packages of the extra ``export`` are missing, or the network cannot be exported in this way.
    """
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UserError(f"ONNX files need {error.name}: pip install 'scaseg[export]'") from error
    shapes = {'images': {0: 'batch', 2: 'height', 3: 'width'}} if dynamic else None
    try:
        program = torch.onnx.export(
            network,
            (images,),
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=shapes,
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    except Exception as error:  # the exporter wraps whatever stopped it
        reason = str(_first_cause(error)).strip().splitlines()[0]
        way = 'for any size; without --dynamic it is exported for one' if dynamic else f'at {tuple(images.shape[-2:])}'
        raise UserError(f'this network cannot be exported to ONNX {way} ({reason})') from error
    assert program is not None  # without a file name the exporter returns the program
    model = program.model_proto
    for key, value in metadata.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, json.dumps(value)
    path.write_bytes(model.SerializeToString())


def _first_cause(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def run_onnx(path: Path, images: Tensor) -> Tensor:
    """The result of an ONNX file for a batch of images, on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
    return torch.from_numpy(session.run(None, {INPUT: images.numpy()})[0])
