# SeaFormer-B (arXiv 2301.13156) on Pascal VOC 2012 (aug); recipe of its COCO-Stuff 10k, see docs/seaformer.md.
# 8.58 M parameters, 1.67 GMACs at 512x512. Not run here.
# bash tools/dist_train.sh configs/seaformer/seaformer_seaformer-b_8xb4-80k_voc12aug-512x512.py 8
_base_ = [
    '../_base_/models/seaformer_seaformer-b.py',
    '../_base_/datasets/voc2012_aug_512x512.py',
    '../_base_/schedules/seaformer_80k.py',
    '../_base_/default_runtime.py',
]

model = dict(
    data_preprocessor=dict(size={{_base_.crop_size}}),
    decode_head=dict(num_classes={{_base_.num_classes}}),
)
train_dataloader = dict(batch_size=4)
