# SeaFormer-S (arXiv 2301.13156) on ADE20K, batch 16; official recipe, see docs/seaformer.md.
# 3.99 M parameters, 1.03 GMACs at 512x512. Not run here.
# bash tools/dist_train.sh configs/seaformer/seaformer_seaformer-s_8xb2-160k_ade20k-512x512.py 8
_base_ = [
    '../_base_/models/seaformer_seaformer-s.py',
    '../_base_/datasets/ade20k_512x512.py',
    '../_base_/schedules/seaformer_160k.py',
    '../_base_/default_runtime.py',
]

model = dict(
    data_preprocessor=dict(size={{_base_.crop_size}}),
    decode_head=dict(num_classes={{_base_.num_classes}}),
)
optim_wrapper = dict(optimizer=dict(lr=2.5e-4))
