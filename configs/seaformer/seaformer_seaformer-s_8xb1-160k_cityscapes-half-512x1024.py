# SeaFormer-S (arXiv 2301.13156) on Cityscapes at half its size; official recipe, see docs/seaformer.md.
# 3.97 M parameters, 1.92 GMACs at 512x1024. Not run here.
# bash tools/dist_train.sh configs/seaformer/seaformer_seaformer-s_8xb1-160k_cityscapes-half-512x1024.py 8
_base_ = [
    '../_base_/models/seaformer_seaformer-s.py',
    '../_base_/datasets/cityscapes_half_512x1024.py',
    '../_base_/schedules/seaformer_160k.py',
    '../_base_/default_runtime.py',
]

model = dict(
    data_preprocessor=dict(size={{_base_.crop_size}}),
    decode_head=dict(num_classes={{_base_.num_classes}}),
)
optim_wrapper = dict(optimizer=dict(lr=3e-4))
