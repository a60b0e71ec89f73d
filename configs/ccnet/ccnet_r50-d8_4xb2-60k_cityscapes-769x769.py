# CCNet (arXiv 1811.11721) with ResNet-50 on Cityscapes; recipe of the official code, see docs/ccnet.md.
# 49.83 M parameters, 1616.75 GMACs at 1024x2048. Not run here.
# bash tools/dist_train.sh configs/ccnet/ccnet_r50-d8_4xb2-60k_cityscapes-769x769.py 4
_base_ = [
    '../_base_/models/ccnet_r50-d8.py',
    '../_base_/datasets/cityscapes_769x769.py',
    '../_base_/schedules/sgd_60k.py',
    '../_base_/default_runtime.py',
]

model = dict(
    data_preprocessor=dict(size={{_base_.crop_size}}),
    # like the official loss, the mean over the labelled pixels
    decode_head=dict(align_corners=True, num_classes={{_base_.num_classes}}, loss_decode=dict(avg_non_ignore=True)),
    auxiliary_head=dict(align_corners=True, num_classes={{_base_.num_classes}}, loss_decode=dict(avg_non_ignore=True)),
    test_cfg=dict(mode='slide', crop_size=(769, 769), stride=(513, 513)),
)
