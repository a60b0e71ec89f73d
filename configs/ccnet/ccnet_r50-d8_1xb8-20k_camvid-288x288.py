# CCNet (arXiv 1811.11721) with ResNet-50 on CamVid; recipe of our own, see docs/ccnet.md.
# 49.82 M parameters, 132.34 GMACs at 360x480. Not run here.
# python tools/train.py configs/ccnet/ccnet_r50-d8_1xb8-20k_camvid-288x288.py
_base_ = [
    '../_base_/models/ccnet_r50-d8.py',
    '../_base_/datasets/camvid_288x288.py',
    '../_base_/schedules/sgd_20k.py',
    '../_base_/default_runtime.py',
]

model = dict(
    data_preprocessor=dict(size={{_base_.crop_size}}),
    decode_head=dict(num_classes={{_base_.num_classes}}),
    auxiliary_head=dict(num_classes={{_base_.num_classes}}),
)
