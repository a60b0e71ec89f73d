# SegFormer (arXiv 2105.15203) with MiT-B0 on Cityscapes; see docs/segformer.md.
# 3.72 M parameters, 98.01 GMACs at 1024x2048. Not run here.
# bash tools/dist_train.sh configs/segformer/segformer_mit-b0_8xb1-160k_cityscapes-1024x1024.py 8
_base_ = [
    '../_base_/models/segformer_mit-b0.py',
    '../_base_/datasets/cityscapes_1024x1024.py',
    '../_base_/schedules/adamw_160k.py',
    '../_base_/default_runtime.py',
]

model = dict(
    data_preprocessor=dict(size={{_base_.crop_size}}),
    decode_head=dict(num_classes={{_base_.num_classes}}),
    test_cfg=dict(mode='slide', crop_size=(1024, 1024), stride=(768, 768)),
)
