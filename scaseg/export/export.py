"""Export of a trained model: ``tools/export.py`` calls this."""

import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from safetensors.torch import save
from torch import Tensor

from scaseg.apis.model_source import resolve_model
from scaseg.apis.predict import Predictor, load_model
from scaseg.benchmarking.timing import repository_state
from scaseg.errors import UserError, folder_problem

from .model_folder import save_model_folder
from .network import ExportableNetwork, example_images
from .onnx_file import run_onnx, write_onnx
from .proof import MOST_FLIPS, Proof, prove

FORMATS = ('onnx', 'pt2', 'safetensors', 'folder')
FALLBACK_SIZE = (512, 512)  # where the config names no crop
OTHER_SIZES = ((97, 131), (160, 96))  # a network of any size is compared at these, too


def export_model(
    model: str | Path,
    checkpoint: str | Path | None,
    to: str,
    out: str | Path,
    size: tuple[int, int] | None = None,
    dynamic: bool = False,
    with_preprocessing: bool = False,
    most_flips: float = MOST_FLIPS,
) -> Proof | None:
    """Write a trained model in another form, if that is proved to be the same network.

    Args:
        model: MODEL, see ``resolve_model``.
        checkpoint: beside a config.
        to: one of ``FORMATS``. ``'onnx'`` and ``'pt2'`` (``torch.export``) are networks, ``'safetensors'`` weights,
            ``'folder'`` a model folder.
        out: file or folder to write; it must not exist.
        size: (H, W) of the images that the network is for; ``None`` is the crop that it was trained on.
        dynamic: any batch and size. Not every network can: the error names the first dimension that is fixed.
        with_preprocessing: uint8 images in, labels out.
        most_flips: largest share of labels that may differ.

    Returns:
        How far the exported network is from its original; ``None`` for weights, which are the same.

    Raises:
        UserError: ``out`` exists or cannot be written, the model is not as it must be, the network cannot be exported
            in this way, or more labels flip than allowed; nothing is written then.
    """
    out = Path(out)
    if out.exists():
        raise UserError(f'--out {out} exists already; delete it, or give another name')
    if problem := folder_problem(out.parent):
        raise UserError(f'--out {out}: {problem}')
    predictor = load_model(model, checkpoint, device='cpu')
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out.parent, prefix='.export-') as scratch:
        incoming = Path(scratch, out.name)
        proof = None
        if to == 'folder':
            incoming.mkdir()
            cfg, origin = resolve_model(model, checkpoint)
            save_model_folder(predictor, cfg, origin, incoming)
        elif to == 'safetensors':
            tensors = {name: tensor.contiguous() for name, tensor in predictor.segmentor.state_dict().items()}
            incoming.write_bytes(save(tensors, metadata={'format': 'pt'}))
        else:
            proof = _export_network(predictor, to, incoming, size or _crop(predictor), dynamic, with_preprocessing)
            if proof.flips > most_flips:
                raise UserError(
                    f'the exported network is another one: {proof}; nothing was written (--most-flips allows more)'
                )
        shutil.move(incoming, out)
    return proof


def _crop(predictor: Predictor) -> tuple[int, int]:
    """(H, W) of the crops of the training, as the data preprocessor has it."""
    size = predictor.segmentor.data_preprocessor.size or FALLBACK_SIZE
    return size[0], size[1]


def _export_network(
    predictor: Predictor,
    to: str,
    path: Path,
    size: tuple[int, int],
    dynamic: bool,
    with_preprocessing: bool,
) -> Proof:
    network = ExportableNetwork(predictor.segmentor, with_preprocessing).eval()
    example = example_images(network, size, batch=2 if dynamic else 1)
    batches = [example, example_images(network, size, seed=1, batch=len(example))]
    batches += [example_images(network, other) for other in OTHER_SIZES] if dynamic else []
    exported: Callable[[Tensor], Tensor]
    if to == 'onnx':
        metadata = {
            'classes': predictor.classes,
            'palette': predictor.palette,
            'with_preprocessing': with_preprocessing,
            'mean': predictor.segmentor.data_preprocessor.mean.flatten().tolist(),
            'std': predictor.segmentor.data_preprocessor.std.flatten().tolist(),
            'takes': 'RGB' if with_preprocessing or not network.takes_bgr else 'BGR',
            'commit': repository_state()['commit'],
        }
        write_onnx(network, example, dynamic, path, metadata)

        def exported(batch: Tensor) -> Tensor:
            return run_onnx(path, batch)
    else:
        exported = _write_pt2(network, example, dynamic, path)
    try:
        return prove(network, exported, batches)
    except (AssertionError, RuntimeError) as error:  # a guard of torch.export, or an operator of ONNX Runtime
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(f'the exported network does not take every size ({reason}); leave out --dynamic') from error


def _write_pt2(network: ExportableNetwork, example: Tensor, dynamic: bool, path: Path) -> Callable[[Tensor], Tensor]:
    """A file of ``torch.export``, read back."""
    auto = torch.export.Dim.AUTO
    shapes = ({0: auto, 2: auto, 3: auto},) if dynamic else None
    try:
        with torch.no_grad():
            program = torch.export.export(network, (example,), dynamic_shapes=shapes)
            torch.export.save(program, path)
    except Exception as error:  # whatever stopped the tracer
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        way = (
            'for any size; without --dynamic it is exported for one' if dynamic else f'at {tuple(example.shape[-2:])}'
        )
        raise UserError(f'this network cannot be exported by torch.export {way} ({reason})') from error
    return torch.export.load(path).module()
