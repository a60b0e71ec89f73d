# CCNet (arXiv 1811.11721) with ResNet-50 on Cityscapes; mmseg's recipe, see docs/ccnet.md.
# 49.83 M parameters, 1616.75 GMACs at 1024x2048. Not run here.
# bash tools/dist_train.sh configs/ccnet/ccnet_r50-d8_4xb2-80k_cityscapes-512x1024.py 4
_base_ = [
    '../_base_/models/ccnet_r50-d8.py',
    '../_base_/datasets/cityscapes_512x1024.py',
    '../_base_/schedules/sgd_80k.py',
    '../_base_/default_runtime.py',
]

model = dict(
    data_preprocessor=dict(size={{_base_.crop_size}}),
    decode_head=dict(num_classes={{_base_.num_classes}}),
    auxiliary_head=dict(num_classes={{_base_.num_classes}}),
)
