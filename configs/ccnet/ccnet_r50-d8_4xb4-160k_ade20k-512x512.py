# CCNet (arXiv 1811.11721) with ResNet-50 on ADE20K; mmseg's recipe, see docs/ccnet.md.
# 49.93 M parameters, 201.16 GMACs at 512x512. Not run here.
# bash tools/dist_train.sh configs/ccnet/ccnet_r50-d8_4xb4-160k_ade20k-512x512.py 4
_base_ = [
    '../_base_/models/ccnet_r50-d8.py',
    '../_base_/datasets/ade20k_512x512.py',
    '../_base_/schedules/sgd_160k.py',
    '../_base_/default_runtime.py',
]

model = dict(
    data_preprocessor=dict(size={{_base_.crop_size}}),
    decode_head=dict(num_classes={{_base_.num_classes}}),
    auxiliary_head=dict(num_classes={{_base_.num_classes}}),
)
train_dataloader = dict(batch_size=4)
