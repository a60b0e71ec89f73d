# CCNet (arXiv 1811.11721) with ResNet-50 on COCO-Stuff 164k; mmseg's recipe for other heads, see docs/ccnet.md.
# 49.94 M parameters, 201.20 GMACs at 512x512. Not run here.
# bash tools/dist_train.sh configs/ccnet/ccnet_r50-d8_4xb4-80k_coco-stuff164k-512x512.py 4
_base_ = [
    '../_base_/models/ccnet_r50-d8.py',
    '../_base_/datasets/coco_stuff164k_512x512.py',
    '../_base_/schedules/sgd_80k.py',
    '../_base_/default_runtime.py',
]

model = dict(
    data_preprocessor=dict(size={{_base_.crop_size}}),
    decode_head=dict(num_classes={{_base_.num_classes}}),
    auxiliary_head=dict(num_classes={{_base_.num_classes}}),
)
train_dataloader = dict(batch_size=4)
