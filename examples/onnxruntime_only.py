"""Label an image by an exported network, without scaseg: python examples/onnxruntime_only.py net.onnx in.jpg out.png

The network comes from `python tools/export.py MODEL --to onnx --with-preprocessing --out net.onnx`.
"""

import argparse
import json

import numpy as np
import onnxruntime
from PIL import Image, ImageOps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('network')
    parser.add_argument('image')
    parser.add_argument('out', help='label PNG with the colours of the classes')
    args = parser.parse_args()
    session = onnxruntime.InferenceSession(args.network, providers=['CPUExecutionProvider'])
    about = {key: json.loads(value) for key, value in session.get_modelmeta().custom_metadata_map.items()}
    if not about.get('with_preprocessing'):
        parser.error(f'{args.network} takes normalised images: export it with --with-preprocessing')
    image = ImageOps.exif_transpose(Image.open(args.image)).convert('RGB')
    batch = np.asarray(image).transpose(2, 0, 1)[None]  # (1, 3, H, W), uint8
    (labels,) = session.run(None, {session.get_inputs()[0].name: batch})
    picture = Image.fromarray(labels[0].astype(np.uint8), mode='P')
    picture.putpalette([value for colour in about['palette'] for value in colour])
    picture.save(args.out)
    for index, share in enumerate(np.bincount(labels.ravel(), minlength=len(about['classes'])) / labels.size):
        if share:
            print(f'{about["classes"][index]}: {100 * share:.1f} %')


if __name__ == '__main__':
    main()
