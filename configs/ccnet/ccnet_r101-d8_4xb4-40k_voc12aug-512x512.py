# CCNet (arXiv 1811.11721) with ResNet-101 on Pascal VOC 2012 (aug); mmseg's recipe, see docs/ccnet.md.
# 68.82 M parameters, 278.47 GMACs at 512x512. Not run here.
# bash tools/dist_train.sh configs/ccnet/ccnet_r101-d8_4xb4-40k_voc12aug-512x512.py 4
_base_ = [
    '../_base_/models/ccnet_r101-d8.py',
    '../_base_/datasets/voc2012_aug_512x512.py',
    '../_base_/schedules/sgd_40k.py',
    '../_base_/default_runtime.py',
]

model = dict(
    data_preprocessor=dict(size={{_base_.crop_size}}),
    decode_head=dict(num_classes={{_base_.num_classes}}),
    auxiliary_head=dict(num_classes={{_base_.num_classes}}),
)
train_dataloader = dict(batch_size=4)
