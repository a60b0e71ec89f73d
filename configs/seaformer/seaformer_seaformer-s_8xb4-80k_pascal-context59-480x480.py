# SeaFormer-S (arXiv 2301.13156) on Pascal Context, 59 classes; official recipe, see docs/seaformer.md.
# 3.98 M parameters, 0.88 GMACs at 480x480. Not run here.
# bash tools/dist_train.sh configs/seaformer/seaformer_seaformer-s_8xb4-80k_pascal-context59-480x480.py 8
_base_ = [
    '../_base_/models/seaformer_seaformer-s.py',
    '../_base_/datasets/pascal_context59_480x480.py',
    '../_base_/schedules/seaformer_80k.py',
    '../_base_/default_runtime.py',
]

model = dict(
    data_preprocessor=dict(size={{_base_.crop_size}}),
    decode_head=dict(num_classes={{_base_.num_classes}}),
)
train_dataloader = dict(batch_size=4)
