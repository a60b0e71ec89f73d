# SegFormer (arXiv 2105.15203) with MiT-B5 on ADE20K, crops of 640 x 640 as the official one; see docs/segformer.md.
# 84.71 M parameters, 142.80 GMACs at 640x640. Not run here.
# bash tools/dist_train.sh configs/segformer/segformer_mit-b5_8xb2-160k_ade20k-640x640.py 8
_base_ = [
    '../_base_/models/segformer_mit-b5.py',
    '../_base_/datasets/ade20k_640x640.py',
    '../_base_/schedules/adamw_160k.py',
    '../_base_/default_runtime.py',
]

model = dict(
    data_preprocessor=dict(size={{_base_.crop_size}}),
    decode_head=dict(num_classes={{_base_.num_classes}}),
)
