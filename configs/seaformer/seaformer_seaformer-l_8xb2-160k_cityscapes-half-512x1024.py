# SeaFormer-L (arXiv 2301.13156) on Cityscapes at half its size; recipe of the full size, see docs/seaformer.md.
# 13.93 M parameters, 12.46 GMACs at 512x1024. Not run here.
# bash tools/dist_train.sh configs/seaformer/seaformer_seaformer-l_8xb2-160k_cityscapes-half-512x1024.py 8
_base_ = [
    '../_base_/models/seaformer_seaformer-l.py',
    '../_base_/datasets/cityscapes_half_512x1024.py',
    '../_base_/schedules/seaformer_160k.py',
    '../_base_/default_runtime.py',
]

model = dict(
    data_preprocessor=dict(size={{_base_.crop_size}}),
    decode_head=dict(num_classes={{_base_.num_classes}}),
)
optim_wrapper = dict(optimizer=dict(lr=2.5e-4))
train_dataloader = dict(batch_size=2)
