# SegNeXt (arXiv 2209.08575) with MSCAN-L on Cityscapes; official recipe, see docs/segnext.md.
# 48.79 M parameters, 552.65 GMACs at 1024x2048. Not run here.
# bash tools/dist_train.sh configs/segnext/segnext_mscan-l_8xb1-160k_cityscapes-1024x1024.py 8
_base_ = [
    '../_base_/models/segnext_mscan-l.py',
    '../_base_/datasets/cityscapes_1024x1024.py',
    '../_base_/schedules/segnext_160k.py',
    '../_base_/default_runtime.py',
]

model = dict(
    data_preprocessor=dict(size={{_base_.crop_size}}),
    decode_head=dict(num_classes={{_base_.num_classes}}),
    test_cfg=dict(mode='slide', crop_size=(1024, 1024), stride=(768, 768)),
)
