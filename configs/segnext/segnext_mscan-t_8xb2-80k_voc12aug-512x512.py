# SegNeXt (arXiv 2209.08575) with MSCAN-T on Pascal VOC 2012 (aug); recipe after the paper, see docs/segnext.md.
# 4.23 M parameters, 6.27 GMACs at 512x512. Not run here.
# bash tools/dist_train.sh configs/segnext/segnext_mscan-t_8xb2-80k_voc12aug-512x512.py 8
_base_ = [
    '../_base_/models/segnext_mscan-t.py',
    '../_base_/datasets/voc2012_aug_512x512.py',
    '../_base_/schedules/segnext_80k.py',
    '../_base_/default_runtime.py',
]

model = dict(
    data_preprocessor=dict(size={{_base_.crop_size}}),
    decode_head=dict(num_classes={{_base_.num_classes}}),
)
