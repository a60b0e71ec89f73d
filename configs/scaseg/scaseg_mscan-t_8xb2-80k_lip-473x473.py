# SCASeg (arXiv 2411.17061) with MSCAN-T on LIP; recipe of its relatives; see docs/datasets.md.
# 5.38 M parameters, 5.21 GMACs at 473x473. Not run here.
# bash tools/dist_train.sh configs/scaseg/scaseg_mscan-t_8xb2-80k_lip-473x473.py 8
_base_ = [
    '../_base_/models/scaseg_mscan-t.py',
    '../_base_/datasets/lip_473x473.py',
    '../_base_/schedules/adamw_80k.py',
    '../_base_/default_runtime.py',
]

model = dict(
    data_preprocessor=dict(size={{_base_.crop_size}}),
    decode_head=dict(num_classes={{_base_.num_classes}}),
)
