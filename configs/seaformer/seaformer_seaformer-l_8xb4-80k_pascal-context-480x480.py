# SeaFormer-L (arXiv 2301.13156) on Pascal Context, 60 classes; recipe of the official T and B, see docs/seaformer.md.
# 13.93 M parameters, 5.56 GMACs at 480x480. Not run here.
# bash tools/dist_train.sh configs/seaformer/seaformer_seaformer-l_8xb4-80k_pascal-context-480x480.py 8
_base_ = [
    '../_base_/models/seaformer_seaformer-l.py',
    '../_base_/datasets/pascal_context_480x480.py',
    '../_base_/schedules/seaformer_80k.py',
    '../_base_/default_runtime.py',
]

model = dict(
    data_preprocessor=dict(size={{_base_.crop_size}}),
    decode_head=dict(num_classes={{_base_.num_classes}}),
)
train_dataloader = dict(batch_size=4)
