# SegNeXt (arXiv 2209.08575) with MSCAN-T on iSAID; recipe after the paper, see docs/segnext.md.
# 4.23 M parameters, 19.18 GMACs at 896x896. Not run here.
# bash tools/dist_train.sh configs/segnext/segnext_mscan-t_8xb2-160k_isaid-896x896.py 8
_base_ = [
    '../_base_/models/segnext_mscan-t.py',
    '../_base_/datasets/isaid_896x896.py',
    '../_base_/schedules/segnext_160k.py',
    '../_base_/default_runtime.py',
]

model = dict(
    data_preprocessor=dict(size={{_base_.crop_size}}),
    decode_head=dict(num_classes={{_base_.num_classes}}),
)
