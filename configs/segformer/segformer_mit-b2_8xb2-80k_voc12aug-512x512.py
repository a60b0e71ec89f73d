# SegFormer (arXiv 2105.15203) with MiT-B2 on Pascal VOC 2012 (aug); see docs/segformer.md.
# 27.36 M parameters, 34.89 GMACs at 512x512. Not run here.
# bash tools/dist_train.sh configs/segformer/segformer_mit-b2_8xb2-80k_voc12aug-512x512.py 8
_base_ = [
    '../_base_/models/segformer_mit-b2.py',
    '../_base_/datasets/voc2012_aug_512x512.py',
    '../_base_/schedules/adamw_80k.py',
    '../_base_/default_runtime.py',
]

model = dict(
    data_preprocessor=dict(size={{_base_.crop_size}}),
    decode_head=dict(num_classes={{_base_.num_classes}}),
)
