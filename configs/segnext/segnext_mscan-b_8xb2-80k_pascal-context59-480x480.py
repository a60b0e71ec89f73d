# SegNeXt (arXiv 2209.08575) with MSCAN-B on Pascal Context (59 classes); recipe after the paper, see docs/segnext.md.
# 27.59 M parameters, 30.30 GMACs at 480x480. Not run here.
# bash tools/dist_train.sh configs/segnext/segnext_mscan-b_8xb2-80k_pascal-context59-480x480.py 8
_base_ = [
    '../_base_/models/segnext_mscan-b.py',
    '../_base_/datasets/pascal_context59_480x480.py',
    '../_base_/schedules/segnext_80k.py',
    '../_base_/default_runtime.py',
]

model = dict(
    data_preprocessor=dict(size={{_base_.crop_size}}),
    decode_head=dict(num_classes={{_base_.num_classes}}),
)
