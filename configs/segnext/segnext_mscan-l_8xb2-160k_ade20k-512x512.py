# SegNeXt (arXiv 2209.08575) with MSCAN-L on ADE20K; official recipe, see docs/segnext.md.
# 48.93 M parameters, 69.69 GMACs at 512x512. Not run here.
# bash tools/dist_train.sh configs/segnext/segnext_mscan-l_8xb2-160k_ade20k-512x512.py 8
_base_ = [
    '../_base_/models/segnext_mscan-l.py',
    '../_base_/datasets/ade20k_512x512.py',
    '../_base_/schedules/segnext_160k.py',
    '../_base_/default_runtime.py',
]

model = dict(
    data_preprocessor=dict(size={{_base_.crop_size}}),
    decode_head=dict(num_classes={{_base_.num_classes}}),
)
