# SegNeXt (arXiv 2209.08575) with MSCAN-B on Pascal VOC 2012 (aug); recipe after the paper, see docs/segnext.md.
# 27.57 M parameters, 34.39 GMACs at 512x512. Not run here.
# bash tools/dist_train.sh configs/segnext/segnext_mscan-b_8xb2-80k_voc12aug-512x512.py 8
_base_ = [
    '../_base_/models/segnext_mscan-b.py',
    '../_base_/datasets/voc2012_aug_512x512.py',
    '../_base_/schedules/segnext_80k.py',
    '../_base_/default_runtime.py',
]

model = dict(
    data_preprocessor=dict(size={{_base_.crop_size}}),
    decode_head=dict(num_classes={{_base_.num_classes}}),
)
