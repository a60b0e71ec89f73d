# CCNet (arXiv 1811.11721) with ResNet-101 on LIP; mmseg's recipe of the other data sets; see docs/datasets.md.
# 68.82 M parameters, 244.61 GMACs at 473x473. Not run here.
# bash tools/dist_train.sh configs/ccnet/ccnet_r101-d8_4xb4-80k_lip-473x473.py 4
_base_ = [
    '../_base_/models/ccnet_r101-d8.py',
    '../_base_/datasets/lip_473x473.py',
    '../_base_/schedules/sgd_80k.py',
    '../_base_/default_runtime.py',
]

model = dict(
    data_preprocessor=dict(size={{_base_.crop_size}}),
    decode_head=dict(num_classes={{_base_.num_classes}}),
    auxiliary_head=dict(num_classes={{_base_.num_classes}}),
)
train_dataloader = dict(batch_size=4)
